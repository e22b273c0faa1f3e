"""SafeAtlas-Guard, which answers with one of five ordered levels. Its P(unsafe) is the expected score."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, NamedTuple

from safetypairs_hf.core.errors import RecipeError, printable
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.guards import served_answers, token_probability, verdicts
from safetypairs_hf.guards.base import Question
from safetypairs_hf.guards.chat_vlm import Written
from safetypairs_hf.guards.trained import TrainedGuard
from safetypairs_hf.models.answer_text import answer_span
from safetypairs_hf.models.chat_server import Reply

_LABEL: Final = "Safety: "
_EXPECTED: Final = (
    "expected the names of its levels, as its card has them, from the safest to the least safe with a comma between "
    "them: --set levels=A,B,C,D,E, whose scores are even steps from 0 to 1; or a score for each: A=0,B=0.1,..."
)


class Level(NamedTuple):
    """A level of safety: its name, and its score from 0, safe, to 1."""

    name: str
    score: float


@dataclass(frozen=True)
class SafeAtlasGuard(TrainedGuard):
    """P(unsafe) = the sum over its levels of P(level) times the level's score, at the level in its answer.

    It takes one forward pass for each level. Its trained prompt is on the model's card; `{policy}` in the file stands
    for our policy text.

    Args (see `TrainedGuard` for the others):
        levels: The names of its levels, as on its card, from the safest to the least safe; their scores are even steps
            from 0 to 1. Or all of them as NAME=SCORE, in the order of their scores.
    """

    model: str = "zrwang1211/SafeAtlas-Guard-8B"
    levels: tuple[str, ...] = ()
    kind: ClassVar[str] = "safeatlas-guard"
    prompt_in: ClassVar[str] = "card"
    takes_policies: ClassVar[bool] = True
    family: ClassVar[str] = "safeatlas-guard"
    classes: ClassVar[tuple[str, ...]] = ("Qwen3VLForConditionalGeneration",)
    trained_before: ClassVar[str] = _LABEL

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_trained:
            _ = self.scored
            if self.forced == "choice":
                raise RecipeError("forced = 'choice': its verdict is a level and not one of two words; set prefill")

    @cached_property
    def scored(self) -> tuple[Level, ...]:
        """Its levels, from the safest to the least safe.

        Raises:
            RecipeError: There are fewer than two levels, or the scores are not numbers that rise from 0 to 1.
        """
        parts = [text.rpartition("=") if "=" in text else (text, "", "") for text in self.levels]
        names, given = [part[0].strip() for part in parts], [part[2] for part in parts]
        try:
            steps = [number / max(len(names) - 1, 1) for number in range(len(names))]
            scores = [float(text) for text in given] if all(given) else steps
            good = len(names) > 1 and all(names) and len({name.lower() for name in names}) == len(names)
            rising = sorted(scores) == scores and scores[:1] != scores[-1:] and all(0 <= each <= 1 for each in scores)
            if not (good and rising and (all(given) or not any(given))):
                raise ValueError
        except ValueError:
            raise RecipeError(f"levels = {printable(','.join(self.levels))!r}: {_EXPECTED}") from None
        return tuple(map(Level, names, scores))

    @property
    def reading(self) -> verdicts.Reading:
        """The two extreme levels, at fidelity "trained"."""
        if not self.is_trained:
            return super().reading
        return verdicts.Reading(self.scored[-1].name, self.scored[0].name, label=r"\bsafety\s*:\s*")

    @property
    def expects(self) -> str:
        if not self.is_trained:
            return super().expects
        return f"'{_LABEL}' and one of its levels, {', '.join(level.name for level in self.scored)}"

    def answer(self, inputs: Any, questions: Sequence[Question]) -> list[Verdict]:
        if self.max_tokens or not self.is_trained:
            return super().answer(inputs, questions)
        inputs = self.loaded.moved(inputs)
        words = self._words(self.before)
        return [
            self._expected(shares, self.least_mass, raw)
            for shares, raw in token_probability.shares(self.loaded, inputs, [words] * len(inputs["input_ids"]))
        ]

    def weighed(self, inputs: Any, answers: Sequence[Written]) -> list[Verdict]:
        if not self.is_trained:
            return super().weighed(inputs, answers)
        found = [self._read(*answer) for answer in answers]
        rows = [
            self._words(self.before if place is None else answer.text[:place])
            for answer, (_, place) in zip(answers, found, strict=True)
        ]
        return [
            verdict if place is None else self._expected(shares, 0.0, verdict.raw)
            for (verdict, place), (shares, _) in zip(
                found, token_probability.shares(self.loaded, inputs, rows), strict=True
            )
        ]

    def verdict_of(self, reply: Reply) -> Verdict:
        if reply.problem or not self.is_trained:
            return super().verdict_of(reply)
        before = self.before if self.forced == "prefill" and not reply.text.startswith(self.before) else ""
        found, place = self._read(before + reply.text, reply.ended)
        if place is None:
            return found
        names = [level.name for level in self.scored]
        shares = served_answers.shares(reply, place - len(before), names)
        told = sum(share > 0 for share in shares) > 1
        return self._expected(shares, 0.0, found.raw) if told else found

    def _read(self, text: str, ended: bool) -> tuple[Verdict, int | None]:
        """Read the level in its text; return its score as a verdict and its index, or an abstention and None."""
        span = answer_span(text)
        scores = {_plain(level.name): level.score for level in self.scored}
        names = "|".join(_pattern(name) for name in sorted(scores, key=len, reverse=True))
        pattern = re.compile(rf"\bsafety\b[*_`\"' ]*[:=][\s*_`\"'(\[]*({names})(?!\w)", re.IGNORECASE)
        matches = list(pattern.finditer(text, *span)) if span else []
        said = {scores[_plain(match[1])] for match in matches}
        if len(said) != 1:
            return verdicts.abstention(text[slice(*span)] if span else text, ended, text), None
        return Verdict(said.pop(), "", text), matches[-1].start(1)

    def _words(self, before: str) -> token_probability.Several:
        names = [level.name for level in self.scored]
        return token_probability.find_all(self.loaded.processor.tokenizer, before, names)

    def _expected(self, shares: Sequence[float], least_mass: float, raw: str) -> Verdict:
        mass = sum(shares)
        if not math.isfinite(mass):
            return Verdict(None, "broken_output", raw)
        if mass < least_mass or mass == 0:
            return Verdict(None, "no_verdict", raw)
        score = sum(share * level.score for share, level in zip(shares, self.scored, strict=True)) / mass
        return Verdict(min(max(score, 0.0), 1.0), "", raw)


def _plain(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.lower()))


def _pattern(plain: str) -> str:
    return r"[\s_-]+".join(map(re.escape, plain.split(" ")))
