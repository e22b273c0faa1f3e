"""Llama Guard 3 Vision (https://arxiv.org/abs/2411.10414) and Llama Guard 4: `safe`, or `unsafe` and codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from safetypairs_hf import crosswalk
from safetypairs_hf.errors import RecipeError
from safetypairs_hf.guards import answers
from safetypairs_hf.guards.chat_guard import ChatGuard


@dataclass(frozen=True)
class LlamaGuard(ChatGuard):
    """P(unsafe) = P(unsafe) / (P(unsafe) + P(safe)) at the start of its answer.

    At `trained` its chat template gives the policy, of all its categories, so the verdict is of any of them; a category
    of ours that it has nothing for is not covered (crosswalk). At `common` it is asked by our policy text, which covers
    all.

    Args:
        said: what the user says beside the image; "" shows the image alone.
        hazards: whose list of categories it is, "llama-guard-4" or "llama-guard-3-vision".
    """

    model: str = "meta-llama/Llama-Guard-4-12B"
    said: str = ""
    hazards: str = "llama-guard-4"
    kind: ClassVar[str] = "llama-guard"
    family: ClassVar[str] = "llama-guard"
    classes: ClassVar[tuple[str, ...]] = ("MllamaForConditionalGeneration", "Llama4ForConditionalGeneration")
    has_prompt: ClassVar[bool] = True
    unsafe: ClassVar[str] = "unsafe"
    safe: ClassVar[str] = "safe"
    read: ClassVar[answers.Reader] = staticmethod(answers.safe_or_unsafe)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hazards.startswith("llama-guard-") or self.hazards not in crosswalk.GUARDS:
            raise RecipeError(f"hazards = {self.hazards!r}: expected 'llama-guard-4' or 'llama-guard-3-vision'")

    def covers(self, slug: str) -> bool:
        return self.fidelity == "common" or crosswalk.match(self.hazards, slug).extent != crosswalk.NOT_COVERED

    def asked(self, slug: str) -> str:
        return self.said if self.fidelity == "trained" else super().asked(slug)

    def words_before(self, inputs: Any) -> str:
        """The two line breaks that follow every header of Llama, where the chat template leaves them to the model."""
        tokenizer = self._chat.processor.tokenizer
        end = tokenizer.decode(inputs["input_ids"][0, -1:].tolist())
        return "" if end.endswith("\n") else "\n\n"
