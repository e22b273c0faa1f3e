"""What guards have in common that are a model in this process: questions in batches, prepared beside the model."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple, TypeAlias

from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.models.ahead import Ahead
from safetypairs_hf.models.chat import Refused, taken
from safetypairs_hf.taxonomy.categories import SLUGS
from safetypairs_hf.taxonomy.categories import category as find_category

# Images, and the category that each is judged under.
Unit: TypeAlias = tuple[Sequence[Picture], Sequence[str]]


class Question(NamedTuple):
    """What a model is asked once. `number`: the place of the image in its unit; `policy`: by which, of several."""

    number: int
    image: Picture
    slug: str
    policy: str = ""


class Judged(NamedTuple):
    """The verdicts of a unit, in order, and the seconds that the model was at work for them."""

    verdicts: list[Verdict]
    seconds: float


class Batched(ABC):
    """A guard that asks its model in batches. While the model is at one, threads prepare the next ones."""

    batch_size: int

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """One Verdict an image, in order; regions are not used. Where several policies answer to a category, the worst.

        Abstains with "not_covered", "refused_by_processor", "broken_output", and what the guard's class names.

        Raises:
            SafetyPairsError: the model does not load, or not even one image fits into memory.
        """
        ((verdicts, _),) = self.judge_each([(images, categories)])
        return verdicts

    def judge_each(self, units: Iterable[Unit]) -> Iterator[Judged]:
        """`judge` of one unit after another, without a pause between two: they are taken from `units` early.

        A batch is of one unit, so each has the verdicts that it has alone.
        """
        pending: deque[tuple[int, list[Question]]] = deque()

        def asked() -> Iterator[list[Question]]:
            for images, categories in units:
                questions = self._questions(images, [find_category(category).slug for category in categories])
                pending.append((len(images), questions))
                yield questions

        ahead = Ahead(self.batch_size, self._load, self._prepared, self._answered, lambda question: question.policy)
        with closing(ahead.run(asked())) as running:
            for done in running:
                count, questions = pending.popleft()
                verdicts = [Verdict(None, "not_covered") for _ in range(count)]
                for question, verdict in zip(questions, done.results, strict=True):
                    verdicts[question.number] = _worse(verdicts[question.number], verdict)
                yield Judged(verdicts, done.seconds)

    @abstractmethod
    def _questions(self, images: Sequence[Picture], slugs: Sequence[str]) -> list[Question]:
        """What to ask of images that are judged under categories; a batch is of questions with one policy."""

    @abstractmethod
    def _load(self) -> Any:
        """Load the model, unless it is."""

    @abstractmethod
    def _inputs(self, questions: Sequence[Question]) -> Any:
        """What the processor makes of them, in the machine's memory. Called in several threads at once."""

    @abstractmethod
    def _verdicts(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        """The model's answers, one a question."""

    def _prepared(self, questions: Sequence[Question]) -> list[tuple[Sequence[Question], Any]]:
        return taken(questions, self._inputs)

    def _answered(self, parts: list[tuple[Sequence[Question], Any]]) -> list[Verdict]:
        found: list[Verdict] = []
        for questions, inputs in parts:
            if isinstance(inputs, Refused):
                found.append(Verdict(None, "refused_by_processor", inputs.detail))
            else:
                found += self._verdicts(inputs, questions)
        return found


def _worse(a: Verdict, b: Verdict) -> Verdict:
    if a.p_unsafe is None or b.p_unsafe is None:
        return b if a.p_unsafe is None else a
    return max(a, b, key=lambda verdict: verdict.p_unsafe or 0.0)


def prompt_hash(judge: Any) -> str:
    """16 hex digits of the texts that a guard is asked under the nine categories; "" where it is asked none of ours.

    A prompt in a model's own chat template belongs to its `revision`.
    """
    texts = [str(judge.asked(slug)) if hasattr(judge, "asked") else "" for slug in SLUGS]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16] if any(texts) else ""
