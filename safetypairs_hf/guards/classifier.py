"""Image classifiers of transformers as guards, by a map from categories to their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.guards.base import Loaded, ModelGuard, Question
from safetypairs_hf.guards.by_category import by_slug, normal
from safetypairs_hf.models.chat import as_pil, flat
from safetypairs_hf.models.loading import MODEL, check_class, pick_device, pick_dtype


@dataclass(frozen=True)
class Classifier(ModelGuard[Loaded]):
    """P(unsafe) of a category: the probability of all its labels (softmax), or of its likeliest label (sigmoid).

    `raw` has the likeliest of all labels. Raises SafetyPairsError if the model's labels differ from those of the map,
    or if `activation` is "auto" and the model's config does not say how its outputs become probabilities.

    Args (see `ModelGuard` for the others):
        unsafe: The unsafe labels of each category, by its code, slug or name. A category is not covered unless it, or a
            category that it maps to, is a key.
        safe: The other labels. Every label of the model must be in `unsafe` or in `safe`, so that none is forgotten.
        activation: "softmax" (exactly one label is true), "sigmoid" (labels are independent), or "none" (the outputs
            are probabilities already). "auto" follows `problem_type` in the model's config: sigmoid for
            multi_label_classification, else softmax of two or more outputs. It refuses a regression, and one output
            without a type.
        family: Judges that share weights or training have the same family; "" takes the model's name.
    """

    model: str
    unsafe: Mapping[str, Sequence[str]]
    safe: Sequence[str]
    commit: str | None = None
    batch_size: int = 32
    device: str = "auto"
    family: str = field(default="")
    activation: Literal["auto", "softmax", "sigmoid", "none"] = "auto"
    kind: ClassVar[str] = "classifier"
    fidelity: ClassVar[str] = "trained"
    by_taxonomy: ClassVar[tuple[str, ...]] = ("_labels",)

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, labels in self.unsafe.items():
            if not isinstance(key, str) or not labels:
                raise RecipeError(f"unsafe has {key!r}: {labels!r}; expected a category, and one label of it or more")
        unsafe = {normal(key): _texts(self.unsafe[key], f"of {key}") for key in self.unsafe}
        object.__setattr__(self, "unsafe", unsafe)
        safe = _texts(self.safe, "that are safe")
        object.__setattr__(self, "safe", safe if isinstance(self.safe, str) else self.safe)
        object.__setattr__(self, "family", self.family or self.name)

    def covers(self, slug: str) -> bool:
        return slug in self._labels

    @cached_property
    def _labels(self) -> dict[str, Sequence[str]]:
        return by_slug(self.unsafe, self.taxonomy)

    def load(self) -> Loaded:
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        self._check_class()
        where = pick_device(self.device)
        processor = AutoImageProcessor.from_pretrained(self.model, revision=self.commit)
        model = AutoModelForImageClassification.from_pretrained(
            self.model, revision=self.commit, dtype=pick_dtype(where)
        )
        return Loaded(processor, model.to(where).eval())

    def _check_class(self) -> None:
        """See `HoldsWeights`; also check that the labels of the map are those of the model."""
        from transformers import AutoConfig
        from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as NAMES

        check_class(self.model, self.commit, MODEL, flat(NAMES.values()), "an image classifier")
        config = AutoConfig.from_pretrained(self.model, revision=self.commit)
        self._check(_places(self.model, config))
        _ = _activation(self.model, config, self.activation)

    def _check(self, labels: Mapping[str, list[int]]) -> None:
        mapped = {label for several in self.unsafe.values() for label in several}
        unknown, missed = (mapped | set(self.safe)) - set(labels), set(labels) - mapped - set(self.safe)
        both = mapped & set(self.safe)
        listed = ", ".join(sorted(labels, key=labels.__getitem__))
        for wrong, what in ((unknown, "has no label"), (missed, "has labels that the map misses:")):
            if wrong:
                raise SafetyPairsError(
                    f"{self.model} {what} {', '.join(sorted(wrong))}; its labels are {listed}: name each in "
                    "`unsafe` or in `safe`"
                )
        if both:
            raise SafetyPairsError(f"the label map has {', '.join(sorted(both))} as unsafe and as safe; choose one")

    def prepare(self, questions: Sequence[Question]) -> Any:
        processor, model = self.loaded
        made = processor([as_pil(each.image) for each in questions], return_tensors="pt")
        return made.to(dtype=model.dtype)

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        model = self.loaded.model
        places = _places(self.model, model.config)
        activation = _activation(self.model, model.config, self.activation)
        shares = _shares(model, inputs.to(model.device), activation)
        return [
            self._verdict(each, places, [*self._labels[question.slug]], activation)
            for each, question in zip(shares, questions, strict=True)
        ]

    def _verdict(
        self, found: list[float], places: Mapping[str, Sequence[int]], labels: Sequence[str], activation: str
    ) -> Verdict:
        top = max(range(len(found)), key=found.__getitem__)
        raw = f"{next(label for label, at in places.items() if top in at)}:{found[top]:.4f}"
        if not all(0 <= share <= 1 for share in found):  # NaN fails this too
            return Verdict(None, "broken_output", raw)
        ours = [found[place] for label in labels for place in places[label]]
        return Verdict(min(sum(ours), 1.0) if activation == "softmax" else max(ours), "", raw)


def _texts(given: Any, which: str) -> tuple[str, ...]:
    """Return labels, given as one text or several, as a tuple."""
    several = (given,) if isinstance(given, str) else given
    if not isinstance(several, Sequence) or not all(isinstance(label, str) for label in several):
        raise RecipeError(f"the labels {which} are {given!r}; expected a list of texts, such as ['nsfw']")
    return tuple(several)


def _places(model: str, config: Any) -> dict[str, list[int]]:
    """Return the output indices of each label in a model's config.

    Raises:
        SafetyPairsError: Its `id2label` does not number the labels, or its `label2id` contradicts that.
    """
    names = {int(place): str(label) for place, label in config.id2label.items()}
    if sorted(names) != list(range(len(names))):
        raise SafetyPairsError(
            f"id2label in the config of {model} numbers its labels {', '.join(map(str, sorted(names)))}; expected 0 to "
            f"{len(names) - 1}; correct {model}/config.json"
        )
    for label, place in (config.label2id or {}).items():
        if str(names.get(int(place) if str(place).isdecimal() else -1)) != str(label):
            raise SafetyPairsError(
                f"the config of {model} contradicts itself: label2id has {label!r} at {place!r}, and id2label has "
                f"{', '.join(f'{name!r} at {at}' for at, name in sorted(names.items())[:9])}; "
                f"correct {model}/config.json"
            )
    places: dict[str, list[int]] = {}
    for place, label in sorted(names.items()):
        places.setdefault(label, []).append(place)
    return places


def _activation(model: str, config: Any, wanted: str) -> str:
    """Return how a model's outputs become probabilities: "softmax", "sigmoid" or "none".

    Raises:
        SafetyPairsError: Its config does not say, or a softmax is wanted of a single output.
    """
    outputs, kind = len(config.id2label), config.problem_type
    if wanted == "auto" and kind == "multi_label_classification":
        return "sigmoid"
    softmax_of_one = outputs == 1 and wanted in ("auto", "softmax")  # it would be 1.0 for every image
    if softmax_of_one or (wanted == "auto" and kind not in (None, "single_label_classification")):
        told = f"problem_type {kind}" if kind else "no problem_type"
        raise SafetyPairsError(
            f"{model} has {outputs} output{'s' * (outputs > 1)} and {told}, so its config does not say how they "
            "become probabilities; set activation=sigmoid if the outputs are logits, or activation=none if they are "
            "probabilities already"
        )
    return "softmax" if wanted == "auto" else wanted


def _shares(model: Any, inputs: Any, activation: str) -> list[list[float]]:
    """Return the probabilities of all labels for each image."""
    import torch

    with torch.inference_mode():
        logits = model(**inputs).logits.double()
    if activation == "softmax":
        logits = logits.softmax(dim=-1)
    elif activation == "sigmoid":
        logits = logits.sigmoid()
    shares: list[list[float]] = logits.tolist()
    return shares
