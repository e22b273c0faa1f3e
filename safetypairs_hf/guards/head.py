"""The light guards that `safetypairs train` makes: a small head on frozen features of the image and of its crops."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import ForeignTextError, parse_object, read_text, reading
from safetypairs_hf.core.hub import fetch
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.guards.base import ModelGuard, Question
from safetypairs_hf.models.image_features import Backbone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

CONFIG: Final = "config.json"
WEIGHTS: Final = "head.safetensors"
KIND: Final = "safetypairs-head"
_HINT: Final = "expected a folder that `safetypairs train` wrote"


class HeadWeights(NamedTuple):
    """A linear head or a perceptron. Its input is the standardised features, followed by a column for each category.

    `mean` and `scale`: (features,). `layers`: (weights (inputs, outputs), bias (outputs,)) of each layer, with ReLU
    between two layers. The last layer has one output, the calibrated logit of P(unsafe).
    """

    mean: Numbers
    scale: Numbers
    layers: tuple[tuple[Numbers, Numbers], ...]

    def logits(self, features: Any, categories: Sequence[int]) -> Numbers:
        """Return (n,) logits.

        Args:
            features: (n, features).
            categories: (n,) The column of each image's category.

        Raises:
            SafetyPairsError: It was trained on features of another size.
        """
        import numpy as np

        if features.shape[1] != len(self.mean):
            raise SafetyPairsError(
                f"the head takes {len(self.mean):,} features and the backbone gives {features.shape[1]:,}; take the "
                "backbone and the grid that it was trained with"
            )
        values = (np.asarray(features, np.float64) - self.mean) / self.scale
        told = np.eye(len(self.layers[0][0]) - len(self.mean))[list(categories)]
        values = np.concatenate([values, told.reshape(len(values), -1)], axis=1)
        for number, (weights, bias) in enumerate(self.layers):
            values = values @ weights + bias
            if number < len(self.layers) - 1:
                values = np.maximum(values, 0)
        return np.asarray(values[:, 0])


class TrainedHead(NamedTuple):
    """The content of a model folder: the head, its backbone, and the categories that it was trained on."""

    weights: HeadWeights
    backbone: Backbone
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Head(ModelGuard[TrainedHead]):
    """P(unsafe), calibrated on the training pairs; a category that it was not trained on is "not_covered".

    Args (see `ModelGuard` for the others):
        model: A folder that `safetypairs train` wrote, or a Hub id with `commit`.
        family: Judges that share weights or training have the same family; "" takes the model's name.
    """

    model: str
    commit: str | None = None
    batch_size: int = 16
    device: str = "auto"
    family: str = field(default="")
    kind: ClassVar[str] = "head"
    fidelity: ClassVar[str] = "trained"
    by_taxonomy: ClassVar[tuple[str, ...]] = ("_places",)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "family", self.family or self.name)

    def covers(self, slug: str) -> bool:
        return slug in self._places

    @cached_property
    def _places(self) -> dict[str, int]:
        """The column of each category of the taxonomy, if the head was trained on it or on what it maps to."""
        trained = {slug: number for number, slug in enumerate(self.config["categories"])}
        named = {each.slug: each.slug if each.slug in trained else each.maps_to for each in self.taxonomy.categories}
        return {slug: trained[known] for slug, known in named.items() if known in trained}

    @property
    def config(self) -> dict[str, Any]:
        """The config.json that `safetypairs train` wrote; the weights are not loaded."""
        return self._config if self.unbound is self else self.unbound.config

    @cached_property
    def _config(self) -> dict[str, Any]:
        return _read_config(self._file(CONFIG), self.model)

    def _check_class(self) -> None:
        _ = self._backbone

    def load(self) -> TrainedHead:
        backbone = self._backbone
        weights = read_weights(self._file(WEIGHTS), self.model)
        return TrainedHead(weights, backbone, tuple(self.config["categories"]))

    @property
    def _backbone(self) -> Backbone:
        """Return the backbone of its training, not loaded yet. Raises SafetyPairsError if the revision differs."""
        told = self.config["backbone"]
        backbone = Backbone(told["model"], told["commit"], told["grid"], self.device)
        if backbone.revision != told["revision"]:
            raise SafetyPairsError(
                f"{self.model} was trained on features of {told['model']} {told['revision']}, and here is "
                f"{backbone.revision}; install or download that one"
            )
        return backbone

    def prepare(self, questions: Sequence[Question]) -> Any:
        return self.loaded.backbone.prepare([each.image for each in questions])

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        head = self.loaded
        places = [self._places[each.slug] for each in questions]
        logits = head.weights.logits(head.backbone.features(inputs), places)
        return [Verdict(probability(logit), "", f"logit:{logit:.4f}") for logit in logits.tolist()]

    def _file(self, name: str) -> Path:
        path = Path(self.model) / name
        if not Path(self.model).is_dir():
            _ = self.revision  # raises for a Hub id without a commit
            try:
                path = fetch(self.model, name, self.commit, kind="model")
            except FileNotFoundError as error:
                raise SafetyPairsError(f"{self.model} has no {name}; {_HINT}") from error
        if not path.is_file():
            raise SafetyPairsError(f"{self.model} has no {name}; {_HINT}")
        return path


def probability(logit: float) -> float:
    """Return the logistic function of a logit, without overflow."""
    import math

    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def write_head(folder: Path, weights: HeadWeights, config: Mapping[str, Any]) -> None:
    """Write config.json and head.safetensors into an existing folder. `config` is `Head.config` without `kind`."""
    import numpy as np
    from safetensors.numpy import save_file

    tensors = {"mean": weights.mean, "scale": weights.scale}
    for number, (matrix, bias) in enumerate(weights.layers):
        tensors |= {f"layers.{number}.weight": matrix, f"layers.{number}.bias": bias}
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"kind": KIND, **config}, indent=2) + "\n", "utf-8")


def read_weights(path: Path, name: str) -> HeadWeights:
    """Read head.safetensors. Raises SafetyPairsError if it is damaged; `name` is the model's name in the message."""
    import numpy as np
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        layers = [(tensors[f"layers.{n}.weight"], tensors[f"layers.{n}.bias"]) for n in range((len(tensors) - 2) // 2)]
        widths = [len(layers[0][0]), *(len(bias) for _, bias in layers)]
        whole = all(matrix.shape == (widths[n], widths[n + 1]) for n, (matrix, _) in enumerate(layers))
        mean, scale = tensors["mean"], tensors["scale"]
        if not whole or widths[-1] != 1 or mean.shape != scale.shape or len(mean) > widths[0]:
            raise ValueError("its layers do not fit one another")
        if not all(np.isfinite(value).all() for value in tensors.values()) or not (scale > 0).all():
            raise ValueError("a weight is no finite number")
    except Exception as error:  # a damaged file can raise anything
        raise SafetyPairsError(f"{name}/{WEIGHTS} is damaged: {error}; train or download it again") from error
    return HeadWeights(mean, scale, tuple(layers))


def _read_config(path: Path, name: str) -> dict[str, Any]:
    with reading(f"{name}/{CONFIG}", _HINT):
        config = parse_object(read_text(path))
        if config.get("kind") != KIND:
            raise ForeignTextError(f"is of no head: kind is {config.get('kind')!r}")
        told, categories = config.get("backbone"), config.get("categories")
        if not isinstance(told, dict) or {"model", "commit", "grid", "revision"} - set(told):
            raise ForeignTextError("has no backbone with model, commit, grid and revision")
        texts = all(isinstance(told[key], str) for key in ("model", "revision"))
        if not texts or not isinstance(told["commit"], str | None) or type(told["grid"]) is not int:
            raise ForeignTextError("has a backbone of another form")
        if not isinstance(categories, list) or not all(isinstance(each, str) for each in categories):
            raise ForeignTextError("has no list of categories")
    return config
