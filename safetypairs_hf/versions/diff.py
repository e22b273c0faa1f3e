"""Compare the manifests of two published versions, and draw the pairs that differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from safetypairs_hf.core.contact_sheet import contact_sheet
from safetypairs_hf.core.errors import counted
from safetypairs_hf.core.tables import frame, table, text_html
from safetypairs_hf.core.version import Version, least
from safetypairs_hf.dataset import errata
from safetypairs_hf.dataset.policy_pair_rows import ROOT as POLICY_PAIRS
from safetypairs_hf.dataset.store.base import Edition
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.taxonomy import taxonomy_changes
from safetypairs_hf.taxonomy.nine import SLUGS
from safetypairs_hf.taxonomy.taxonomy_changes import MAJOR, NONE, TaxonomyDifference
from safetypairs_hf.versions.pair_sheet import on_sheet, published_rows

if TYPE_CHECKING:
    from pandas import DataFrame

PART_ROWS = 100_000  # manifest rows compared at a time: 8 columns of them take about 30 MB

KINDS = ("added", "removed", "relabelled", "re-edited", "re-reviewed", "moved", "swapped", "reworded")
MOST_ERRATA = 50  # printed at most
_RARE = {"moved", "swapped", "reworded"}  # columns that are printed only if they count any pair
_BROKEN = ("removed", "relabelled", "re-edited", "moved", "swapped", "reworded")  # these need a major version


class Row(NamedTuple):
    """The columns of a manifest that a difference shows, for one pair."""

    pair_id: str
    file: str
    category: str
    split: str
    group: str
    review: str

    @property
    def is_policy_pair(self) -> bool:
        """Whether it is one image under two policies."""
        return self.file.startswith(POLICY_PAIRS)


class Change(NamedTuple):
    """A pair that differs between two versions.

    `relabelled`: the same two images, another category. `re-edited`: the same unsafe image, another safe one.
    `re-reviewed`: the same pair, another review. `moved`: the same pair in another split or group, which no release
    may do. `swapped`: the same pair with its members exchanged. `reworded`: the same pair and label, other words.

    A policy pair is added or removed, even where another pair has its image: an image has many of them. `swapped` is
    the same policy pair with its two policies exchanged.
    """

    kind: str
    old: Row | None
    new: Row | None

    @property
    def row(self) -> Row:
        row = self.new or self.old
        assert row
        return row

    def to_dict(self) -> dict[str, Any]:
        """Return the kind, the row, and in `was` the old values of the columns that changed."""
        found: dict[str, Any] = {"kind": self.kind, **self.row._asdict()}
        if self.old and self.new:
            now = self.new._asdict()
            found["was"] = {name: value for name, value in self.old._asdict().items() if value != now[name]}
        return found


class Difference(NamedTuple):
    """The difference between two versions.

    Attributes:
        old: The version compared from.
        new: The version compared to.
        changes: The pairs that differ.
        least: The smallest version after `old` that the difference allows.
        schema: Whether the columns differ. That needs a major version, as a removed pair does.
        taxonomy: How the taxonomies differ; None if they are equal.
        slugs: The categories, in the order of `new`.
        errata: The errata that the releases after `old`, up to `new`, brought.
        title: The names of both versions, with their numbers of pairs.
    """

    old: Version
    new: Version
    changes: list[Change]
    least: Version
    schema: bool = False
    taxonomy: TaxonomyDifference | None = None
    slugs: Sequence[str] = SLUGS
    errata: Sequence[dict[str, Any]] = ()
    title: str = ""

    def counts(self, *, of_policies: bool | None = None) -> dict[str, dict[str, int]]:
        """Category -> kind -> pairs, for categories in which anything changed.

        Args:
            of_policies: Count policy pairs alone (True), pairs of two images alone (False), or both (None).
        """
        rows = ((change.row, change.kind) for change in self.changes)
        counted = Counter((row.category, kind) for row, kind in rows if of_policies in (None, row.is_policy_pair))
        present = {category for category, _ in counted}
        order = [*(slug for slug in self.slugs if slug in present), *sorted(present.difference(self.slugs))]
        return {category: {kind: counted[category, kind] for kind in KINDS} for category in order}

    @property
    def allowed(self) -> bool | None:
        """Whether `new` is a large enough step; None if `new` is not after `old`, or if nothing changed."""
        return self.new >= self.least if self.differs and self.new > self.old else None

    @property
    def differs(self) -> bool:
        return bool(self.changes) or self.schema or self.taxonomy is not None

    def to_dict(self) -> dict[str, Any]:
        return {
            "from": str(self.old),
            "to": str(self.new),
            "least": str(self.least) if self.differs else None,
            "allowed": self.allowed,
            "counts": {kind: sum(change.kind == kind for change in self.changes) for kind in KINDS},
            "policy_pairs": {
                kind: sum(change.kind == kind and change.row.is_policy_pair for change in self.changes)
                for kind in KINDS
            },
            "schema_changed": self.schema,
            "taxonomy": self.taxonomy and self.taxonomy.to_dict(),
            "by_category": self.counts(),
            "pairs": [change.to_dict() for change in self.changes],
            "errata": list(self.errata),
        }

    def to_pandas(self) -> DataFrame:
        """Return a pandas table with a row for each pair that differs. Columns `was_...` hold the old values."""
        told = [change.to_dict() for change in self.changes]
        rows = [{**each, **{f"was_{name}": value for name, value in each.get("was", {}).items()}} for each in told]
        return frame(rows, ["kind", *Row._fields, *(f"was_{name}" for name in Row._fields if name != "pair_id")])

    def __str__(self) -> str:
        if not self.differs:
            return f"{self.title}: no pair differs"
        verdict = {None: f"{self.new} is not after {self.old}", True: f"{self.new} is large enough"}
        said = verdict.get(self.allowed, f"{self.new} is too small a step")
        columns = "the columns differ\n" if self.schema else ""
        if self.taxonomy:
            columns += f"the taxonomy differs: {self.taxonomy}\n"
        ending = f"{self._told_errata()}{columns}least version for this after {self.old}: {self.least}; {said}"
        if not self.changes:
            return f"{self.title}: no pair differs\n{ending}"
        images, policies = self.counts(of_policies=False), self.counts(of_policies=True)
        parts = [_table(self.title, images, [kind for kind in KINDS if kind not in _RARE])] if images else [self.title]
        if policies:  # none of them is relabelled, edited or reviewed
            parts.append(_table("policy pairs", policies, KINDS[:2]))
        return "\n".join([*parts, ending])

    def _repr_html_(self) -> str:
        return text_html(str(self))

    def _told_errata(self) -> str:
        """The first MOST_ERRATA of the errata, each on lines of its own."""
        lines = [f"{errata.told(each)}\n" for each in self.errata[:MOST_ERRATA]]
        more = len(self.errata) - len(lines)
        title = "errata between the two, with their versions:\n" if lines else ""
        return "".join([title, *lines, f"... and {more:,} more: see --json\n" if more else ""])


def diff(old: str | Edition, new: str | Edition) -> Difference:
    """Compare two versions of a dataset, or of two datasets, pair by pair.

    The manifests are compared part by part, so memory is that of one part plus the pairs that differ.

    Args:
        old: TARGET@X.Y.Z, TARGET for its newest version, or an open version.
        new: The same, for the version to compare with `old`.

    Returns:
        The pairs that differ, the errata between the two versions, and the least version that the difference allows.
        It prints as a table.

    Raises:
        VersionMismatch: There is no such version.
        SafetyPairsError: The dataset was not published by safetypairs, or its manifest cannot be read.
        HubUnavailable: The Hub did not answer, or refused the token.
    """
    old, new = (open_named(each) if isinstance(each, str) else each for each in (old, new))
    parts = -(-max(old.columns.rows, new.columns.rows) // PART_ROWS) or 1
    hashed = all("row_hash" in edition.columns.names for edition in (old, new))
    names = ("unsafe_sha256", "safe_sha256", *Row._fields, *(("row_hash",) if hashed else ()))
    corrected = [each for edition in (old, new) for each in edition.head.get("errata", ())]
    turned = pa.array(sorted(errata.swapped(corrected)), pa.string())  # its unsafe image changed: it may be in any part
    told = _Told(_reviewed_again(old, new), sorted(errata.reworded(corrected)))
    changes: list[Change] = []
    for part in range(parts):
        tables = (edition.columns.part(names, part, parts) for edition in (old, new))
        before, after = (table.filter(pc.invert(pc.is_in(table["pair_id"], turned))) for table in tables)
        changes += _changes(before, after, told)
    if len(turned):
        before, after = (edition.columns.of_pairs(names, turned) for edition in (old, new))
        changes += _changes(before, after, told)
    changed = other_taxonomy(old, new)
    found = _difference(changes, old.version, new.version, other_columns(old, new), changed, new.taxonomy.slugs)
    newer = max(old, new, key=lambda edition: edition.version)
    title = " to ".join(f"{each.name} ({counted(each.columns.rows, 'pair')})" for each in (old, new))
    between = errata.between(newer.head.get("errata", ()), old.version, new.version)
    return found._replace(errata=between, title=title)


def _table(title: str, counts: dict[str, dict[str, int]], usual: Sequence[str]) -> str:
    """A line for each category; the columns are the usual kinds, or those that there are where one is rare."""
    held = [kind for kind in KINDS if any(of[kind] for of in counts.values())]
    kinds = held if _RARE & set(held) else usual  # all would be too wide for a terminal
    rows = [[category, *(of[kind] for kind in kinds)] for category, of in counts.items()]
    if len(rows) > 1:
        rows.append(["all", *(sum(of[kind] for of in counts.values()) for kind in kinds)])
    return table(title, ("category", *kinds), rows)


def compare(
    before: pa.Table,
    after: pa.Table,
    old: Version,
    new: Version,
    schema: bool = False,
    taxonomy: TaxonomyDifference | None = None,
) -> Difference:
    """Compare two manifests. `schema` and `taxonomy` are as in `Difference`; see `diff`."""
    return _difference(list(_changes(before, after, _Told())), old, new, schema, taxonomy)


def other_columns(old: Edition, new: Edition) -> bool:
    """Return whether two versions have other columns, as far as their releases recorded them."""
    one, two = (edition.releases[-1].get("schema") if edition.releases else None for edition in (old, new))
    return None not in (one, two) and one != two


def other_taxonomy(old: Edition, new: Edition) -> TaxonomyDifference | None:
    """Return how the taxonomies of two versions differ; None if they are equal."""
    found = taxonomy_changes.diff(old.taxonomy, new.taxonomy)
    return None if found.step == NONE else found


def _reviewed_again(old: Edition, new: Edition) -> list[str]:
    """Return the ids of pairs whose reviews differ between the two versions."""
    one, two = old.reviews, new.reviews
    return [name for name in {**one, **two} if name not in one or not one[name].same(two.get(name))]


class _Told(NamedTuple):
    """Pair ids that a comparison of manifest rows cannot find: re-reviewed pairs, and pairs reworded by errata.

    A row hash may also differ for another reason, such as another `introduced` in two folders that were published
    separately, or another version of the taxonomy. Such a pair is not reworded.
    """

    reviewed: Sequence[str] = ()
    reworded: Sequence[str] = ()


def _changes(before: pa.Table, after: pa.Table, told: _Told) -> Iterator[Change]:
    gone = before.filter(pc.invert(pc.is_in(before["pair_id"], after["pair_id"])))
    came = after.filter(pc.invert(pc.is_in(after["pair_id"], before["pair_id"])))
    of_policies = [each.filter(_of_policies(each)) for each in (came, gone)]
    gone, came = (each.filter(pc.invert(_of_policies(each))) for each in (gone, came))
    relabelled, gone, came = _matched("relabelled", gone, came, ("unsafe_sha256", "safe_sha256"))
    edited, gone, came = _matched("re-edited", gone, came, ("unsafe_sha256",))
    yield from (Change("added", None, row) for rows in (came, of_policies[0]) for row in _rows(rows))
    yield from (Change("removed", row, None) for rows in (gone, of_policies[1]) for row in _rows(rows))
    yield from relabelled
    yield from edited
    yield from _kept(before, after, told)


def _difference(
    changes: list[Change],
    old: Version,
    new: Version,
    schema: bool,
    taxonomy: TaxonomyDifference | None,
    slugs: Sequence[str] = SLUGS,
) -> Difference:
    changes.sort(key=lambda change: (KINDS.index(change.kind), change.row.category, change.row.pair_id))
    kinds = Counter(change.kind for change in changes)
    broken = sum(kinds[kind] for kind in _BROKEN)
    other = taxonomy is not None and taxonomy.step == MAJOR
    smallest = least(old, kinds["added"] + (taxonomy is not None), broken + schema + other)
    return Difference(old, new, changes, smallest, schema, taxonomy, slugs)


def _matched(
    kind: str, gone: pa.Table, came: pa.Table, columns: Sequence[str]
) -> tuple[list[Change], pa.Table, pa.Table]:
    """Match removed rows to added rows with equal `columns`, one to one; return the matches and the unmatched rows."""
    waiting: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, key in enumerate(_keys(gone, columns)):
        waiting[key].append(index)
    pairs = [
        (waiting[key].pop(0), index) for index, key in enumerate(_keys(came, columns)) if waiting.get(key)
    ]  # in the order of the manifests, which makes the result deterministic
    olds, news = [old for old, _ in pairs], [new for _, new in pairs]
    rows = zip(_rows(gone.take(_indices(olds))), _rows(came.take(_indices(news))), strict=True)
    return [Change(kind, old, new) for old, new in rows], _without(gone, olds), _without(came, news)


def _kept(before: pa.Table, after: pa.Table, told: _Told) -> Iterator[Change]:
    """Yield pairs of both versions that were relabelled, swapped, re-reviewed, moved or reworded."""
    found = pc.index_in(after["pair_id"], before["pair_id"])
    both = pc.is_valid(found)
    then, now = before.take(found.filter(both)), after.filter(both)
    moved = pc.or_(pc.not_equal(then["split"], now["split"]), pc.not_equal(then["group"], now["group"]))
    other = pc.not_equal(then["category"], now["category"])
    of_policies = _of_policies(now)
    relabelled = pc.and_not(other, of_policies)
    swapped = pc.or_(pc.not_equal(then["unsafe_sha256"], now["unsafe_sha256"]), pc.and_(other, of_policies))
    again = pc.or_(
        pc.not_equal(then["review"], now["review"]), pc.is_in(now["pair_id"], pa.array(told.reviewed, pa.string()))
    )
    kinds = {"relabelled": relabelled, "swapped": swapped, "re-reviewed": again, "moved": moved}
    if told.reworded and "row_hash" in then.column_names and "row_hash" in now.column_names:
        named = pc.is_in(now["pair_id"], pa.array(told.reworded, pa.string()))
        other = pc.fill_null(pc.not_equal(then["row_hash"], now["row_hash"]), False)
        said = pc.or_(pc.or_(relabelled, swapped), pc.or_(again, moved))
        kinds["reworded"] = pc.and_not(pc.and_(named, other), said)
    for kind, differs in kinds.items():
        for old, new in zip(_rows(then.filter(differs)), _rows(now.filter(differs)), strict=True):
            yield Change(kind, old, new)


def _of_policies(rows: pa.Table) -> pa.ChunkedArray:
    """Which rows are policy pairs: those whose two members are one image."""
    return pc.equal(rows["unsafe_sha256"], rows["safe_sha256"])


def _keys(table: pa.Table, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(table[column].to_pylist() for column in columns), strict=True)


def _rows(table: pa.Table) -> Iterator[Row]:
    return map(Row, *(_texts(table[column]) for column in Row._fields))


def _texts(column: pa.ChunkedArray) -> list[str]:
    """Return the values of a column. Equal values share one object: categories and files repeat often."""
    seen: dict[str, str] = {}
    return [seen.setdefault(value, value) for value in column.to_pylist()]


def _indices(values: Sequence[int]) -> pa.Array:
    return pa.array(values, pa.int64())


def _without(table: pa.Table, indices: Sequence[int]) -> pa.Table:
    if not indices:
        return table
    places = pa.array(range(table.num_rows), pa.int64())
    return table.filter(pc.invert(pc.is_in(places, _indices(indices))))


MOST = 60  # pairs on a sheet at most


def draw(difference: Difference, old: Edition, new: Edition, path: Path, *, show_unsafe: bool = False) -> int:
    """Draw up to MOST changed pairs as one PNG file.

    A re-edited pair is drawn twice, before and after. Only data files that hold a drawn pair are fetched.

    Args:
        difference: The difference between `old` and `new`.
        old: The older version.
        new: The newer version.
        path: The PNG file to write.
        show_unsafe: Whether to show the unsafe members. By default they are blurred.

    Returns:
        The number of changes on the sheet. If it is 0, no file is written.

    Raises:
        SafetyPairsError: A data file cannot be read, or `path` cannot be written.
    """
    changes = difference.changes[:MOST]
    olds = _published(old, (change.old for change in changes if change.old and _shows_old(change)))
    news = _published(new, (change.new for change in changes if change.new))
    shown = [
        on_sheet(title, rows[row.pair_id], show_unsafe)
        for change in changes
        for title, row, rows in _members(change, olds, news)
    ]
    if shown:
        contact_sheet(shown, path)
    return len(changes)


def _shows_old(change: Change) -> bool:
    return change.new is None or change.kind == "re-edited"


def _members(
    change: Change, olds: dict[str, Any], news: dict[str, Any]
) -> Iterator[tuple[str, Row, dict[str, dict[str, Any]]]]:
    if change.old and _shows_old(change):
        yield f"{change.kind}{', was' if change.new else ''}: {change.old.category}", change.old, olds
    if change.new:
        was = f" (was {change.old.category})" if change.kind == "relabelled" and change.old else ""
        yield f"{change.kind}: {change.new.category}{was}", change.new, news


def _published(edition: Edition, rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    return published_rows(edition, {row.pair_id: row.file for row in rows})
