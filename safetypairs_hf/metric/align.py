"""Align several guards' pairs by `pair_id`, in any order of each guard's rows.

`align` reads and aligns any number of guards; `shared_pairs` matches the pairs of two that have been read.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric.pairs import Pairs, Reading, digest_of, equal_rows, joined, matched, pairs_of, words_of
from safetypairs_hf.metric.rows import broken

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Aligned:
    """Guards on the same n pairs, in one order.

    Category and group belong to the data, so all guards have those of the first one that gives them. The guards' rows
    are not kept.

    Attributes:
        names: The guards, in the order given.
        pairs: Each guard's pairs.
        ids: (n,) Arrow array of pair ids.
        left_out: Each guard's pairs that another lacks.
    """

    names: tuple[str, ...]
    pairs: tuple[Pairs, ...]
    ids: Any
    left_out: dict[str, int]

    @property
    def digest(self) -> str:
        """The digest of this set of pairs."""
        return digest_of(self.ids)

    @property
    def n_incomplete(self) -> dict[str, int]:
        """Each guard's number of pairs with one image only, left out on request."""
        return {name: pairs.n_incomplete for name, pairs in zip(self.names, self.pairs, strict=True)}


@dataclass(frozen=True)
class _Side:
    """A guard's pairs in the first guard's order.

    Attributes:
        pairs: (m,) pairs, for those of the first guard.
        held: (m,) whether the guard has each of these; None if it has all.
        n_own: The number of the guard's pairs.
        texts: Its categories and groups, only if the first guard has none.
    """

    pairs: Pairs
    held: NDArray[np.bool_] | None
    n_own: int
    texts: dict[str, Any]


def align(
    guards: Mapping[str, Any],
    *,
    common: bool,
    threshold_from: Mapping[str, Any] | None = None,
    **reading: Unpack[Reading],
) -> Aligned:
    """Read each guard's rows once, as whole pairs in one order.

    Args:
        guards: Each guard's rows or file, as `score` takes them, by the guard's name; at least one.
        common: Keep the pairs that all guards have, instead of refusing different pair sets.
        threshold_from: For some guards, by name, predictions on other pairs whose best threshold is used.
        **reading: As in `score`.

    Raises:
        PairError: As in `score`, with the guard's name; the pair sets differ; or a shared pair has another category or
            group for another guard.
    """
    names = tuple(guards)
    others = dict(threshold_from or {})
    unknown = [name for name in others if name not in guards]
    if unknown:
        raise PairError(f"threshold_from for {unknown[0]!r}: the guards are {', '.join(map(str, names))}")

    def read(name: str) -> Pairs:
        try:
            return pairs_of(guards[name], threshold_from=others.get(name), **reading)
        except PairError as error:
            raise PairError(f"{name}: {error}") from None

    first = read(names[0])

    def side_of(name: str) -> _Side:
        pairs = read(name)
        try:
            return _side_of(first, pairs, common=common)
        except PairError as error:
            raise PairError(f"{name} and {names[0]}: {error}") from None

    own = {name: values for name in ("category", "group") if (values := first.texts(name)) is not None}
    sides = [_Side(_reordered(first, np.arange(len(first.rows))), None, len(first.rows), own)]
    with ThreadPoolExecutor(2) as pool:  # numpy and Arrow release the interpreter lock
        sides += pool.map(side_of, names[1:])
    return _joined_sides(names, first, sides)


def _joined_sides(names: tuple[str, ...], first: Pairs, sides: list[_Side]) -> Aligned:
    held = np.ones(len(first.rows), dtype=np.bool_)
    for side in sides:
        if side.held is not None:
            held &= side.held
    at = np.flatnonzero(held)
    if not len(at):
        raise PairError(f"different pair sets: no pair is in all of {len(names)}, so there is nothing to compare")
    ids = first.texts("pair_id")
    category = _giver("category", names, sides, ids)
    group = _giver("group", names, sides, ids)
    numbers = None if group is None else group.group
    if numbers is not None and (np.diff(numbers[at]) < 0).any():
        at = at[np.argsort(numbers[at], kind="stable")]
    of_data: dict[str, Any] = {
        "category": None if category is None or category.category is None else category.category[at],
        "categories": () if category is None else category.categories,
        "group": None if numbers is None else numbers[at],
    }
    in_place = np.array_equal(at, np.arange(len(held)))
    shared = [replace(side.pairs if in_place else _reordered(side.pairs, at), **of_data) for side in sides]
    left_out = {name: side.n_own - len(at) for name, side in zip(names, sides, strict=True)}
    return Aligned(names, tuple(shared), ids.take(at), left_out)


def _giver(name: str, names: tuple[str, ...], sides: list[_Side], ids: Any) -> Pairs | None:
    """Return the first guard that gives `name`, after checking that later ones agree; None if no guard gives it."""
    givers = [number for number, side in enumerate(sides) if name in side.texts]
    if not givers:
        return None
    one = sides[givers[0]]
    for number in givers[1:]:
        other = sides[number]
        both = np.ones(len(ids), dtype=np.bool_)
        for side in (one, other):
            both &= True if side.held is None else side.held
        at = np.flatnonzero(both)
        who = f"{names[number]} than in {names[givers[0]]}"
        refuse_unequal(name, ids.take(at), one.texts[name].take(at), other.texts[name].take(at), who)
    return one.pairs


def _side_of(first: Pairs, pairs: Pairs, *, common: bool) -> _Side:
    assert first.images is not None and pairs.images is not None  # both were just read
    alike = np.array_equal(first.rows, pairs.rows) and first.images.pair_id.equals(pairs.images.pair_id)
    if alike:
        rows_first = rows = np.arange(len(first.rows))  # files with equal ids in equal order need no search
    else:
        rows_first, rows = shared_rows(first, pairs, common=common)
    at = np.zeros(len(first.rows), dtype=np.int64)  # a missing pair repeats row 0, which is never used
    at[rows_first] = rows
    texts: dict[str, Any] = {}
    for name in ("category", "group"):
        of_first, of_other = getattr(first.images, name), getattr(pairs.images, name)
        if of_other is None or (alike and of_first is not None and of_first.equals(of_other)):
            continue
        if of_first is None:
            texts[name] = of_other.take(pairs.rows[at])
            continue
        here = first.rows[rows_first]
        ids, expected = first.images.pair_id.take(here), of_first.take(here)
        refuse_unequal(name, ids, expected, of_other.take(pairs.rows[rows]), "the second")
    held = None
    if len(rows) < len(first.rows):
        held = np.zeros(len(first.rows), dtype=np.bool_)
        held[rows_first] = True
    # Columns that the first guard gives are taken from it, so drop those of the others.
    pairs = replace(
        pairs,
        category=pairs.category if first.category is None else None,
        group=pairs.group if first.group is None else None,
    )
    return _Side(_reordered(pairs, at), held, len(pairs.rows), texts)


def _reordered(pairs: Pairs, at: Numbers) -> Pairs:
    """Return the pairs at the (n,) positions `at`, without the input, to save memory."""
    return replace(pairs.taken(at), images=None, at=at)


def shared_rows(a: Pairs, b: Pairs, *, common: bool) -> tuple[Numbers, Numbers]:
    """Return (n,) positions in `a` and in `b` of the pairs that both have.

    Raises:
        PairError: The sets differ, or one is of policy pairs and the other is not.
    """
    kinds = [each.images is not None and each.images.of_policies for each in (a, b)]
    if kinds[0] != kinds[1]:
        raise mixed_kinds(*(("the first", "the second") if kinds[0] else ("the second", "the first")))
    found, n_a, n_b = matched(a, b), len(a.rows), len(b.rows)
    n = len(found.rows_a)
    if n and n < max(n_a, n_b) and not common:
        rule = f"different pair sets, {n_a - n} ids only in the first and {n_b - n} only in the second"
        raise PairError(broken(rule, found.ids, found.alone, "common=True (--common) compares on the shared ones"))
    if not n:
        raise PairError(
            f"different pair sets: no pair is in both ({n_a:,} and {n_b:,} are given), so there is nothing to compare"
        )
    return found.rows_a, found.rows_b


def mixed_kinds(of_policies: str, of_images: str) -> PairError:
    """Return the error for two guards if one judged policy pairs and the other pairs of images."""
    return PairError(
        f"{of_policies} is of policy pairs and {of_images} of pairs of images, whose figures say different things; "
        "compare guards on one kind at a time"
    )


def shared_pairs(a: Pairs, b: Pairs, *, common: bool, who: str) -> tuple[Numbers, Numbers, Numbers | None]:
    """Match two guards' pairs, or a guard's pairs with their controls.

    Args:
        a: The pairs whose groups are used; if `a` has none, those of `b` are.
        b: The other pairs.
        common: Keep the pairs that both have, instead of refusing different pair sets.
        who: The name of `b` in errors.

    Returns:
        (n,) positions in `a` and in `b` of the shared pairs, ordered so that each group is contiguous, and (n,) the
        nondecreasing group numbers of the pairs; None if neither has groups.

    Raises:
        PairError: The pair sets differ, or a shared pair has another category or group in `b`.
    """
    rows_a, rows_b = shared_rows(a, b, common=common)
    ids = a.texts("pair_id").take(rows_a)
    for name in ("category", "group"):
        of_a, of_b = a.texts(name), b.texts(name)
        if of_a is not None and of_b is not None:
            refuse_unequal(name, ids, of_a.take(rows_a), of_b.take(rows_b), who)
    group = a.group[rows_a] if a.group is not None else None if b.group is None else b.group[rows_b]
    if group is None:
        return rows_a, rows_b, None
    order = np.argsort(group, kind="stable")
    return rows_a[order], rows_b[order], group[order]


def refuse_unequal(name: str, ids: Any, of_a: Any, of_b: Any, who: str) -> None:
    """Raise PairError if two (n,) Arrow arrays, `name` of the same pairs for two guards, are not equal."""
    words = words_of(joined(of_a, of_b))
    unequal = ~equal_rows(words[: len(of_a)], words[len(of_a) :])
    if unequal.any():
        rule = f"a shared pair with another {name} in {who}"
        raise PairError(broken(rule, ids, np.flatnonzero(unequal), "the two were not made from the same data"))
