"""Text from a guard: for a verdict that comes after reasoning, and to compare with one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from safetypairs_hf.guards import yes_no
from safetypairs_hf.guards.batched import Question
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.models.chat import Chat
from safetypairs_hf.records import Verdict


class Written(NamedTuple):
    """An answer. `ended`: the model came to its end, and did not run into the limit."""

    text: str
    ended: bool


def write(chat: Chat, inputs: Any, limit: int) -> list[Written]:
    """What the model answers, greedily, in at most `limit` tokens a row of `inputs`."""
    import torch

    tokenizer = chat.processor.tokenizer
    with torch.inference_mode():
        out = chat.model.generate(**inputs, max_new_tokens=limit, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    known = chat.model.generation_config.eos_token_id
    ends = {*(known if isinstance(known, list) else [known]), tokenizer.eos_token_id}
    answers = []
    for ids in out[:, inputs["input_ids"].shape[1] :].tolist():
        stop = next((number for number, token in enumerate(ids) if token in ends), None)
        answers.append(Written(tokenizer.decode(ids[:stop], skip_special_tokens=True), stop is not None))
    return answers


@dataclass(frozen=True)
class GeneratedYesNo(ChatVLM):
    """A chat model that writes its answer, of which the first word is read: P(unsafe) is 1.0 or 0.0.

    It is here to be compared with ChatVLM, which asks the same question and decodes nothing.

    Args:
        limit: the most tokens that it writes.
    """

    limit: int = 64

    @property
    def name(self) -> str:
        return super().name.replace("chat-vlm:", "generated:", 1)

    def _verdicts(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        answers = write(self._chat, self._chat.moved(inputs), self.limit)
        return [yes_no.from_text(answer.text) for answer in answers]
