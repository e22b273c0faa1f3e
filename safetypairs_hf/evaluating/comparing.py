"""Compare guards by rows or files, with the data and split that the files of `evaluate` state."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from safetypairs_hf.evaluating.checking import told_together
from safetypairs_hf.evaluating.prediction_file import predictions_of
from safetypairs_hf.metric.compare import PairComparison
from safetypairs_hf.metric.compare import compare as metric_compare
from safetypairs_hf.metric.compare_many import ManyComparison, check_named
from safetypairs_hf.metric.compare_many import compare_many as metric_compare_many

if TYPE_CHECKING:
    from safetypairs_hf.metric.pairs import Reading


def compare(
    a: Any,
    b: Any,
    *,
    common: bool = False,
    threshold_from: Sequence[Any] | None = None,
    data: str | None = None,
    split: str | None = None,
    **reading: Unpack[Reading],
) -> PairComparison:
    """Compare two guards' predictions on the same pairs.

    Ids that are text for one guard and numbers for the other are matched as text. A guard may have several samples.

    Args:
        a: The first guard's rows or file, as `score` takes them.
        b: The second guard's rows or file.
        common: Compare on the shared pairs, and count the others, instead of refusing different pair sets.
        threshold_from: For each of the two, predictions on other pairs whose best threshold is used, or None.
        data: The data that was judged, for the signature. Files that `evaluate` wrote state it themselves.
        split: The split that was judged, for the signature. Files that `evaluate` wrote state it themselves.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `score`.

    Returns:
        The figures of both guards and of their difference.

    Raises:
        PairError: As `score` does; the pair sets differ; a shared pair has another category or group for the other
            guard; or two files of `evaluate` are of different images.
    """
    told = _told((a, b), data, split)
    return metric_compare(_read(a), _read(b), common=common, threshold_from=threshold_from, **told, **reading)


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
        data: As in `compare`.
        split: As in `compare`.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `score`.

    Returns:
        The figures of each guard and of every two guards.

    Raises:
        PairError: As in `compare`, with the guard's name; `guards` is not a dict by name, or has fewer than two guards;
            or `by_category` is given for rows without categories.
    """
    check_named(guards)
    told = _told(guards.values(), data, split)
    return metric_compare_many(
        {name: _read(rows) for name, rows in guards.items()},
        common=common,
        by_category=by_category,
        threshold_from=threshold_from,
        **told,
        **reading,
    )


def _told(given: Iterable[Any], data: str | None, split: str | None) -> dict[str, Any]:
    """Return data and split for the signature: the arguments, or what the files among the rows state together."""
    by_files = told_together([os.fspath(rows) for rows in given if _is_file(rows)])
    by_user = {name: value for name, value in (("data", data), ("split", split)) if value is not None}
    return by_user if data is not None else by_files | by_user


def _read(rows: Any) -> Any:
    return predictions_of(os.fspath(rows)) if _is_file(rows) else rows


def _is_file(rows: Any) -> bool:
    return isinstance(rows, str | os.PathLike)
