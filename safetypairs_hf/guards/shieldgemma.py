"""ShieldGemma 2 (https://arxiv.org/abs/2504.01081): one prompt an image and policy, Yes or No from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards.base import Batched, Question
from safetypairs_hf.models.chat import as_pil, basename
from safetypairs_hf.models.loading import MODEL, check_class, let_go, pick_device, pick_dtype, revision_of
from safetypairs_hf.models.processors import Copies
from safetypairs_hf.taxonomy import crosswalk, policies

_CLASS = "ShieldGemma2ForImageClassification"


@dataclass(frozen=True)
class ShieldGemma(Batched):
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

    def release(self) -> None:
        """Let go of the model; it loads again when next asked."""
        let_go(self, "_loaded")

    def asked(self, slug: str) -> str:
        """Our policy text at `common`; "" at `trained`, where the model's own policies are asked."""
        return policies.text(slug) if self.fidelity == "common" else ""

    def _policies(self, slug: str) -> tuple[str, ...]:
        """The names of the policies that answer to a category."""
        return (slug,) if self.fidelity == "common" else crosswalk.match("shieldgemma-2", slug).codes

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from transformers import AutoProcessor, ShieldGemma2ForImageClassification

        check_class(self.model, self.commit, MODEL, (_CLASS,))
        where = pick_device(self.device)
        processor = AutoProcessor.from_pretrained(self.model, revision=self.commit)
        model = ShieldGemma2ForImageClassification.from_pretrained(
            self.model, revision=self.commit, dtype=pick_dtype(where)
        )
        return Copies(processor), model.to(where).eval()

    def _load(self) -> Any:
        return self._loaded

    def _questions(self, images: Sequence[Picture], slugs: Sequence[str]) -> list[Question]:
        """One policy a batch: its prompts are then equally long, and the processor asks every image the same."""
        asked = [self._policies(slug) for slug in slugs]
        return [
            Question(number, images[number], slugs[number], policy)
            for policy in dict.fromkeys(each for several in asked for each in several)
            for number, several in enumerate(asked)
            if policy in several
        ]

    def _inputs(self, questions: Sequence[Question]) -> Any:
        copies, model = self._loaded
        policy, images = questions[0].policy, [as_pil(each.image) for each in questions]
        custom = {"custom_policies": {policy: policies.text(policy)}} if self.fidelity == "common" else {}
        with copies.one() as processor:
            made = processor(images=images, policies=[policy], return_tensors="pt", **custom)
        return made.to(dtype=model.dtype)

    def _verdicts(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        import torch

        model = self._loaded[1]
        with torch.inference_mode():
            logits = model(**inputs.to(model.device), logits_to_keep=1, use_cache=False).logits
        # Column 0 is Yes, it violates; the class's docstring says 1, its prompt and its logits say 0. Its own softmax
        # is in the model's dtype, and bfloat16 has three digits.
        shares = logits.double().softmax(dim=-1)[:, 0].tolist()
        return [Verdict(share) if share == share else Verdict(None, "broken_output") for share in shares]
