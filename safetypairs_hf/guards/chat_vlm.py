"""Any chat vision-language model of transformers, asked the policy question: P(unsafe) from one forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.guards import verdicts
from safetypairs_hf.guards.base import Batched, Question
from safetypairs_hf.models.chat import Chat, as_pil, basename, load_chat, turn
from safetypairs_hf.models.chat_server import ChatServer, Reply, user_message
from safetypairs_hf.models.loading import let_go, revision_of


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
    least_mass: float = verdicts.LEAST_MASS
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

    def asked(self, slug: str) -> str:
        """The text that it is asked under a category."""
        return verdicts.question(slug)

    @cached_property
    def _chat(self) -> Chat:
        return load_chat(self.model, self.commit, self.device)

    @cached_property
    def _answers(self) -> tuple[list[int], list[int]]:
        return verdicts.answer_ids(self._chat.processor.tokenizer.get_vocab(), self.model)

    def _questions(self, images: Sequence[Picture], slugs: Sequence[str]) -> list[Question]:
        return [Question(number, *each) for number, each in enumerate(zip(images, slugs, strict=True))]

    def _load(self) -> Chat:
        return self._chat

    def _inputs(self, questions: Sequence[Question]) -> Any:
        return self._chat.prepared([turn(as_pil(each.image), verdicts.question(each.slug)) for each in questions])

    def _verdicts(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        logits = self._chat.next_logits(self._chat.moved(inputs))
        words = self._chat.processor.tokenizer.convert_ids_to_tokens
        return verdicts.from_logits(logits, *self._answers, words, self.least_mass)


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
        return [verdicts.from_text(answer.text) for answer in answers]


@dataclass(frozen=True)
class ServerVLM:
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
    holds_model: ClassVar[bool] = False
    fidelity: ClassVar[str] = "common"

    @property
    def name(self) -> str:
        return f"server-vlm:{self.server.model.rstrip('/').rsplit('/', 1)[-1]}"

    def asked(self, slug: str) -> str:
        """The text that it is asked under a category."""
        return verdicts.question(slug)

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """One Verdict an image, in order; regions are not used. Abstains with "refused" or "server_error".

        Raises:
            SafetyPairsError: see ChatServer.ask.
        """
        replies = self.server.ask([self._body(*each) for each in zip(images, categories, strict=True)])
        return [self._verdict(reply) for reply in replies]

    def _body(self, image: Picture, category: str) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "messages": [user_message(image, verdicts.question(category))],
            "temperature": 0.0,
            self.server.limit_field: 4,  # room for a line break or a space before the word
        }
        return body | ({"logprobs": True, "top_logprobs": 20} if self.log_probabilities else {})

    def _verdict(self, reply: Reply) -> Verdict:
        if reply.problem:
            return Verdict(None, reply.problem, reply.raw)
        first = next((token for token in reply.tokens if token.text.strip()), None)
        if first is None or not first.top:
            return verdicts.from_text(reply.text)
        return verdicts.from_log_probabilities(first.top, self.least_mass)
