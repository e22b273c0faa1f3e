"""Any chat vision-language model of transformers, asked the policy question: P(unsafe) from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from safetypairs_hf.guards import yes_no
from safetypairs_hf.guards.batched import Batched, Question
from safetypairs_hf.models.chat import Chat, as_pil, basename, load_chat, turn
from safetypairs_hf.models.loading import let_go, revision_of
from safetypairs_hf.records import Picture, Verdict


@dataclass(frozen=True)
class ChatVLM(Batched):
    """P(unsafe) = P(Yes) / (P(Yes) + P(No)) at the answer's first word, over every spelling of either.

    `raw` has the five likeliest words. Abstains also with "no_verdict".

    Args:
        model: a folder, or a Hub id with `commit`.
        batch_size: images in a forward pass; halved where memory runs out.
        least_mass: below this much probability on yes and no together it abstains with "no_verdict".
        family: judges that share weights or training share one.
        device: "auto" takes a GPU where there is one.
    """

    model: str
    commit: str | None = None
    batch_size: int = 8
    least_mass: float = yes_no.LEAST_MASS
    family: str = "chat-vlm"
    device: str = "auto"
    holds_model: ClassVar[bool] = True
    fidelity: ClassVar[str] = "common"

    @property
    def name(self) -> str:
        return f"chat-vlm:{basename(self.model)}"

    @cached_property
    def revision(self) -> str:
        return revision_of(self.model, self.commit)

    def release(self) -> None:
        """Let go of the model; it loads again when next asked."""
        let_go(self, "_chat", "_answers")

    @cached_property
    def _chat(self) -> Chat:
        return load_chat(self.model, self.commit, self.device)

    @cached_property
    def _answers(self) -> tuple[list[int], list[int]]:
        return yes_no.answer_ids(self._chat.processor.tokenizer.get_vocab(), self.model)

    def _questions(self, images: Sequence[Picture], slugs: Sequence[str]) -> list[Question]:
        return [Question(number, *each) for number, each in enumerate(zip(images, slugs, strict=True))]

    def _load(self) -> Chat:
        return self._chat

    def _inputs(self, questions: Sequence[Question]) -> Any:
        return self._chat.prepared([turn(as_pil(each.image), yes_no.question(each.slug)) for each in questions])

    def _verdicts(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        logits = self._chat.next_logits(self._chat.moved(inputs))
        words = self._chat.processor.tokenizer.convert_ids_to_tokens
        return yes_no.from_logits(logits, *self._answers, words, self.least_mass)
