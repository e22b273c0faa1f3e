"""Chat vision-language models as guards, and the guard that asks for Yes (unsafe) or No to our policy text.

A guard defines a prompt and how to read the verdict. In this process, the model weighs the verdict in one forward pass,
or writes a text that has it. At a server, `served_answers` reads it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from safetypairs_hf.core.errors import RecipeError, cut, printable
from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.core.settings import to_give
from safetypairs_hf.guards import served_answers, token_probability, verdicts
from safetypairs_hf.guards.base import ModelGuard, Question, Singly
from safetypairs_hf.models.chat import Chat, as_pil, check_chat, load_chat, turn
from safetypairs_hf.models.chat_server import ChatServer, Reply
from safetypairs_hf.models.openai_server import Serves


class Written(NamedTuple):
    """A generated answer. `ended` is False if the token limit cut it off."""

    text: str
    ended: bool


@dataclass(frozen=True)
class ChatGuard(ModelGuard[Chat]):
    """A chat model as a guard, with its prompt and the way to read its verdict.

    At a server it also abstains with "refused", "content_filter", "rate_limited", "timed_out" or "server_error".

    Args (see `ModelGuard` for the others):
        model: A folder, or a Hub id with `commit`; for a server, the name that the server has for the model.
        commit: The commit of a Hub id; for a server, the commit that it runs, if you know it.
        server: The server of the model; None runs the model in this process.
        max_tokens: The most tokens that the model may write. 0 chooses what the guard needs: in this process, most
            guards write nothing and weigh both words of the verdict in one forward pass.
        top_logprobs: Alternatives to request from a server for each token. Use 0 for a server without log
            probabilities; P(unsafe) is then 0 or 1.
        forced: For a server: "choice" allows only the words of the verdict (`structured_outputs`), "prefill" begins the
            answer up to the verdict (`continue_final_message`), and "" lets the model write freely.
        chat_template_kwargs: Keywords for the chat template, such as {"enable_thinking": false}.
        least_mass: The guard abstains with "no_verdict" if both words together have less probability than this.
    """

    model: str = ""
    commit: str | None = None
    server: ChatServer | None = None
    max_tokens: int = 0
    top_logprobs: int = 20
    forced: str = ""
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    batch_size: int = 8
    least_mass: float = verdicts.LEAST_MASS
    device: str = "auto"
    holds: ClassVar[tuple[str, ...]] = ("loaded", "yes_and_no", "_serves")
    # The permitted model classes; () permits any chat model that takes images.
    classes: ClassVar[tuple[str, ...]] = ()
    # Tokens that it writes at a server up to the end of its verdict, and the tokens of its reasoning, if it reasons.
    verdict_tokens: ClassVar[int] = 32
    reasoning_tokens: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.server is not None:
            object.__setattr__(self, "model", self.server.model)
        if not self.model:
            raise RecipeError(f"guard {self.kind!r} needs model; {to_give('model')}")
        if self.max_tokens < 0 or not 0 <= self.top_logprobs <= 20:
            raise RecipeError(
                f"max_tokens = {self.max_tokens}, top_logprobs = {self.top_logprobs}: expected 0 or more, and 0 to 20"
            )
        if self.forced not in served_answers.FORCED:
            raise RecipeError(f"forced = {self.forced!r}: expected 'choice' or 'prefill', or nothing")
        if self.forced == "prefill" and not self.before:
            raise RecipeError(f"forced = 'prefill': the first word of {self.kind} is its verdict; leave forced out")

    @property
    def reading(self) -> verdicts.Reading:
        """How to read the verdict in the model's text."""
        return verdicts.YES_NO

    @property
    def before(self) -> str:
        """The text that it writes before its verdict; "" if the verdict comes first."""
        return ""

    @property
    def expects(self) -> str:
        return verdicts.YES_OR_NO

    @property
    def holds_model(self) -> bool:  # type: ignore[override]
        return self.server is None

    @property
    def costly(self) -> bool:
        return self.server is not None

    @property
    def in_batches(self) -> bool:
        """Whether images are judged in batches of `batch_size`."""
        return self.server is None

    @cached_property
    def revision(self) -> str:
        """The version of its weights: see `HoldsWeights.revision`. At a server, `commit`, else what the server reports.

        Raises:
            SafetyPairsError: It is a Hub id without a commit, or the server cannot be reached.
        """
        if self.server is None:
            return super().revision
        return self.commit or f"served:{self._serves.root}".removesuffix(":")

    @property
    def dtype(self) -> str | None:  # type: ignore[override]
        return super().dtype if self.server is None else None

    @property
    def seed(self) -> int | None:
        return None if self.server is None else self.server.seed

    def release(self) -> None:
        if self.server is None:  # with a server there is nothing to free, and perhaps no PyTorch
            super().release()

    @property
    def most_tokens(self) -> int:
        return self.max_tokens or self.reasoning_tokens or self.verdict_tokens if self.server else 0

    def asked(self, slug: str) -> str:
        return verdicts.question(slug, self.taxonomy)

    def turns(self, image: Any, slug: str) -> list[dict[str, Any]]:
        """Return the conversation up to the answer, in the form that chat templates take."""
        return turn(image, self.asked(slug))

    def template_kwargs(self, slug: str) -> dict[str, Any]:
        """Return the keywords for the chat template. A batch has one `Question.policy`, and so the same keywords."""
        return dict(self.chat_template_kwargs)

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """See `ModelGuard.judge`. With a server it raises the errors of `ChatServer.ask_each`."""
        if self.server is None:
            return super().judge(images, categories, regions)
        found = dict(self.judge_singly(zip(images, categories, strict=True)))
        return [found[place] for place in range(len(images))]

    def judge_singly(self, asked: Iterable[tuple[Picture, str]]) -> Singly:
        server = self.server
        if server is None:
            yield from super().judge_singly(asked)
            return
        sent: list[int] = []
        left: list[int] = []

        def bodies() -> Iterable[Mapping[str, Any]]:
            for place, (image, category) in enumerate(asked):
                slug = self.taxonomy.find(category).slug
                (sent if self.covers(slug) else left).append(place)
                if self.covers(slug):
                    yield self._body(server, image, slug)

        for number, reply in server.ask_each(bodies()):
            while left:
                yield left.pop(), Verdict(None, "not_covered")
            yield sent[number], served_answers.counted(self.verdict_of(reply), reply)
        while left:
            yield left.pop(), Verdict(None, "not_covered")

    def check_model(self) -> None:
        if self.server is None:
            super().check_model()
        else:
            self.server.check_model()

    def _check_class(self) -> None:
        check_chat(self.model, self.commit, self.classes)

    def preflight(self, image: Picture, category: str) -> tuple[Verdict, str]:
        """Ask a server for its models and about one image; return the verdict, and a line that describes the answer.

        Raises:
            SafetyPairsError: As `ChatServer.ask_each`.
        """
        assert self.server is not None
        begin = time.perf_counter()
        serves, body = self._serves, self._body(self.server, image, self.taxonomy.find(category).slug)
        ((_, reply),) = self.server.ask_each([body])
        verdict = served_answers.counted(self.verdict_of(reply), reply)
        runs = f" ({printable(serves.root)})" if serves.root else ""
        most = max((len(token.top) for token in reply.tokens), default=0)
        how = f"{most} alternatives a token" if most else "no log probabilities, so P(unsafe) is 0 or 1"
        came = verdict.note if verdict.p_unsafe is None else f"P(unsafe) {verdict.p_unsafe:.4f}"
        said = printable(repr(cut(verdict.raw, 60)))
        took = f"{time.perf_counter() - begin:.2f} s"
        return verdict, f"{self.server.url} serves {self.model}{runs}; one image in {took}: {came}, {said}; {how}"

    def load(self) -> Chat:
        return load_chat(self.model, self.commit, self.device, self.classes)

    def prepare(self, questions: Sequence[Question]) -> Any:
        chats = [self.turns(as_pil(each.image), each.slug) for each in questions]
        return self.loaded.prepared(chats, **self.template_kwargs(questions[0].slug))

    def yes_or_no(self, inputs: Any) -> list[Verdict]:
        """Return P(Yes) / (P(Yes) + P(No)) at the first word of each answer, from one forward pass."""
        words = self.loaded.processor.tokenizer.convert_ids_to_tokens
        return verdicts.from_logits(self.loaded.next_logits(inputs), *self.yes_and_no, words, self.least_mass)

    def written(self, inputs: Any) -> list[Verdict]:
        """Generate the answers, and weigh the verdicts in them."""
        return self.weighed(inputs, write(self.loaded, inputs, self.max_tokens or self.reasoning_tokens))

    def weighed(self, inputs: Any, answers: Sequence[Written]) -> list[Verdict]:
        """Weigh both words of the verdict in answers that have one of them, in one forward pass for all answers.

        Args:
            inputs: The prompts.
            answers: The answers, one for each row of `inputs`.
        """
        tokenizer, found = self.loaded.processor.tokenizer, [verdicts.read(self.reading, *each) for each in answers]
        if all(place is None for _, place in found):
            return [verdict for verdict, _ in found]
        # Tokenize the text again, so that the words are weighed after exactly the text that is kept as `raw`.
        rows = [
            _NO_WORDS
            if place is None
            else token_probability.find(tokenizer, answer.text[:place], *_spelled(self.reading, answer.text[place:]))
            for answer, (_, place) in zip(answers, found, strict=True)
        ]
        shares = token_probability.verdicts(self.loaded, inputs, rows, 0.0)
        return [
            verdict if place is None else Verdict(share.p_unsafe, share.note, verdict.raw)
            for (verdict, place), share in zip(found, shares, strict=True)
        ]

    def _body(self, server: ChatServer, image: Picture, slug: str) -> Mapping[str, Any]:
        begun, fields = served_answers.forcing(self.forced, self.reading, self.before)
        keywords = self.template_kwargs(slug)
        return {
            "messages": served_answers.messages(self.turns(None, slug), image, server) + begun,
            "temperature": 0.0,
            server.limit_field: self.most_tokens,
            **({"logprobs": True, "top_logprobs": self.top_logprobs} if self.top_logprobs else {}),
            **({"chat_template_kwargs": keywords} if keywords else {}),
            **fields,
        }

    def verdict_of(self, reply: Reply) -> Verdict:
        """Return the verdict of a server's answer."""
        before = self.before if self.forced == "prefill" else ""
        return served_answers.verdict_of(reply, self.reading, self.least_mass, before)

    @cached_property
    def yes_and_no(self) -> tuple[list[int], list[int]]:
        return verdicts.answer_ids(self.loaded.processor.tokenizer.get_vocab(), self.model)

    @cached_property
    def _serves(self) -> Serves:
        assert self.server is not None
        return self.server.serves()


# Placeholder for an answer without a verdict to weigh.
_NO_WORDS = token_probability.Words((), (0,), (1,))


def _spelled(reading: verdicts.Reading, written: str) -> tuple[str, str]:
    """Return both words in the case of the written one."""
    same = str.lower if written[:1].islower() else str.upper if written[:2].isupper() else str.capitalize
    exact = written.startswith((reading.unsafe, reading.safe))
    return (reading.unsafe, reading.safe) if exact else (same(reading.unsafe), same(reading.safe))


def write(chat: Chat, inputs: Any, limit: int) -> list[Written]:
    """Generate answers greedily, with at most `limit` tokens each; one answer for each row of `inputs`."""
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
class ChatVLM(ChatGuard):
    """P(unsafe) = P(Yes) / (P(Yes) + P(No)) at the answer's first word, summed over the spellings of each.

    `raw` has the five likeliest words, or the text if the model writes. It also abstains with "no_verdict", and with
    the reasons of `verdicts.read` if the model writes.

    Args (see `ChatGuard` for the others):
        family: Judges that share weights or training have the same family.
    """

    family: str = "chat-vlm"
    kind: ClassVar[str] = "chat-vlm"
    fidelity: ClassVar[str] = "common"

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        inputs = self.loaded.moved(inputs)
        return self.written(inputs) if self.max_tokens else self.yes_or_no(inputs)


@dataclass(frozen=True)
class GeneratedYesNo(ChatVLM):
    """A chat model that writes its answer: P(unsafe) is 1.0 or 0.0, from the written verdict.

    It exists for comparison with ChatVLM, which asks the same question and generates nothing.
    """

    max_tokens: int = 64
    top_logprobs: int = 0
    kind: ClassVar[str] = "generated"

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        answers = write(self.loaded, self.loaded.moved(inputs), self.max_tokens)
        return [verdicts.read(self.reading, *answer)[0] for answer in answers]
