"""GuardReasoner-VL (https://arxiv.org/abs/2505.11049): it reasons first, so it has to write before it can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from safetypairs_hf.errors import RecipeError
from safetypairs_hf.guards import answers, words
from safetypairs_hf.guards.chat_guard import ChatGuard
from safetypairs_hf.guards.generated import Written, write
from safetypairs_hf.records import Verdict

# In the place of an answer that has no verdict to weigh.
_NOTHING = words.Words((), (0,), (1,))


@dataclass(frozen=True)
class GuardReasonerVL(ChatGuard):
    """P(unsafe) = P(harmful) / (P(harmful) + P(unharmful)) where, after its reasoning, its result has the word.

    At `trained` the file is its instruction, which becomes the system message; the image is what the human says to an
    assistant that has not answered. At `common` it is asked for a Yes or No, with no reasoning.

    Args:
        generate: the most tokens that it may write; one that has no verdict by then abstains with "cut_off".
    """

    model: str = "yueliu1999/GuardReasoner-VL-7B"
    generate: int = 2048
    kind: ClassVar[str] = "guard-reasoner-vl"
    family: ClassVar[str] = "guard-reasoner"
    classes: ClassVar[tuple[str, ...]] = ("Qwen2_5_VLForConditionalGeneration",)
    unsafe: ClassVar[str] = "harmful"
    safe: ClassVar[str] = "unharmful"
    read: ClassVar[answers.Reader] = staticmethod(answers.harmful)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.generate < 1:
            raise RecipeError(f"generate = {self.generate}: it reasons before its verdict; give at least 1 token")

    def turns(self, image: Any, slug: str) -> list[dict[str, Any]]:
        if self.fidelity == "common":
            return super().turns(image, slug)
        said = [
            {"type": "text", "text": "Human user:\n"},
            {"type": "image", "image": image},
            {"type": "text", "text": "\n\nAI assistant:\nNone\n\n"},
        ]
        return [
            {"role": "system", "content": [{"type": "text", "text": self.asked(slug)}]},
            {"role": "user", "content": said},
        ]

    def written(self, inputs: Any) -> list[Verdict]:
        return self.weighed(inputs, write(self._chat, inputs, self.generate))

    def weighed(self, inputs: Any, written: list[Written]) -> list[Verdict]:
        """The verdicts of what was written after `inputs`: where the word is, both words are weighed in one pass."""
        tokenizer, read = self._chat.processor.tokenizer, [answers.harmful(*answer) for answer in written]
        if all(place is None for _, place in read):
            return [verdict for verdict, _ in read]
        # The text's own tokens, so that the weight is of the words after exactly what is kept as `raw`.
        rows = [
            _NOTHING if place is None else words.find(tokenizer, answer.text[:place], self.unsafe, self.safe)
            for answer, (_, place) in zip(written, read, strict=True)
        ]
        weighed = words.verdicts(self._chat, inputs, rows, 0.0)
        return [
            verdict if place is None else Verdict(share.p_unsafe, share.note, verdict.raw)
            for (verdict, place), share in zip(read, weighed, strict=True)
        ]
