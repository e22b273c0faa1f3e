"""Score predictions on the pairs of an earlier version by the labels of a later one, and report what changed.

The order is fixed, so that the parts add up. With A(pairs, labels) for the pair accuracy:

    gone       = A(pairs of both, earlier labels) - A(pairs of the earlier one, earlier labels)
    relabelled = A(pairs of both, later labels) - A(pairs of both, earlier labels)
    change     = gone + relabelled
"""

from __future__ import annotations

import dataclasses
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import PairError, SafetyPairsError, counted
from safetypairs_hf.core.target_name import parse_target_name
from safetypairs_hf.dataset.policy_pair_rows import is_policy_pair
from safetypairs_hf.evaluating.checking import Checked, Earlier, check_data
from safetypairs_hf.evaluating.image_join import is_swapped
from safetypairs_hf.evaluating.prediction_file import predictions_of, told_by
from safetypairs_hf.metric.notebook import text_html
from safetypairs_hf.metric.score import PairScore
from safetypairs_hf.metric.score import score as metric_score
from safetypairs_hf.metric.table_text import WIDTH

if TYPE_CHECKING:
    from safetypairs_hf.metric.pairs import Pairs

_SHOWN = 20  # changed pairs printed at most


@dataclass(frozen=True)
class ChangedPair:
    """A pair whose label differs from the earlier version.

    Attributes:
        how: "gone", "swapped", "category", or "swapped, category".
        correct_before: The share of the guard's answers that are right by the labels of the earlier version: 0 or 1
            without repeats.
        correct_after: The same by the labels of the later version; None for a pair that is gone.
        reason: The reason in the last erratum between the two versions, or "".
    """

    pair_id: str
    how: str
    correct_before: float
    correct_after: float | None
    reason: str


@dataclass(frozen=True)
class AsOf:
    """What changed between an earlier version and the one whose labels count, over the pairs of the earlier one.

    `n_pairs` and `pair_accuracy` use the labels of the earlier version; adding `change` gives the figure of the score.
    """

    version: str
    n_pairs: int
    pair_accuracy: float
    n_gone: int
    gone: float
    n_relabelled: int
    n_swapped: int
    n_other_category: int
    relabelled: float
    change: float
    pairs: tuple[ChangedPair, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as JSON values."""
        return dataclasses.asdict(self) | {"pairs": [dataclasses.asdict(pair) for pair in self.pairs]}

    def lines(self, n_pairs: int, pair_accuracy: float) -> list[str]:
        """Return the lines of a table; `n_pairs` and `pair_accuracy` are those of the score."""
        counts = ((self.n_swapped, "swapped"), (self.n_other_category, "in another category"))
        how = [f"{count:,} {what}" for count, what in counts if count]
        relabelled = ": ".join(filter(None, (counted(self.n_relabelled, "pair"), ", ".join(how))))
        rows = (
            (f"pair accuracy in {self.version}", f"{self.pair_accuracy:.4f}", counted(self.n_pairs, "pair")),
            ("  pairs gone", f"{self.gone:+.4f}", counted(self.n_gone, "pair")),
            ("  relabelled", f"{self.relabelled:+.4f}", relabelled),
            ("by the new labels", f"{pair_accuracy:.4f}", f"{self.change:+.4f}, {counted(n_pairs, 'pair')}"),
        )
        lines = [f"{label:<24}{value:>8}   {note}" for label, value, note in rows]
        for pair in self.pairs[:_SHOWN]:
            after = "" if pair.correct_after is None else f" to {_right(pair.correct_after)}"
            text = f"{pair.pair_id}  {pair.how}, {_right(pair.correct_before)}{after}"
            text += f": {pair.reason}" if pair.reason else ""
            lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")
        if len(self.pairs) > _SHOWN:
            lines.append(f"  ... and {len(self.pairs) - _SHOWN:,} more")
        return lines


def _right(share: float) -> str:
    return {0.0: "wrong", 1.0: "right"}.get(share, f"{share:.2f} right")


@dataclass(frozen=True)
class AsOfScore(PairScore):
    """The figures by the labels of a version, over the pairs of an earlier one; `as_of` reports what changed."""

    as_of: AsOf | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return every figure by name, and the changes under the key `as_of`."""
        values = super().to_dict()
        return values | {"as_of": None if self.as_of is None else self.as_of.to_dict()}

    def __str__(self) -> str:
        return "\n".join([super().__str__(), "", *self._moved()])

    def _repr_html_(self) -> str:
        return super()._repr_html_() + text_html("\n".join(self._moved()))

    def _moved(self) -> list[str]:
        return [] if self.as_of is None else self.as_of.lines(self.n_pairs, self.pair_accuracy)


def score(
    rows: Any,
    *,
    threshold: float | None = None,
    threshold_from: Any = None,
    by: str = "prediction",
    incomplete: str = "error",
    labels: Mapping[Any, str] | None = None,
    weights: Mapping[str, float] | None = None,
    data: str | None = None,
    split: str | None = None,
    fidelity: str | None = None,
    controls: Any = None,
    as_of: str | None = None,
) -> PairScore:
    """Compute the pair-consistent figures of one guard's predictions.

    This is `safetypairs_hf.metric.score` with the additional argument `as_of`.

    Args:
        rows: One row per image or one per pair: an iterable of dicts, a dict of columns, a pandas, Arrow, polars or
            `datasets` table, or the path of a file. A file that `evaluate` wrote says what it is on, for the signature,
            unless `data` is given. With `as_of`, a column `sha256` identifies the image that a row
            is about; `evaluate` writes it. Without that column, the predictions count as made on `as_of`.
        threshold: In [0, 1], 0.5 by default. A score at or above it means unsafe.
        threshold_from: Predictions on other pairs; the threshold that is best for them is used.
        by: "prediction" or "score": which of the two decides if rows have both.
        incomplete: "error" refuses pairs with one image only; "drop" leaves them out and counts them.
        labels: The meaning of other words in `reference` and `prediction`: {"yes": "unsafe", "no": "safe"}.
        weights: A weight for each category, 0 or more, for `macro_pair_accuracy`; equal by default.
        data: The data that was judged, such as "org/name@2.0.0", for the signature. The rows are checked against a
            folder and against the set that the package carries, as `safetypairs score --data` does; a dataset on the
            Hub is read only if `as_of` is given.
        split: The split that was judged; only recorded in the signature.
        fidelity: How close the prompt is to the model's own; only recorded in the signature.
        controls: The same guard's predictions on controls of these pairs, for `artifact_gap`.
        as_of: An earlier version of `data`, such as "1.0.0", or a folder that holds it. The figures then cover the
            pairs of that version by the labels of `data`.

    Returns:
        The figures. With `as_of` it is an `AsOfScore`, whose attribute `as_of` reports what changed.

    Raises:
        PairError: The rows break a rule, or an argument is wrong.
        SafetyPairsError: A version cannot be read.
    """
    options: dict[str, Any] = {
        "threshold": threshold,
        "threshold_from": threshold_from,
        "by": by,
        "incomplete": incomplete,
        "labels": labels,
        "weights": weights,
        "split": split,
        "fidelity": fidelity,
        "controls": controls,
    }
    if as_of is None and data is None and isinstance(rows, str | Path):
        return score_checked(Checked(predictions_of(rows), told_by(rows)), **options)
    if as_of is None and not (data and _is_here(data)):
        return metric_score(rows, data=data, **options)
    if data is None:
        raise PairError(f"as_of={as_of!r} without data; give the version whose labels count: data='org/name@2.0.0'")
    return score_checked(check_data(rows, data, as_of, labels), **options)


def _is_here(data: str) -> bool:
    """Return whether `data` names a folder, or the set that the package carries."""
    try:
        return parse_target_name(data).is_folder
    except SafetyPairsError:
        return False  # a name of the user's own, which is only recorded


def score_checked(checked: Checked, **options: Any) -> PairScore:
    """Compute the figures of predictions that were checked against data; the options are those of `score`."""
    if checked.swapped and options.get("controls") is not None:
        raise PairError(
            "controls of pairs whose members errata swapped have the old labels; leave --controls out, or "
            "score on the version that the guard was run on"
        )
    told = checked.told | {name: options.pop(name) for name in ("split", "fidelity") if options.get(name)}
    options = {name: value for name, value in options.items() if name not in told}
    found = metric_score(checked.columns, **options, **told)
    if checked.earlier is None:
        return dataclasses.replace(found, notes=found.notes + checked.notes)
    reading = {name: options[name] for name in (*_READING, "threshold_from") if name in options}
    return AsOfScore(**vars(found), as_of=_as_of(checked, checked.earlier, reading))


_READING = ("threshold", "by", "incomplete", "labels")


def _as_of(checked: Checked, earlier: Earlier, reading: Mapping[str, Any]) -> AsOf:
    from safetypairs_hf.metric.pairs import repeats_of

    before = _correct(repeats_of(earlier.columns, **reading))
    after = _correct(repeats_of(checked.columns, **reading))
    stay = [before[pair_id] for pair_id in after]
    first, middle, last = (statistics.fmean(values) for values in (before.values(), stay, after.values()))
    reasons = {each["pair_id"]: each["reason"] for each in earlier.errata}
    pairs = []
    for pair_id, (old, new) in sorted(earlier.changed.items()):
        if pair_id not in before:
            continue  # incomplete, and left out
        swapped = new is not None and is_swapped(old, new)
        moved = new is not None and new["category"] != old["category"] and not is_policy_pair(new)
        how = ", ".join([*(["swapped"] if swapped else []), *(["category"] if moved else [])]) or "gone"
        reason = reasons.get(pair_id, reasons.get(old["pair_id"], ""))
        pairs.append(ChangedPair(pair_id, how, before[pair_id], after.get(pair_id), reason))
    stayed = [pair for pair in pairs if pair.how != "gone"]
    return AsOf(
        version=str(earlier.edition.version),
        n_pairs=len(before),
        pair_accuracy=first,
        n_gone=len(before) - len(after),
        gone=middle - first,
        n_relabelled=len(stayed),
        n_swapped=sum("swapped" in pair.how for pair in stayed),
        n_other_category=sum("category" in pair.how for pair in stayed),
        relabelled=last - middle,
        change=last - first,
        pairs=tuple(pairs),
    )


def _correct(samples: Sequence[Pairs]) -> dict[str, float]:
    """Return, by pair id, the share of samples in which the pair is correct."""
    ids = [str(each) for each in samples[0].texts("pair_id").to_pylist()]
    shares = [statistics.fmean(answers) for answers in zip(*(each.correct.tolist() for each in samples), strict=True)]
    return dict(zip(ids, shares, strict=True))
