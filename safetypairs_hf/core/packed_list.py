"""A list of many small records in a tenth of the memory: the records are pickled and compressed in blocks."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

Record = TypeVar("Record")

_BLOCK = 256  # records per block
_KEPT = 2  # unpacked blocks that are kept, so that two readers can read the list in turn


class PackedList(Sequence[Record], Generic[Record]):
    """An append-only list of records that do not change.

    As Python objects, a record of some names and hashes takes a kilobyte; here it takes a tenth of that. Iteration
    unpacks each block once. Random access is slow: indexing unpacks the block of the record, and only the last two
    blocks are kept. Nothing may be added during iteration.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._blocks: list[bytes] = []
        self._last: list[Record] = []  # the end of the list, shorter than a block
        self._read: dict[int, list[Record]] = {}  # the last blocks that were unpacked, by number
        self.extend(records)

    def append(self, record: Record) -> None:
        self._last.append(record)
        if len(self._last) == _BLOCK:
            self._blocks.append(zlib.compress(pickle.dumps(self._last, pickle.HIGHEST_PROTOCOL), 1))
            self._last = []

    def extend(self, records: Iterable[Record]) -> None:
        for record in records:
            self.append(record)

    def __len__(self) -> int:
        return len(self._blocks) * _BLOCK + len(self._last)

    def __iter__(self) -> Iterator[Record]:
        for number in range(len(self._blocks)):
            yield from _unpack(self._blocks[number])
        yield from self._last

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        if isinstance(place, slice):
            return [self._at(each) for each in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"place {place} of a list of {len(self)}")
        return self._at(place % len(self))

    def _at(self, place: int) -> Record:
        number, within = divmod(place, _BLOCK)
        if number == len(self._blocks):
            return self._last[within]
        block = self._read.get(number)
        if block is None:
            block = _unpack(self._blocks[number])
            self._read = dict([*self._read.items(), (number, block)][-_KEPT:])  # a new dict: other threads may read it
        return block[within]


def _unpack(block: bytes) -> list[Any]:
    found: list[Any] = pickle.loads(zlib.decompress(block))
    return found
