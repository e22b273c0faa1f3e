"""`compare_many`: compare any number of guards on the same pairs, each with every other, and print the table."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from safetypairs_hf.core.errors import PairError, counted, verb
from safetypairs_hf.metric.align import Aligned, align
from safetypairs_hf.metric.compare import difference_figures
from safetypairs_hf.metric.figures import Contest, Face, Figures, shown_in
from safetypairs_hf.metric.inference import Groups, Paired
from safetypairs_hf.metric.notebook import figures_frame, plot_records, records_html, results_html
from safetypairs_hf.metric.pairs import Reading
from safetypairs_hf.metric.score import figures_of, signature
from safetypairs_hf.metric.table_text import Columns, few_groups, pairs_in_groups, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from pandas import DataFrame

MOST_LINES = 200  # how many contests a table lists
NAME = 23  # columns for the name of a guard


@dataclass(frozen=True)
class Standing:
    """Guards on one set of pairs.

    Attributes:
        guards: Each guard's figures, as `score` gives them.
        contests: The comparison of every two guards.
    """

    n_pairs: int
    n_groups: int | None
    guards: dict[str, Figures]
    contests: tuple[Contest, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as plain Python values that JSON takes."""
        return {
            "n_pairs": self.n_pairs,
            "n_groups": self.n_groups,
            "guards": {name: figures.to_dict() for name, figures in self.guards.items()},
            "contests": [contest.to_dict() for contest in self.contests],
        }


@dataclass(frozen=True)
class ManyComparison(Standing):
    """k guards on the same pairs, ordered by falling pair accuracy, then by name. `print` gives a table.

    Attributes:
        contests: K (k - 1) / 2 contests, each guard with those below it. Holm's adjustment is over all of them.
        per_category: The same for each category, with `by_category=True`. Holm's adjustment then covers the contests
            of all categories together.
        left_out: For each guard, its pairs that another guard lacks, left out by `common=True`.
        n_incomplete: Each guard's pairs with one image only.
        signature: Two comparisons are comparable if their signatures are equal.
    """

    per_category: dict[str, Standing]
    left_out: dict[str, int]
    n_incomplete: dict[str, int]
    signature: str

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as plain Python values that JSON takes; `per_category` is nested."""
        return {
            **super().to_dict(),
            "per_category": {name: standing.to_dict() for name, standing in self.per_category.items()},
            "left_out": self.left_out,
            "n_incomplete": self.n_incomplete,
            "signature": self.signature,
        }

    def __str__(self) -> str:
        return many_table(self)

    def _repr_html_(self) -> str:
        tables = _standing_html(self)
        for name, standing in self.per_category.items():
            inside = "".join(_standing_html(standing))
            title = html.escape(f"{name}, {counted(standing.n_pairs, 'pair')}")
            tables.append(f"<details><summary>{title}</summary>{inside}</details>")
        notes = [few_groups(self.n_groups), *_left_out(self)]
        return results_html(_title(self), tables, notes, self.signature)

    def to_pandas(self, of: Literal["guards", "contests"] = "guards") -> DataFrame:
        """Return the figures as a pandas table: a row for each guard, or for each contest.

        Args:
            of: "guards" for a row per guard, "contests" for a row per two guards.

        Raises:
            PairError: Pandas is not installed.
        """
        if of == "guards":
            return figures_frame("guard", self.guards)
        return figures_frame("contest", {f"{each.a} - {each.b}": each for each in self.contests})

    def plot(self, axes: Any = None) -> Axes:
        """Draw each guard's pair accuracy with its interval into matplotlib axes.

        Args:
            axes: Where to draw; new axes by default.

        Returns:
            The axes.

        Raises:
            PairError: Matplotlib is not installed.
        """
        return plot_records(self.guards, shown_in(Face.HEADLINE, Figures)[0], axes)


def compare_many(
    guards: Mapping[str, Any],
    *,
    common: bool = False,
    by_category: bool = False,
    threshold_from: Mapping[str, Any] | None = None,
    data: str | None = None,
    split: str | None = None,
    **reading: Unpack[Reading],
) -> ManyComparison:
    """Compare two guards or more on the same pairs.

    Each guard is read once. The figures of a guard are those of `score`, and of two guards those of `compare`, to the
    last bit. A category or group that some guards lack is taken from the first that gives it.

    Args:
        guards: Each guard's rows or file, as `score` takes them, by the guard's name.
        common: Compare on the pairs that all guards have, and count the others, instead of refusing different pair
            sets.
        by_category: Also compare on each category.
        threshold_from: For some guards, by name, predictions on other pairs whose best threshold is used.
        data: As in `score`.
        split: As in `score`.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `score`.

    Returns:
        The figures of each guard and of every two guards.

    Raises:
        PairError: As in `compare`, with the guard's name; `guards` is not a dict by name, or has fewer than two guards;
            or `by_category` is given for rows without categories.
    """
    check_named(guards)
    if len(guards) < 2:
        raise PairError(f"{counted(len(guards), 'guard')} given: comparing takes two or more")
    aligned = align(guards, common=common, threshold_from=threshold_from, **reading)
    correct = np.stack([pairs.correct for pairs in aligned.pairs])
    right = correct.sum(axis=1)
    order = sorted(range(len(correct)), key=lambda number: (-int(right[number]), aligned.names[number]))
    whole = _standings(aligned, correct, order, [None])[0]
    parts: dict[str, Standing] = {}
    codes = aligned.pairs[0].category
    if by_category:
        if codes is None:
            raise PairError("a column that is not there: category; no guard's rows give it, so leave by_category out")
        # A stable sort keeps the pairs of a group contiguous.
        by_code = np.argsort(codes, kind="stable")
        sizes = np.bincount(codes, minlength=len(aligned.pairs[0].categories))
        rows = [part for part in np.split(by_code, np.cumsum(sizes)[:-1]) if len(part)]
        names = [aligned.pairs[0].categories[code] for code in np.flatnonzero(sizes)]
        parts = dict(zip(names, _standings(aligned, correct, order, rows), strict=True))
    told = {"data": data, "split": split, "compared": len(correct), "adjusted": "holm"}
    return ManyComparison(
        **vars(whole),
        per_category=parts,
        left_out=aligned.left_out,
        n_incomplete=aligned.n_incomplete,
        signature=signature(whole.n_pairs, aligned.pairs, aligned.digest, ci="newcombe", **told),
    )


def check_named(guards: Any) -> None:
    """Raise PairError unless `guards` is a dict whose keys are names."""
    if not isinstance(guards, Mapping):
        raise PairError(f"the guards are of type {type(guards).__name__}; give a dict: {{'name': rows, 'other': rows}}")
    unnamed = [name for name in guards if not isinstance(name, str)]
    if unnamed:
        raise PairError(f"a guard named {unnamed[0]!r}: names are text")


def holm(p: Sequence[float]) -> list[float]:
    """Adjust p values by Holm's step-down method (Holm 1979, Scand. J. Statist. 6), in the order given.

    The i-th smallest of m, from 0, becomes the largest of (m - j) p_j over j up to i, and at most 1.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def _standings(
    aligned: Aligned, correct: NDArray[np.bool_], order: list[int], parts: Sequence[NDArray[np.int64] | None]
) -> list[Standing]:
    """Compare the guards in `order` on the pairs at each of `parts` (None: all), as one family for the adjustment."""
    names = [aligned.names[number] for number in order]
    pairs = [aligned.pairs[number] for number in order]
    bouts, guards = [], []
    with ThreadPoolExecutor(2) as pool:  # numpy releases the interpreter lock
        for rows in parts:
            at: Any = slice(None) if rows is None else rows
            group = None if pairs[0].group is None else pairs[0].group[at]
            figures = pool.map(lambda one, rows=rows: figures_of((one,), rows), pairs)
            bouts.append(_bouts(names, correct[order][:, at], group, pool))
            guards.append(dict(zip(names, figures, strict=True)))
    adjusted = iter(holm([bout["p_value"] for part in bouts for bout in part]))
    best = names[0]
    return [
        Standing(
            n_pairs=of_part[best].n_pairs,
            n_groups=of_part[best].n_groups,
            guards=of_part,
            contests=tuple(Contest(**bout, holm_p=next(adjusted)) for bout in part),
        )
        for of_part, part in zip(guards, bouts, strict=True)
    ]


def _bouts(
    names: list[str], correct: NDArray[np.bool_], group: NDArray[np.int64] | None, pool: ThreadPoolExecutor
) -> list[dict[str, Any]]:
    """Compare each guard with those after it on the (k, n) `correct`: a `Contest` without its adjusted p."""
    n = correct.shape[1]
    # The sum of a difference is the difference of the sums, so each guard is summed only once.
    groups = Groups.of(group, n)
    sums = [groups.sums(right) for right in correct]
    # Counts below 2^24 are exact in single precision, and float matrices multiply fastest.
    right: NDArray[Any] = correct.astype(np.float64 if n >= 2**24 else np.float32)
    both = np.rint(right @ right.T).astype(np.int64)

    def bout(two: tuple[int, int]) -> dict[str, Any]:
        a, b = two
        paired = Paired(int(both[a, b]), int(both[a, a]), int(both[b, b]), n, sums[a] - sums[b], groups.sizes)
        return {"a": names[a], "b": names[b], **difference_figures(paired)}

    return list(pool.map(bout, combinations(range(len(names)), 2)))


def many_table(many: ManyComparison) -> str:
    """Return the table of many guards, best first, then of their contests; then the same for each category."""
    lines = [_title(many), ""]
    lines += _standing_lines(many, "p: exact, two-sided; Holm: adjusted for all of these")
    if note := few_groups(many.n_groups):
        lines += ["", note]
    for name, standing in many.per_category.items():
        lines += ["", f"{_middle_cut(name, 56)}, {counted(standing.n_pairs, 'pair')}", ""]
        lines += _standing_lines(standing, "Holm: adjusted for those of all categories together")
    return "\n".join([*lines, *_left_out(many), "", *wrapped(many.signature)])


def _title(many: ManyComparison) -> str:
    return f"{counted(len(many.guards), 'guard')} on the same {pairs_in_groups(many.n_pairs, many.n_groups)}"


def _left_out(many: ManyComparison) -> list[str]:
    lines = []
    for why, counts in (("left out, not in all", many.left_out), ("left out, incomplete", many.n_incomplete)):
        lines += [f"{_middle_cut(name, 40)}: {counted(count, 'pair')} {why}" for name, count in counts.items() if count]
    return lines


def _found(standing: Standing) -> str:
    found, m = sum(contest.holm_p < 0.05 for contest in standing.contests), len(standing.contests)
    return f"{found} of {counted(m, 'difference')} {verb(m, 'stands')} at 5% after Holm"


def _standing_html(standing: Standing) -> list[str]:
    contests = {f"{each.a} - {each.b}": each for each in standing.contests}
    shown = dict(list(contests.items())[:MOST_LINES])
    of_all = f"; {len(shown)} are listed, to_pandas('contests') has them all" if len(shown) < len(contests) else ""
    return [
        records_html("guard", standing.guards, shown_in(Face.GUARDS, Figures)),
        f"<p>{html.escape(_found(standing) + of_all)}</p>",
        records_html("contest", shown, shown_in(Face.GUARDS, Contest)),
    ]


def _standing_lines(standing: Standing, note: str) -> list[str]:
    columns = Columns(shown_in(Face.GUARDS, Figures), wide=8, lead=9, interval=17)
    lines = [f"{'':>3} {'guard':<{NAME}}{columns.head()}"]
    places = {name: place for place, name in enumerate(standing.guards, 1)}
    for name, figures in standing.guards.items():
        lines.append(f"{places[name]:>3} {_middle_cut(name, NAME):<{NAME}}{columns.row(figures)}")
    lines += ["", _found(standing)]
    if len(standing.contests) > MOST_LINES:
        return [*lines, f"More than {MOST_LINES} are not listed here: --json, to_dict() and .contests have them all"]
    columns = Columns(shown_in(Face.GUARDS, Contest), wide=9, lead=10, interval=18)
    lines.append(f"{'contest':<12}{columns.head()}")
    for contest in standing.contests:
        lines.append(f"{f'{places[contest.a]} - {places[contest.b]}':<12}{columns.row(contest)}")
    return [*lines, note]


def _middle_cut(name: str, width: int) -> str:
    """Cut the middle of a name so that it leaves one blank within `width` columns.

    The names of related guards differ at the end.
    """
    kept = width - 2
    return name if len(name) < width else f"{name[: kept // 2]}…{name[len(name) - (kept - kept // 2) :]}"
