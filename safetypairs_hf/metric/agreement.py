"""Agreement of two guards (`agreement`), and of one guard under several prompts (`prompt_stability`), with tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from safetypairs_hf.core.errors import PairError, counted
from safetypairs_hf.metric.align import align
from safetypairs_hf.metric.figures import plain
from safetypairs_hf.metric.inference import Groups, Moments, share_interval
from safetypairs_hf.metric.pairs import OUTCOMES, Reading, outcomes_of
from safetypairs_hf.metric.score import signature
from safetypairs_hf.metric.table_text import shortened, wrapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERDICTS = ("abstained", "safe", "unsafe")


@dataclass(frozen=True)
class Agreement:
    """The agreement of two guards on the same pairs. `print` gives a table.

    Attributes:
        image_agreement: Share of images with the same verdict; an abstention counts as a verdict.
        image_agreement_ci: Its 95% Wilson interval, on the effective size.
        image_kappa: Cohen's kappa of these three verdicts, in [-1, 1]; None if both guards give the same single verdict
            for every image.
        images: Counts of images by the first guard's verdict and the second's.
        outcome_agreement: Share of pairs with the same one of the five outcomes.
        outcome_kappa: Cohen's kappa of these outcomes.
        both_correct, both_wrong, only_a_wrong, only_b_wrong: Counts of pairs.
        both_wrong_expected: The expected number of pairs that both get wrong, if their mistakes are independent.
        error_overlap: Pairs that both get wrong, divided by pairs that either gets wrong; None if neither is ever
            wrong.
        left_out_a, left_out_b: Pairs that only one of the two has, left out by `common=True`.
    """

    n_pairs: int
    n_groups: int | None
    image_agreement: float
    image_agreement_ci: tuple[float, float]
    image_kappa: float | None
    images: dict[str, dict[str, int]]
    outcome_agreement: float
    outcome_kappa: float | None
    both_correct: int
    both_wrong: int
    only_a_wrong: int
    only_b_wrong: int
    both_wrong_expected: float
    error_overlap: float | None
    left_out_a: int
    left_out_b: int
    signature: str

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as plain Python values that JSON takes."""
        return plain(self)

    def __str__(self) -> str:
        low, high = self.image_agreement_ci
        lines = [
            f"Agreement of two guards on the same {counted(self.n_pairs, 'pair')}",
            "",
            f"{'same verdict':<22}{self.image_agreement:>8.4f}   of the images, 95% interval {low:.4f} to {high:.4f}",
            f"{'  Cohen kappa':<22}{_or_none(self.image_kappa):>8}",
            f"{'same outcome':<22}{self.outcome_agreement:>8.4f}   of the pairs",
            f"{'  Cohen kappa':<22}{_or_none(self.outcome_kappa):>8}",
            f"{'both right':<22}{self.both_correct:>8,}",
            f"{'only A wrong':<22}{self.only_a_wrong:>8,}",
            f"{'only B wrong':<22}{self.only_b_wrong:>8,}",
            f"{'both wrong':<22}{self.both_wrong:>8,}   {self.both_wrong_expected:,.1f} if mistakes were independent",
            f"{'overlap of mistakes':<22}{_or_none(self.error_overlap):>8}   both wrong over either wrong",
            "",
            f"{'images: A, by B':<18}" + "".join(f"{name:>12}" for name in VERDICTS),
        ]
        for name, row in self.images.items():
            lines.append(f"{name:<18}" + "".join(f"{row[other]:>12,}" for other in VERDICTS))
        for who, left_out in (("A", self.left_out_a), ("B", self.left_out_b)):
            if left_out:
                lines.append(f"{counted(left_out, 'pair')} of {who} left out, not in the other")
        return "\n".join([*lines, "", *wrapped(self.signature)])


def agreement(
    a: Any,
    b: Any,
    *,
    common: bool = False,
    data: str | None = None,
    split: str | None = None,
    **reading: Unpack[Reading],
) -> Agreement:
    """Compute the agreement of two guards on the same pairs.

    Kappa is Cohen's (1960): (observed - expected) / (1 - expected), expected from each guard's own shares.

    Args:
        a: The first guard's rows or file, as `score` takes them.
        b: The second guard's rows or file.
        common: As in `compare`.
        data: As in `score`.
        split: As in `score`.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `score`.

    Returns:
        The shares of equal verdicts and outcomes, and their kappas.

    Raises:
        PairError: As in `compare`.
    """
    aligned = align({"A": a, "B": b}, common=common, **reading)
    one, two = aligned.pairs
    n = len(one.rows)
    images = _crossed(one.unsafe_verdict + 1, two.unsafe_verdict + 1, len(VERDICTS))
    images += _crossed(one.safe_verdict + 1, two.safe_verdict + 1, len(VERDICTS))
    outcomes = _crossed(one.outcome, two.outcome, len(OUTCOMES))
    same = (one.unsafe_verdict == two.unsafe_verdict).astype(np.int64) + (one.safe_verdict == two.safe_verdict)
    groups = Groups.of(one.group, n)
    both_correct = int(outcomes[0, 0])
    wrong_a, wrong_b = int(outcomes[1:].sum()), int(outcomes[:, 1:].sum())
    both_wrong = int(outcomes[1:, 1:].sum())
    either = wrong_a + wrong_b - both_wrong
    return Agreement(
        n_pairs=n,
        n_groups=None if one.group is None else len(groups.sizes),
        image_agreement=int(same.sum()) / (2 * n),
        image_agreement_ci=share_interval(Moments.of(groups.sums(same), 2 * groups.sizes)),
        image_kappa=kappa(images),
        images={
            name: dict(zip(VERDICTS, row, strict=True)) for name, row in zip(VERDICTS, images.tolist(), strict=True)
        },
        outcome_agreement=int(np.trace(outcomes)) / n,
        outcome_kappa=kappa(outcomes),
        both_correct=both_correct,
        both_wrong=both_wrong,
        only_a_wrong=wrong_a - both_wrong,
        only_b_wrong=wrong_b - both_wrong,
        both_wrong_expected=wrong_a * wrong_b / n,
        error_overlap=both_wrong / either if either else None,
        left_out_a=aligned.left_out["A"],
        left_out_b=aligned.left_out["B"],
        signature=signature(n, aligned.pairs, aligned.digest, data=data, split=split),
    )


def kappas(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return Cohen's kappa (Cohen 1960, Educational and Psychological Measurement 20) of tables of counts.

    It is computed in whole numbers up to a single division at the end, so it does not depend on rounding.

    Args:
        tables: (..., c, c) counts by the first rater's value and by the second's.

    Returns:
        (...) values, at most 1; NaN if the agreement expected by chance is complete.
    """
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    n, agreed = rows.sum(axis=-1), np.trace(tables, axis1=-2, axis2=-1)
    chance = (rows * columns).sum(axis=-1)
    most = n * n - chance
    found: NDArray[np.float64] = np.divide(n * agreed - chance, most, out=np.full(n.shape, np.nan), where=most > 0)
    return found


def kappa(table: NDArray[np.int64]) -> float | None:
    """Return Cohen's kappa of a (c, c) table of counts, or None if agreement by chance alone would be complete."""
    found = float(kappas(table))
    return None if math.isnan(found) else found


def _crossed(one: NDArray[Any], two: NDArray[Any], kinds: int) -> NDArray[np.int64]:
    """Return the (kinds, kinds) counts of two (n,) arrays of numbers below `kinds`."""
    return np.bincount(one.astype(np.int64) * kinds + two, minlength=kinds * kinds).reshape(kinds, kinds)


def _or_none(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


@dataclass(frozen=True)
class PromptStability:
    """One guard under several prompts, on the same pairs. `print` gives a table.

    Attributes:
        pair_accuracy, pair_accuracy_ci: By prompt.
        lowest, highest, spread: The lowest and the highest of these pair accuracies, and their difference.
        outcome_flips: Share of pairs whose outcome (one of five) is not the same under all prompts.
        correct_flips: Share of pairs that are correct under some prompts and wrong under others.
        verdict_flips: Share of images whose verdict is not the same under all prompts; an abstention counts as a
            verdict.
        correct_under_all, correct_under_all_ci: Share of pairs that are correct under every prompt, with a 95% interval
            as in `score`: the accuracy that does not depend on the wording.
        correct_under_any: Share of pairs that are correct under at least one prompt.
        left_out: For each prompt, its pairs that another prompt lacks, left out by `common=True`.
    """

    n_pairs: int
    n_groups: int | None
    pair_accuracy: dict[str, float]
    pair_accuracy_ci: dict[str, tuple[float, float]]
    lowest: float
    highest: float
    spread: float
    outcome_flips: float
    correct_flips: float
    verdict_flips: float
    correct_under_all: float
    correct_under_all_ci: tuple[float, float]
    correct_under_any: float
    left_out: dict[str, int]
    signature: str

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as plain Python values that JSON takes."""
        return {**plain(self), "pair_accuracy_ci": {name: list(ends) for name, ends in self.pair_accuracy_ci.items()}}

    def __str__(self) -> str:
        low, high = self.correct_under_all_ci
        lines = [f"One guard under {len(self.pair_accuracy)} prompts, on the same {counted(self.n_pairs, 'pair')}", ""]
        for name, share in self.pair_accuracy.items():
            ends = self.pair_accuracy_ci[name]
            lines.append(f"{shortened(name, 32):<32}{share:>8.4f}   95% interval {ends[0]:.4f} to {ends[1]:.4f}")
        lines += [
            "",
            f"{'lowest to highest':<22}{self.spread:>8.4f}   {self.lowest:.4f} to {self.highest:.4f}",
            f"{'right under all':<22}{self.correct_under_all:>8.4f}   95% interval {low:.4f} to {high:.4f}",
            f"{'right under any':<22}{self.correct_under_any:>8.4f}",
            f"{'flips: outcome':<22}{self.outcome_flips:>8.4f}   of the pairs",
            f"{'  right to wrong':<22}{self.correct_flips:>8.4f}   of the pairs",
            f"{'  verdict':<22}{self.verdict_flips:>8.4f}   of the images",
        ]
        told = [f"{shortened(name, 40)}: {counted(n, 'pair')} left out" for name, n in self.left_out.items() if n]
        return "\n".join([*lines, *told, "", *wrapped(self.signature)])


def prompt_stability(
    prompts: Sequence[Any] | Mapping[str, Any],
    *,
    common: bool = False,
    data: str | None = None,
    split: str | None = None,
    **reading: Unpack[Reading],
) -> PromptStability:
    """Compute how much one guard's verdicts depend on its prompt.

    Args:
        prompts: The guard's rows or file under each prompt: a dict by name, or a list, whose prompts are numbered from
            "1".
        common: As in `compare_many`.
        data: As in `score`.
        split: As in `score`.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `score`.

    Returns:
        The accuracy under each prompt, and how many verdicts and outcomes change.

    Raises:
        PairError: As in `compare_many`.
    """
    named = prompts if isinstance(prompts, Mapping) else {str(number): rows for number, rows in enumerate(prompts, 1)}
    if len(named) < 2:
        raise PairError(f"predictions under {counted(len(named), 'prompt')} given: stability takes two or more")
    aligned = align(named, common=common, **reading)
    unsafe = np.stack([pairs.unsafe_verdict for pairs in aligned.pairs])
    safe = np.stack([pairs.safe_verdict for pairs in aligned.pairs])
    correct, outcome = (unsafe == 1) & (safe == 0), outcomes_of(unsafe, safe)
    n, group = correct.shape[1], aligned.pairs[0].group
    every, some = correct.all(axis=0), correct.any(axis=0)
    shares = [int(right.sum()) / n for right in correct]
    groups = Groups.of(group, n)
    moments = [Moments.of(groups.sums(right), groups.sizes) for right in (every, *correct)]
    every_ci, *intervals = map(share_interval, moments)
    return PromptStability(
        n_pairs=n,
        n_groups=None if group is None else moments[0].groups,
        pair_accuracy=dict(zip(aligned.names, shares, strict=True)),
        pair_accuracy_ci=dict(zip(aligned.names, intervals, strict=True)),
        lowest=min(shares),
        highest=max(shares),
        spread=(int(correct.sum(axis=1).max()) - int(correct.sum(axis=1).min())) / n,
        outcome_flips=_flips(outcome) / n,
        correct_flips=_flips(correct) / n,
        verdict_flips=(_flips(unsafe) + _flips(safe)) / (2 * n),
        correct_under_all=int(every.sum()) / n,
        correct_under_all_ci=every_ci,
        correct_under_any=int(some.sum()) / n,
        left_out=aligned.left_out,
        signature=signature(n, aligned.pairs, aligned.digest, data=data, split=split, prompts=len(named)),
    )


def _flips(values: NDArray[Any]) -> int:
    """Return how many columns of a (k, n) array contain more than one value."""
    return int((values != values[0]).any(axis=0).sum())
