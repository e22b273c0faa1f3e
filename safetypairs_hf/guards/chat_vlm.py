"""Chat vision-language models that are asked by our policy text and answer Yes (unsafe) or No.

The same question goes to a model in this process, whose answer is read from one forward pass (`ChatVLM`) or from the
words that it writes (`GeneratedYesNo`), and to a model behind a server (`ServerVLM`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards import verdicts
from safetypairs_hf.guards.base import ModelGuard, Question, ServedGuard, Singly
from safetypairs_hf.models.chat import Chat, as_pil, basename, load_chat, turn
from safetypairs_hf.models.chat_server import ChatServer, Reply, user_message


class ChatGuard(ModelGuard[Chat]):
    """A chat model in this process, which can be asked for a Yes or No to our policy text."""

    least_mass: float
    holds: ClassVar[tuple[str, ...]] = ("loaded", "_yes_and_no")
    # The model classes that it may be; any chat model that sees images where there are none.
    classes: ClassVar[tuple[str, ...]] = ()

    @property
    def expects(self) -> str:
        return verdicts.YES_OR_NO

    def asked(self, slug: str) -> str:
        return verdicts.question(slug, self.taxonomy)

    def turns(self, image: Any, slug: str) -> list[dict[str, Any]]:
        """Return the conversation up to the answer, as chat templates take it."""
        return turn(image, self.asked(slug))

    def load(self) -> Chat:
        return load_chat(self.model, self.commit, self.device, self.classes)

    def prepare(self, questions: Sequence[Question]) -> Any:
        return self.loaded.prepared([self.turns(as_pil(each.image), each.slug) for each in questions])

    def yes_or_no(self, inputs: Any) -> list[Verdict]:
        """Return P(Yes) / (P(Yes) + P(No)) at the first word of each answer, by one forward pass."""
        words = self.loaded.processor.tokenizer.convert_ids_to_tokens
        return verdicts.from_logits(self.loaded.next_logits(inputs), *self._yes_and_no, words, self.least_mass)

    @cached_property
    def _yes_and_no(self) -> tuple[list[int], list[int]]:
        return verdicts.answer_ids(self.loaded.processor.tokenizer.get_vocab(), self.model)


@dataclass(frozen=True)
class ChatVLM(ChatGuard):
    """P(unsafe) = P(Yes) / (P(Yes) + P(No)) at the answer's first word, over every spelling of either.

    `raw` has the five likeliest words. Abstains also with "no_verdict".

    Args (see `ModelGuard` for the others):
        least_mass: below this much probability on yes and no together it abstains with "no_verdict".
        family: judges that share weights or training share one.
    """

    model: str
    commit: str | None = None
    batch_size: int = 8
    least_mass: float = verdicts.LEAST_MASS
    family: str = "chat-vlm"
    device: str = "auto"
    kind: ClassVar[str] = "chat-vlm"
    fidelity: ClassVar[str] = "common"

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        return self.yes_or_no(self.loaded.moved(inputs))


class Written(NamedTuple):
    """An answer in words. `ended` is False where the limit of tokens cut it off."""

    text: str
    ended: bool


def write(chat: Chat, inputs: Any, limit: int) -> list[Written]:
    """Let a model write its answers greedily, in at most `limit` tokens each; one answer for each row of `inputs`."""
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

    It exists to be compared with ChatVLM, which asks the same question and decodes nothing.

    Args:
        limit: the most tokens that it writes.
    """

    limit: int = 64
    kind: ClassVar[str] = "generated"

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        answers = write(self.loaded, self.loaded.moved(inputs), self.limit)
        return [verdicts.read(verdicts.YES_NO, *answer)[0] for answer in answers]


@dataclass(frozen=True)
class ServerVLM(ServedGuard):
    """P(unsafe) from the log probabilities of the answer's first word; 1 or 0 by the word where a server gives none.

    Args:
        server: where, and which model.
        revision: what the server runs, as far as you know it.
        least_mass: below this much probability on yes and no together it abstains with "no_verdict".
        log_probabilities: ask for them; False for a server that refuses the request then.
        family: judges that share weights or training share one.
    """

    server: ChatServer
    revision: str = "served"
    least_mass: float = verdicts.LEAST_MASS
    log_probabilities: bool = True
    family: str = "chat-vlm"
    fidelity: ClassVar[str] = "common"
    expects: ClassVar[str] = verdicts.YES_OR_NO

    @property
    def name(self) -> str:
        return f"server-vlm:{basename(self.server.model)}"

    def asked(self, slug: str) -> str:
        return verdicts.question(slug, self.taxonomy)

    def judge_singly(self, images: Sequence[Picture], categories: Sequence[str]) -> Singly:
        """See `ServedGuard.judge_singly`. Abstains with "refused", "server_error" or "no_verdict"."""
        bodies = [self._body(*each) for each in zip(images, categories, strict=True)]
        for place, reply in self.server.ask_each(bodies):
            yield place, self._verdict(reply)

    def _body(self, image: Picture, category: str) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "messages": [user_message(image, self.asked(category))],
            "temperature": 0.0,
            self.server.limit_field: 4,  # room for a line break or a space before the word
        }
        return body | ({"logprobs": True, "top_logprobs": 20} if self.log_probabilities else {})

    def _verdict(self, reply: Reply) -> Verdict:
        if reply.problem:
            return Verdict(None, reply.problem, reply.raw)
        first = next((token for token in reply.tokens if token.text.strip()), None)
        if first is None or not first.top:
            return verdicts.read(verdicts.YES_NO, reply.text)[0]
        return verdicts.from_log_probabilities(first.top, self.least_mass)
