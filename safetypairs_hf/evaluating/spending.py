"""The cost of a run: the calls that it will make, and the tokens that a service counted for its answers.

The user gives the prices: the package does not know any.
"""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safetypairs_hf.core.errors import SafetyPairsError, counted, verb
from safetypairs_hf.core.tables import WIDTH, text_html
from safetypairs_hf.evaluating.data import Data, open_data
from safetypairs_hf.evaluating.evaluate import UNIT, whole_batches
from safetypairs_hf.evaluating.run_identity import identity_of
from safetypairs_hf.evaluating.work_units import TOKENS, Parts
from safetypairs_hf.guards.user_guard import as_guard, as_judge
from safetypairs_hf.taxonomy.binding import bind

if TYPE_CHECKING:
    from datasets import Dataset

    from safetypairs_hf.core.records import Judge
    from safetypairs_hf.taxonomy.categories import Taxonomy

_MILLION: Final = 1_000_000
_THOUSAND: Final = 1_000
_LETTERS_A_TOKEN: Final = 4  # of English text, as services that count by tokens say


@dataclass(frozen=True)
class Prices:
    """What a service asks, in any currency; 0 for what it does not ask or what is not known.

    Attributes:
        prompt: For a million tokens that it reads.
        answer: For a million tokens that it writes.
        call: For a thousand calls.

    Raises:
        SafetyPairsError: A price is below 0, or no number.
    """

    prompt: float = 0.0
    answer: float = 0.0
    call: float = 0.0

    def __post_init__(self) -> None:
        for name, price in asdict(self).items():
            if not 0 <= price < math.inf:
                raise SafetyPairsError(f"the price of {name} is {price:g}; expected a number from 0")

    @property
    def known(self) -> bool:
        """Whether there is any price."""
        return any(asdict(self).values())

    def of(self, calls: int, prompt_tokens: int, answer_tokens: int) -> float:
        """Return what calls and tokens cost.

        Args:
            calls: Calls.
            prompt_tokens: Tokens that the service reads.
            answer_tokens: Tokens that it writes.
        """
        tokens = prompt_tokens * self.prompt + answer_tokens * self.answer
        return tokens / _MILLION + calls * self.call / _THOUSAND


@dataclass(frozen=True)
class Planned:
    """What a run will ask, before it asks anything.

    Attributes:
        images: The distinct images of the pairs, each under its category.
        kept: Those that an earlier run of the same file has judged.
        not_covered: Those of the rest whose category the guard does not cover; they are not sent.
        calls: Calls of a service: one for each of the others. 0 for a guard that runs on this machine.
        image_bytes: The size of the images that are sent, as they are stored.
        text_tokens: Tokens of the prompts' texts, estimated as a quarter of their letters.
        image_tokens: Tokens of the images, by the number for one image that was given; 0 where none was given.
        most_answer_tokens: The most tokens that the service may write; 0 where it has no limit.
        prices: The prices that were given.
    """

    images: int
    kept: int
    not_covered: int
    calls: int
    image_bytes: int
    text_tokens: int
    image_tokens: int
    most_answer_tokens: int
    prices: Prices

    @property
    def cost(self) -> float | None:
        """The cost at the given prices, with answers of the most tokens; None where no price was given."""
        read = self.text_tokens + self.image_tokens
        return self.prices.of(self.calls, read, self.most_answer_tokens) if self.prices.known else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values that JSON takes."""
        return {**asdict(self), "cost": self.cost}

    def __str__(self) -> str:
        return "\n".join(textwrap.fill(line, WIDTH, break_on_hyphens=False) for line in self._lines())

    def _repr_html_(self) -> str:
        return text_html(str(self))

    def _lines(self) -> Iterator[str]:
        left = self.images - self.kept
        had = f"; {self.kept:,} {verb(self.kept, 'is')} judged already" if self.kept else ""
        yield f"{counted(self.images, 'image')}{had}: {left:,} to judge"
        if n := self.not_covered:
            yield f"{n:,} of them {verb(n, 'is')} not sent: the guard does not cover their category"
        if not self.calls:
            yield "no calls: nothing is left to ask" if not left else "no calls of a service: the guard runs here"
            return
        yield f"{counted(self.calls, 'call')}, with {counted(self.image_bytes, 'byte')} of images"
        if self.text_tokens:
            images = f" and {self.image_tokens:,} for images" if self.image_tokens else "; images are not counted"
            yield f"about {self.text_tokens:,} tokens to read for the texts (a quarter of their letters){images}"
        if self.most_answer_tokens:
            yield f"at most {self.most_answer_tokens:,} tokens to write"
        cost = self.cost
        if cost is None:
            yield "no cost without a price: --prompt-price and --answer-price (a million tokens), --call-price (1,000)"
            return
        short = "" if self.image_tokens or not self.prices.prompt else ", without the images: see --image-tokens"
        yield f"cost: at most about {cost:,.4f} at the prices given{short}"


def plan_evaluation(
    guard: Judge | Callable[..., Any],
    data: str | Dataset | Data,
    out: str | os.PathLike[str],
    *,
    split: str = "test",
    configs: tuple[str, ...] | list[str] = ("default",),
    limit: int | None = None,
    check: str = "error",
    taxonomy: str | Path | Taxonomy | None = None,
    categories: tuple[str, ...] | list[str] = (),
    fresh: bool = False,
    image_tokens: int = 0,
    prices: Prices | None = None,
) -> Planned:
    """Say how many calls `evaluate` would make with the same arguments, and what they cost. Nothing is asked.

    Args:
        guard: As in `evaluate`.
        data: As in `evaluate`.
        out: As in `evaluate`; what an earlier run has judged there is not asked again. Nothing is written.
        split: As in `evaluate`.
        configs: As in `evaluate`.
        limit: As in `evaluate`.
        check: As in `evaluate`.
        taxonomy: As in `evaluate`.
        categories: As in `evaluate`.
        fresh: Count as if nothing had been judged.
        image_tokens: The tokens that the service counts for an image, from its documentation; 0 leaves images out.
        prices: What the service asks; without it there is no cost.

    Returns:
        The calls, the tokens as far as they can be estimated, and the cost.

    Raises:
        RunError: `out` belongs to another run.
        SafetyPairsError: The data cannot be opened, or the guard cannot be used.
    """
    if image_tokens < 0:
        raise SafetyPairsError(f"image_tokens = {image_tokens}: expected the tokens of an image, or 0")
    opened = data if isinstance(data, Data) else open_data(data, split, configs, limit, check, taxonomy, categories)
    judge = bind(as_judge(guard), opened.taxonomy)
    asked = as_guard(judge)
    size = whole_batches(judge, UNIT)
    units = opened.units(size)
    done: set[Any] = set()
    if not fresh:
        images = [[opened.images[row] for row in rows] for rows in units]
        parts = Parts(Path(out), identity_of(judge, opened, size), images, read_only=True)
        done = parts.judged()
    rows = [row for unit in units for row in unit]
    left = [row for row in rows if opened.images[row] not in done]
    covers = getattr(asked, "covers", lambda slug: True)
    slugs = {row: asked.taxonomy.find(opened.images[row].category).slug for row in left}
    sent = [row for row in left if covers(slugs[row])]
    calls = len(sent) if asked.costly and not asked.holds_model else 0
    letters = {slug: len(asked.asked(slug)) for slug in {slugs[row] for row in sent}} if calls else {}
    return Planned(
        images=len(rows),
        kept=len(rows) - len(left),
        not_covered=len(left) - len(sent),
        calls=calls,
        image_bytes=sum(len(opened.read(row)) for row in sent) if calls else 0,
        text_tokens=math.ceil(sum(letters[slugs[row]] for row in sent) / _LETTERS_A_TOKEN) if calls else 0,
        image_tokens=image_tokens * calls,
        most_answer_tokens=asked.most_tokens * calls,
        prices=prices or Prices(),
    )


@dataclass(frozen=True)
class Spent:
    """What the answers in a file of `evaluate` cost, by the service's own count of tokens.

    An answer that was asked again counts once, as the one that is in the file.

    Attributes:
        answers: The distinct answers.
        counted: Those for which the service said how many tokens they took.
        prompt_tokens: The tokens that it read.
        answer_tokens: The tokens that it wrote.
        prices: The prices that were given.
    """

    answers: int
    counted: int
    prompt_tokens: int
    answer_tokens: int
    prices: Prices

    @property
    def cost(self) -> float | None:
        """The cost at the given prices; None where no price was given."""
        return self.prices.of(self.answers, self.prompt_tokens, self.answer_tokens) if self.prices.known else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values that JSON takes."""
        return {**asdict(self), "cost": self.cost}

    def __str__(self) -> str:
        cost = self.cost
        priced = "" if cost is None else f"; cost {cost:,.4f} at the prices given"
        if not self.counted:
            return f"{counted(self.answers, 'call')}{priced}"
        some = f" in {self.counted:,} of {counted(self.answers, 'answer')}" if self.counted < self.answers else ""
        return f"Tokens: {self.prompt_tokens:,} read, {self.answer_tokens:,} written{some}{priced}"


def spent_in(path: str | Path, prices: Prices | None = None) -> Spent | None:
    """Sum the tokens that a service counted for the answers in a file of `evaluate`.

    Args:
        path: The file.
        prices: What the service asks; without it there is no cost.

    Returns:
        The sums; None where the file has no counts and no price was given.
    """
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    prices = prices or Prices()
    if not set(TOKENS) <= set(names) and not prices.known:
        return None
    columns = ["sha256", "category", "note", *(name for name in ("policy", *TOKENS) if name in names)]
    rows = pq.read_table(path, columns=columns).to_pylist()
    answers = {
        (row["sha256"], row.get("policy") or row["category"]): tuple(row.get(name, 0) for name in TOKENS)
        for row in rows
        if row["note"] not in ("not_covered", "broken_image")
    }
    read, wrote = (sum(counts[place] for counts in answers.values()) for place in (0, 1))
    return Spent(len(answers), sum(any(counts) for counts in answers.values()), read, wrote, prices)
