"""ShieldGemma 2 (https://arxiv.org/abs/2504.01081): one prompt an image and policy, Yes or No from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from safetypairs_hf import crosswalk, policies
from safetypairs_hf.errors import RecipeError
from safetypairs_hf.models.chat import Refused, as_pil, basename, unless_refused
from safetypairs_hf.models.loading import MODEL, check_class, let_go, pick_device, pick_dtype, revision_of
from safetypairs_hf.models.memory import in_batches
from safetypairs_hf.records import Box, Picture, Verdict
from safetypairs_hf.taxonomy import category as find_category

_CLASS = "ShieldGemma2ForImageClassification"


@dataclass(frozen=True)
class ShieldGemma:
    """P(unsafe) = P(Yes, it violates the policy), as the model gives it.

    Args:
        model: a folder, or a Hub id with `commit`.
        fidelity: "trained" asks by the three policies of its training and does not cover what they don't (crosswalk);
            "common" asks by our policy texts, which cover every category.
        batch_size: images in a forward pass; halved where memory runs out.
        device: "auto" takes a GPU where there is one.
    """

    model: str = "google/shieldgemma-2-4b-it"
    commit: str | None = None
    fidelity: str = "trained"
    batch_size: int = 8
    device: str = "auto"
    family: str = "shieldgemma"
    holds_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.fidelity not in ("trained", "common"):
            raise RecipeError(f"fidelity = {self.fidelity!r}: expected 'trained' or 'common'")

    @property
    def name(self) -> str:
        return f"shieldgemma:{basename(self.model)}"

    @cached_property
    def revision(self) -> str:
        return revision_of(self.model, self.commit)

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """One Verdict an image, in order; regions are not used. Where several policies answer to a category, the worst.

        Abstains with "not_covered", "refused_by_processor" or "broken_output".
        """
        asked = [self._policies(find_category(category).slug) for category in categories]
        verdicts = [Verdict(None, "not_covered") for _ in images]
        # One policy a batch: its prompts are then equally long, and the processor asks every image the same.
        for policy, text in dict.fromkeys(each for several in asked for each in several):
            numbers = [number for number, several in enumerate(asked) if (policy, text) in several]
            found = in_batches(
                [images[number] for number in numbers],
                self.batch_size,
                lambda batch, policy=policy, text=text: self._batch(batch, policy, text),  # type: ignore[misc]
            )
            for number, (verdict, _) in zip(numbers, found, strict=True):
                verdicts[number] = _worse(verdicts[number], verdict)
        return verdicts

    def release(self) -> None:
        """Let go of the model; it loads again when next asked."""
        let_go(self, "_loaded")

    def _policies(self, slug: str) -> list[tuple[str, str]]:
        """Name and text of each policy that answers to a category; the text is "" for the model's own."""
        if self.fidelity == "common":
            return [(slug, policies.text(slug))]
        return [(code, "") for code in crosswalk.match("shieldgemma-2", slug).codes]

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from transformers import AutoProcessor, ShieldGemma2ForImageClassification

        check_class(self.model, self.commit, MODEL, (_CLASS,))
        where = pick_device(self.device)
        processor = AutoProcessor.from_pretrained(self.model, revision=self.commit)
        model = ShieldGemma2ForImageClassification.from_pretrained(
            self.model, revision=self.commit, dtype=pick_dtype(where)
        )
        return processor, model.to(where).eval()

    def _batch(self, images: Sequence[Picture], policy: str, text: str) -> list[Verdict]:
        processor, model = self._loaded
        custom = {"custom_policies": {policy: text}} if text else {}

        def prepare(part: Sequence[Picture]) -> Any:
            made = processor(images=list(map(as_pil, part)), policies=[policy], return_tensors="pt", **custom)
            return made.to(model.device, dtype=model.dtype)

        found = unless_refused(images, prepare, lambda inputs: _verdicts(model, inputs))
        return [
            Verdict(None, "refused_by_processor", each.detail) if isinstance(each, Refused) else each for each in found
        ]


def _verdicts(model: Any, inputs: Any) -> list[Verdict]:
    import torch

    with torch.inference_mode():
        logits = model(**inputs, logits_to_keep=1, use_cache=False).logits
    # Column 0 is Yes, it violates; the class's docstring says 1, its prompt and its logits say 0. Its own softmax is in
    # the model's dtype, and bfloat16 has three digits.
    shares = logits.double().softmax(dim=-1)[:, 0].tolist()
    return [Verdict(share) if share == share else Verdict(None, "broken_output") for share in shares]


def _worse(a: Verdict, b: Verdict) -> Verdict:
    if a.p_unsafe is None or b.p_unsafe is None:
        return b if a.p_unsafe is None else a
    return max(a, b, key=lambda verdict: verdict.p_unsafe or 0.0)
