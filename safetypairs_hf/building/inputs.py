"""The inputs of a run and their places, so that a folder can gain images without starting another run.

A work unit takes its sources by place. So an input keeps its place for as long as the run exists, whatever comes before
it in the folder, and new inputs get places in new units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import ne
from typing import NamedTuple

from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.packed_list import PackedList
from safetypairs_hf.core.records import Input, ListedSource, Source
from safetypairs_hf.core.run_folder import RunFolder

PLACES = "source/inputs.json"
_NAMED = 5  # inputs that a message names at most

Places = Sequence[Input | None]


class _Lost(NamedTuple):
    """An input that was used and has changed or disappeared."""

    name: str
    how: str


@dataclass(frozen=True)
class Inputs:
    """The inputs of a run, compared with the current inputs of its source.

    Args:
        source: The source; every input has its place.
        before: The recorded places; None if the run has none.
        after: The places to record. A place may be empty: its input disappeared before it was used, or the unit was not
            full.
        lost: The inputs that were used and then changed or disappeared, in the order of their places.
        categories: The categories of the inputs that were added, changed or removed. Inputs whose category a judge
            decides add none.
    """

    source: Source
    before: Places | None
    after: Places
    lost: tuple[_Lost, ...]
    categories: frozenset[str]

    @property
    def changed(self) -> bool:
        """Whether there is something to record."""
        before, after = self.before, self.after
        return before is None or len(before) != len(after) or any(map(ne, before, after))

    def check(self, run: RunFolder) -> None:
        """Refuse to continue a run whose used inputs changed.

        Raises:
            RunError: Inputs that the run used changed or disappeared, or the record of them is missing.
        """
        if self.before is None and any(name.startswith("source/part-") for name in run.files()):
            raise RunError(f"{run.url}/{PLACES} is missing, but units were made; restore it, or name another --out")
        if self.lost:
            named = ", ".join(f"{each.name} ({each.how})" for each in self.lost[:_NAMED])
            more = f" and {len(self.lost) - _NAMED:,} more" if len(self.lost) > _NAMED else ""
            raise RunError(
                f"{run.url} used inputs of which {len(self.lost):,} changed or disappeared: {named}{more}; restore "
                "them, or name another --out"
            )

    def write(self, run: RunFolder) -> None:
        """Record the places."""
        run.write_json_list(PLACES, (None if each is None else each._asdict() for each in self.after))


def inputs_of(run: RunFolder, source: Source, unit_size: int) -> Inputs | None:
    """Give every input of a source its place in a run. Return None for a source that does not list its inputs.

    Known inputs keep their places. An input that no finished unit used may change; if it disappeared, its place stays
    empty. New inputs come after all others, from the start of a unit, in the order of the source.
    """
    if not isinstance(source, ListedSource):
        return None
    before = _read(run)
    known = before or PackedList[Input | None]()
    seen = source.in_places([each and each.name for each in known]) if known else source
    listed = seen.inputs()
    now = {each.name: number for number, each in enumerate(listed)}
    unusable = {name for name, reject in seen.rejected_inputs() if reject.reason != "missing_file"}
    after = PackedList[Input | None]()
    lost, moved = [], set[str]()
    for place, old in enumerate(known):
        number = now.pop(old.name, None) if old else None
        new = None if number is None else listed[number]
        after.append(new)
        if old is not None and new != old:
            moved.update({old.category} if new is None else {old.category, new.category})
            if run.has(run.part("source", place // unit_size)):
                lost.append(_Lost(old.name, "changed" if new or old.name in unusable else "gone"))
    if now and known:
        after.extend([None] * (-len(after) % unit_size))
    for number in now.values():
        after.append(listed[number])
        moved.add(listed[number].category)
    placed = seen.in_places([each and each.name for each in after])
    return Inputs(placed, before, after, tuple(lost), frozenset(moved))


def _read(run: RunFolder) -> PackedList[Input | None] | None:
    if not run.has(PLACES):
        return None
    with reading(f"{run.url}/{PLACES}", "restore it, or name another --out", RunError):
        return PackedList(_inputs(run.read_json(PLACES)))


def _inputs(recorded: Sequence[dict[str, str] | None]) -> Iterator[Input | None]:
    for each in recorded:
        yield None if each is None else Input(**each)
