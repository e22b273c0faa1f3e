"""The pairs to review, from a finished run or a published version, with pictures that are read on demand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.building.run_reader import open_finished
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Judgement
from safetypairs_hf.core.run_folder import is_run, open_run
from safetypairs_hf.dataset.policy_pair_rows import ROOT as POLICY_PAIRS
from safetypairs_hf.dataset.store.open_store import open_named

if TYPE_CHECKING:
    from safetypairs_hf.building.run_reader import FinishedRun
    from safetypairs_hf.core.records import Candidate
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.taxonomy.categories import Taxonomy

CACHE = 256 << 20  # bytes of pictures that are kept in memory

_TEXTS = ("critical_feature", "instruction", "edit_box", "judges", "preservation")
_COLUMNS = ["pair_id", "unsafe_image", "safe_image", *_TEXTS]


class Listed(NamedTuple):
    """A pair, with the fields that the order and the figures of the review need.

    `place` is where its pictures are: a work unit of a run, a data file of a version.
    """

    pair_id: str
    category: str
    group: str
    judgements: Sequence[Judgement]
    place: int | str

    @property
    def margin(self) -> float | None:
        """The least convinced judge's confidence in the flip, in [-1, 1]; None if no judge was asked."""
        return min((judgement.margin for judgement in self.judgements), default=None)


@dataclass(frozen=True)
class Shown:
    """A pair as the page shows it: both encoded members, and the details that it shows after the blind answer.

    `edit_box` is x0, y0, x1, y1 in pixels, the last two exclusive; None if it is unknown.
    """

    pair_id: str
    unsafe: bytes = field(repr=False)
    safe: bytes = field(repr=False)
    critical_feature: str
    instruction: str
    edit_box: tuple[int, ...] | None
    judges: tuple[Judgement, ...]
    preservation: Mapping[str, Any] | None

    def details(self) -> dict[str, Any]:
        """Return all fields except the pictures, as JSON values."""
        values = {name: value for name, value in vars(self).items() if name not in ("unsafe", "safe")}
        return {**values, "judges": [judgement._asdict() for judgement in self.judges]}


@dataclass
class ReviewedPairs:
    """The reviewed run or version: its `name` as the user typed it, its pairs in their own order, and their taxonomy.

    `read` returns a pair, with other pairs that need no further reading. The last ones are cached, up to CACHE bytes.
    """

    name: str
    taxonomy: Taxonomy
    pairs: tuple[Listed, ...]
    read: Callable[[Listed], Iterable[Shown]] = field(repr=False)

    def __post_init__(self) -> None:
        self._by_id = {pair.pair_id: pair for pair in self.pairs}
        self._kept: OrderedDict[str, Shown] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._reading: dict[int | str, threading.Lock] = {}

    def __contains__(self, pair_id: str) -> bool:
        return pair_id in self._by_id

    def listed(self, pair_id: str) -> Listed:
        """Return a pair of the review by its id, which must be one."""
        return self._by_id[pair_id]

    def shown(self, pair_id: str) -> Shown:
        """Return a pair of the review with its pictures.

        Raises:
            SafetyPairsError: Its file is damaged, or cannot be read.
        """
        pair = self._by_id[pair_id]
        if found := self._recall(pair_id):
            return found
        with self._lock:
            alone = self._reading.setdefault(pair.place, threading.Lock())
        with alone:  # simultaneous requests for pictures of one place read it only once
            if found := self._recall(pair_id):
                return found
            answer = None
            for each in self.read(pair):
                if each.pair_id == pair_id:
                    answer = each
                elif each.pair_id in self._by_id:
                    self._keep(each)
            if answer is None:
                raise SafetyPairsError(
                    f"{self.name} does not hold the images of pair {pair_id}; see: safetypairs verify"
                )
            self._keep(answer)
            return answer

    def _recall(self, pair_id: str) -> Shown | None:
        with self._lock:
            if pair_id in self._kept:
                self._kept.move_to_end(pair_id)
            return self._kept.get(pair_id)

    def _keep(self, shown: Shown) -> None:
        with self._lock:
            if shown.pair_id not in self._kept:
                self._kept[shown.pair_id] = shown
                self._size += _size(shown)
            while self._size > CACHE and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                self._size -= _size(gone)


def open_reviewed(what: str) -> ReviewedPairs:
    """Open RUN or TARGET[@VERSION] for review. Policy pairs are left out, because both members are one image.

    Raises:
        SafetyPairsError: There is no such run or version, the run is not finished, or it has no pair.
    """
    found = _of_run(what, open_finished(open_run(what))) if is_run(what) else _of_edition(open_named(what))
    if not found.pairs:
        see = f"; see: safetypairs status {what}" if is_run(what) else ""
        raise SafetyPairsError(f"{what} has no pair of two images to review{see}")
    return found


def listed_of(run: FinishedRun) -> tuple[Listed, ...]:
    """Return the pairs of two images that a finished run selected, in the order of the draw. No picture is read."""
    judged = {pair_id: (unit, judgements) for unit, pair_id, judgements in run.judged()}
    pairs = []
    for drawn in run.drawn:
        if drawn.entrant.identity.is_policy_pair:
            continue
        pair_id = drawn.entrant.identity.pair_id
        unit, judgements = judged[pair_id]
        pairs.append(Listed(pair_id, drawn.entrant.category, drawn.group, judgements, unit))
    return tuple(pairs)


def _of_run(name: str, run: FinishedRun) -> ReviewedPairs:
    def read(pair: Listed) -> Iterable[Shown]:
        return (_of_candidate(candidate) for candidate in run.unit(int(pair.place)) if candidate.identity)

    return ReviewedPairs(name, run.taxonomy, listed_of(run), read)


def _of_candidate(candidate: Candidate) -> Shown:
    assert candidate.identity and candidate.safe and candidate.instruction
    return Shown(
        candidate.identity.pair_id,
        candidate.unsafe.data,
        candidate.safe.data,
        candidate.instruction.critical_feature or "",
        candidate.instruction.text or "",
        candidate.edit_box and tuple(candidate.edit_box),
        tuple(candidate.judgements),
        candidate.preservation and candidate.preservation.to_dict(),
    )


def _of_edition(edition: Edition) -> ReviewedPairs:
    table = edition.table
    names = ("pair_id", "category", "group", "file")
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    entries = [row for row in rows if not row[3].startswith(POLICY_PAIRS)]
    of_file: dict[str, list[str]] = {}
    for pair_id, _, _, file in entries:
        of_file.setdefault(file, []).append(pair_id)
    judged: dict[str, list[Judgement]] = {}
    for file, held in of_file.items():
        for row in edition.rows(file, held, ["pair_id", "judges"]):
            judged[row["pair_id"]] = [Judgement(**said) for said in row["judges"] or ()]
    pairs = (Listed(name, slug, group, judged.get(name, []), file) for name, slug, group, file in entries)

    def read(pair: Listed) -> Iterable[Shown]:
        return map(_of_row, edition.rows(str(pair.place), [pair.pair_id], _COLUMNS))

    return ReviewedPairs(edition.name, edition.taxonomy, tuple(pairs), read)


def _of_row(row: Mapping[str, Any]) -> Shown:
    return Shown(
        row["pair_id"],
        row["unsafe_image"]["bytes"],
        row["safe_image"]["bytes"],
        row["critical_feature"] or "",
        row["instruction"] or "",
        row["edit_box"] and tuple(row["edit_box"]),
        tuple(Judgement(**said) for said in row["judges"] or ()),
        row["preservation"],
    )


def _size(shown: Shown) -> int:
    return len(shown.unsafe) + len(shown.safe)
