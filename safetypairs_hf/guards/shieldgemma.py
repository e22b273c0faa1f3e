"""ShieldGemma 2 (https://arxiv.org/abs/2504.01081): Yes or No to an image and a policy, in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards.base import Loaded, ModelGuard, Question
from safetypairs_hf.models.chat import as_pil
from safetypairs_hf.models.loading import MODEL, check_class, pick_device, pick_dtype
from safetypairs_hf.models.processors import Copies
from safetypairs_hf.taxonomy import crosswalk

_CLASS = "ShieldGemma2ForImageClassification"


@dataclass(frozen=True)
class ShieldGemma(ModelGuard[Loaded]):
    """P(unsafe) = P(Yes, it violates the policy), as the model computes it.

    Args (see `ModelGuard` for the others):
        fidelity: "trained" uses the three policies of the model's training, and covers only their categories; "common"
            uses the taxonomy's policies, which cover every category.
    """

    model: str = "google/shieldgemma-2-4b-it"
    commit: str | None = None
    fidelity: str = "trained"
    batch_size: int = 8
    device: str = "auto"
    family: str = "shieldgemma"
    kind: ClassVar[str] = "shieldgemma"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fidelity not in ("trained", "common"):
            raise RecipeError(f"fidelity = {self.fidelity!r}: expected 'trained' or 'common'")

    def asked(self, slug: str) -> str:
        return self.taxonomy.policy(slug) if self.fidelity == "common" else ""

    def covers(self, slug: str) -> bool:
        return bool(self._policies(slug))

    def load(self) -> Loaded:
        from transformers import AutoProcessor, ShieldGemma2ForImageClassification

        self._check_class()
        where = pick_device(self.device)
        processor = AutoProcessor.from_pretrained(self.model, revision=self.commit)
        model = ShieldGemma2ForImageClassification.from_pretrained(
            self.model, revision=self.commit, dtype=pick_dtype(where)
        )
        return Loaded(Copies(processor), model.to(where).eval())

    def _check_class(self) -> None:
        check_class(self.model, self.commit, MODEL, (_CLASS,))

    def questions(self, images: Sequence[Picture], slugs: Sequence[str]) -> list[Question]:
        """Return a question for each of the model's policies that apply to an image's category.

        A batch has one policy, because the processor asks about all its images by the same policies.
        """
        asked = [self._policies(slug) for slug in slugs]
        return [
            Question(number, images[number], slugs[number], policy)
            for policy in dict.fromkeys(each for several in asked for each in several)
            for number, several in enumerate(asked)
            if policy in several
        ]

    def prepare(self, questions: Sequence[Question]) -> Any:
        copies, model = self.loaded
        policy, images = questions[0].policy, [as_pil(each.image) for each in questions]
        custom = {"custom_policies": {policy: self.taxonomy.policy(policy)}} if self.fidelity == "common" else {}
        with copies.one() as processor:
            made = processor(images=images, policies=[policy], return_tensors="pt", **custom)
        return made.to(dtype=model.dtype)

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        import torch

        model = self.loaded.model
        with torch.inference_mode():
            logits = model(**inputs.to(model.device), logits_to_keep=1, use_cache=False).logits
        # Column 0 is "Yes, it violates", as the prompt and the logits show, although the docstring of the class says 1.
        # We compute the softmax, because the model's has its own dtype, and bfloat16 has three digits.
        shares = logits.double().softmax(dim=-1)[:, 0].tolist()
        return [Verdict(share) if share == share else Verdict(None, "broken_output") for share in shares]

    def _policies(self, slug: str) -> tuple[str, ...]:
        """Return the names of the model's policies that apply to a category."""
        return (slug,) if self.fidelity == "common" else crosswalk.match("shieldgemma-2", slug, self.taxonomy).codes
