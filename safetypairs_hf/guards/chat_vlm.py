"""Any chat vision-language model of transformers, asked the policy question: P(unsafe) from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from safetypairs_hf.guards import yes_no
from safetypairs_hf.models.chat import Chat, Refused, basename, load_chat, unless_refused
from safetypairs_hf.models.loading import let_go, revision_of
from safetypairs_hf.models.memory import in_batches
from safetypairs_hf.records import Box, Picture, Verdict


@dataclass(frozen=True)
class ChatVLM:
    """P(unsafe) = P(Yes) / (P(Yes) + P(No)) at the answer's first word, over every spelling of either.

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

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """One Verdict an image, in order; regions are not used. `raw` has the five likeliest words.

        Abstains with "no_verdict", "refused_by_processor" or "broken_output".
        """
        asked = list(zip(images, map(yes_no.question, categories), strict=True))
        return [verdict for verdict, _ in in_batches(asked, self.batch_size, self._batch)]

    def release(self) -> None:
        """Let go of the model; it loads again when next asked."""
        let_go(self, "_chat", "_answers")

    @cached_property
    def _chat(self) -> Chat:
        return load_chat(self.model, self.commit, self.device)

    @cached_property
    def _answers(self) -> tuple[list[int], list[int]]:
        return yes_no.answer_ids(self._chat.processor.tokenizer.get_vocab(), self.model)

    def _batch(self, asked: Sequence[tuple[Picture, str]]) -> list[Verdict]:
        chat = self._chat  # loaded here, where a model that does not load is an error and no refusal of an image
        found = unless_refused(asked, lambda part: chat.inputs(*zip(*part, strict=True)), self._verdicts)
        return [
            Verdict(None, "refused_by_processor", each.detail) if isinstance(each, Refused) else each for each in found
        ]

    def _verdicts(self, inputs: Any) -> list[Verdict]:
        words = self._chat.processor.tokenizer.convert_ids_to_tokens
        return yes_no.from_logits(self._chat.next_logits(inputs), *self._answers, words, self.least_mass)
