"""Image classifiers of transformers as guards, by a map from categories to their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.guards.base import Loaded, ModelGuard, Question
from safetypairs_hf.guards.by_category import by_slug, normal
from safetypairs_hf.models.chat import as_pil, flat
from safetypairs_hf.models.loading import MODEL, check_class, pick_device, pick_dtype


@dataclass(frozen=True)
class Classifier(ModelGuard[Loaded]):
    """P(unsafe) of a category: the probability of all its labels (softmax), or of its likeliest label (multi-label).

    `raw` has the likeliest of all labels. A model whose labels are not those of the map is a SafetyPairsError.

    Args (see `ModelGuard` for the others):
        unsafe: category (code, slug or name) -> the labels that are unsafe in it. A category that is not in it, and
            that maps to none in it, is not covered.
        safe: the other labels. Every label of the model must be in `unsafe` or in `safe`, so that none is forgotten.
        family: judges that share weights or training share one; "" takes the model's name.
    """

    model: str
    unsafe: Mapping[str, Sequence[str]]
    safe: Sequence[str]
    commit: str | None = None
    batch_size: int = 32
    device: str = "auto"
    family: str = field(default="")
    kind: ClassVar[str] = "classifier"
    fidelity: ClassVar[str] = "trained"
    by_taxonomy: ClassVar[tuple[str, ...]] = ("_labels",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unsafe", {normal(key): tuple(self.unsafe[key]) for key in self.unsafe})
        object.__setattr__(self, "family", self.family or self.name)

    def covers(self, slug: str) -> bool:
        return slug in self._labels

    @cached_property
    def _labels(self) -> dict[str, Sequence[str]]:
        return by_slug(self.unsafe, self.taxonomy)

    def load(self) -> Loaded:
        from transformers import AutoImageProcessor, AutoModelForImageClassification
        from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as NAMES

        check_class(self.model, self.commit, MODEL, flat(NAMES.values()), "an image classifier")
        where = pick_device(self.device)
        processor = AutoImageProcessor.from_pretrained(self.model, revision=self.commit)
        model = AutoModelForImageClassification.from_pretrained(
            self.model, revision=self.commit, dtype=pick_dtype(where)
        )
        self._check(model.config.label2id)
        return Loaded(processor, model.to(where).eval())

    def _check(self, labels: Mapping[str, int]) -> None:
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
        shares = _shares(model, inputs.to(model.device))
        return [
            self._verdict(each, question.slug, model.config) for each, question in zip(shares, questions, strict=True)
        ]

    def _verdict(self, found: list[float], slug: str, config: Any) -> Verdict:
        if any(share != share for share in found):
            return Verdict(None, "broken_output")
        ours = [found[config.label2id[label]] for label in self._labels[slug]]
        top = max(range(len(found)), key=found.__getitem__)
        share = max(ours) if config.problem_type == "multi_label_classification" else min(sum(ours), 1.0)
        return Verdict(share, "", f"{config.id2label[top]}:{found[top]:.4f}")


def _shares(model: Any, inputs: Any) -> list[list[float]]:
    """Return the probabilities of all labels, for each image."""
    import torch

    with torch.inference_mode():
        logits = model(**inputs).logits.double()
    many = model.config.problem_type == "multi_label_classification"
    shares: list[list[float]] = (logits.sigmoid() if many else logits.softmax(dim=-1)).tolist()
    return shares
