"""Train a head on frozen features, and write it as a model folder."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Picture
from safetypairs_hf.guards.head import write_head
from safetypairs_hf.models.image_features import EMBEDDED, Backbone
from safetypairs_hf.training.cached_features import Read, cached_features
from safetypairs_hf.training.fit_head import fit_head
from safetypairs_hf.training.trained_guard import PREDICTIONS

if TYPE_CHECKING:
    from safetypairs_hf.evaluating.data import Data
    from safetypairs_hf.evaluating.judging import Progress


@dataclass(frozen=True)
class HeadTraining:
    """The settings of a head.

    Args:
        model: The backbone, see `Backbone`: "efficientnet-lite0", or a folder or Hub id of a vision model.
        commit: The commit, for a Hub id.
        grid: The number of crops across and down that are used in addition to the whole image; 1 means none.
        head: "linear", a logistic regression; "mlp", a perceptron with one hidden layer.
        folds: The number of parts of the cross-validation over families.
        seed: The seed of the folds, and of a perceptron's first weights.
        device: "auto" uses a GPU if there is one.
    """

    model: str = EMBEDDED
    commit: str | None = None
    grid: int = 2
    head: Literal["linear", "mlp"] = "linear"
    folds: int = 5
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.folds < 2 or not 0 <= self.seed < 2**32:
            raise SafetyPairsError(f"folds is {self.folds} and seed {self.seed}; expected 2 or more, and 0 or more")
        if self.commit and self.model == EMBEDDED:
            raise SafetyPairsError(f"commit is of a model on the Hub, and {EMBEDDED} is in a package; leave it out")

    @property
    def backbone(self) -> Backbone:
        return Backbone(self.model, self.commit, self.grid, self.device)


@dataclass(frozen=True)
class Images:
    """Labelled images as columns with a row for each image: the input of `fit_head`, and how to read each image.

    `keys`: the SHA-256 of each image file. `category`: the index of each row's category in `categories`.
    """

    pair_ids: list[str]
    unsafe: list[int]
    families: list[str]
    categories: tuple[str, ...]
    category: list[int]
    keys: list[str]
    reads: list[Read]

    @classmethod
    def of(cls, data: Data, rows: Sequence[int], categories: tuple[str, ...]) -> Images:
        """Return some images of opened pairs, which must be of these categories."""
        return cls(
            pair_ids=[data.pair_ids[row] for row in rows],
            unsafe=[data.references[row] for row in rows],
            families=[data.groups[row] for row in rows],
            categories=categories,
            category=[categories.index(data.images[row].category) for row in rows],
            keys=[data.images[row].sha256 for row in rows],
            reads=[_reader(data, row) for row in rows],
        )

    def features(self, backbone: Backbone, cache: Path, progress: Progress) -> Any:
        """Return (n, width) features of the rows."""
        import numpy as np

        found = cached_features(
            backbone,
            dict(zip(self.keys, self.reads, strict=True)),
            cache,
            lambda done, total: progress("features", done, total),
        )
        return np.stack([found[key] for key in self.keys])

    def predictions(self, scores: Any) -> dict[str, list[Any]]:
        """Return the columns of docs/metric.md, with a score for each row."""
        return {
            "pair_id": self.pair_ids,
            "reference": self.unsafe,
            "score": [float(each) for each in scores],
            "category": [self.categories[each] for each in self.category],
            "group": self.families,
        }


def train_head(
    data: Data,
    rows: Sequence[int],
    categories: tuple[str, ...],
    folder: Path,
    settings: HeadTraining,
    cache: Path,
    progress: Progress,
) -> dict[str, list[Any]]:
    """Write a head to an existing folder. Return its held-out scores of the training images.

    Raises:
        SafetyPairsError: As for `Backbone`, `cached_features` and `fit_head`.
    """
    from safetypairs_hf.metric.score import score

    images = Images.of(data, rows, categories)
    features = images.features(settings.backbone, cache, progress)
    fitted = fit_head(
        features,
        images.unsafe,
        images.category,
        images.families,
        columns=len(categories),
        kind=settings.head,
        folds=settings.folds,
        seed=settings.seed,
    )
    predictions = images.predictions(fitted.held_out)
    with (folder / PREDICTIONS).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(predictions)
        lines.writerows(zip(*predictions.values(), strict=True))
    config = {
        "format": 1,
        "backbone": {
            **{key: value for key, value in asdict(settings).items() if key in ("model", "commit", "grid")},
            "revision": settings.backbone.revision,
            "width": features.shape[1],
        },
        "head": settings.head,
        "penalty" if settings.head == "mlp" else "C": fitted.setting,
        "categories": list(categories),
        "taxonomy": data.taxonomy.name,
        "data": data.name,
        "threshold": score(predictions).best_threshold,
    }
    write_head(folder, fitted.weights, config)
    return predictions


def _reader(data: Data, row: int) -> Read:
    return lambda: Picture(data.read(row), data.name_of(row))
