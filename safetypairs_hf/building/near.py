"""Which of very many 256-bit hashes are within some bits of a given one: exact, and without comparing with them all.

Multi-index hashing (Norouzi, Punjani and Fleet, 2012): of 16 bands of 16 bits, two hashes within `bits` of each other
differ by at most `bits // 16` bits in at least one band. So the hashes that agree with the given one in a band, up to
so many bits, are all that need comparing.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

_BANDS, _WIDTH = 16, 16
# With two bits of a band free there are 137 keys a band to look up: from there on, comparing with all is as fast.
_MOST_FREE = 1
# Below so many hashes, comparing with all of them takes less time than the look-ups.
_FEW = 4096


class NearIndex:
    """Hashes of 32 bytes, numbered in the order in which they were added."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._words: NDArray[np.uint64] = np.zeros((64, 4), np.uint64)
        self._size = 0
        free = bits // _BANDS
        self._masks = _masks(free) if free <= _MOST_FREE else None
        self._indexed = 0
        self._buckets: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return self._size

    def add(self, phash: bytes) -> None:
        if self._size == len(self._words):
            self._words = np.concatenate([self._words, np.zeros_like(self._words)])
        self._words[self._size] = np.frombuffer(phash, np.uint64)
        self._size += 1

    def near(self, phash: bytes) -> list[int]:
        """The numbers of all that are within `bits`, rising."""
        words = np.frombuffer(phash, np.uint64)
        if self._masks is None or self._size < _FEW:
            return self._within(words, None)
        self._index()
        keys = np.frombuffer(phash, np.uint16)[:, None] ^ self._masks
        keys = keys.astype(np.int64) + (np.arange(_BANDS, dtype=np.int64) << _WIDTH)[:, None]
        found: set[int] = set()
        for key in keys.ravel().tolist():
            found.update(self._buckets.get(key, ()))
        return self._within(words, np.fromiter(sorted(found), np.int64, len(found)))

    def _within(self, words: NDArray[np.uint64], numbers: NDArray[np.int64] | None) -> list[int]:
        others = self._words[: self._size] if numbers is None else self._words[numbers]
        close = np.flatnonzero(np.bitwise_count(others ^ words).sum(axis=1) <= self.bits)
        kept: list[int] = (close if numbers is None else numbers[close]).tolist()
        return kept

    def _index(self) -> None:
        """Put the hashes that came since the last look into their buckets, one a band."""
        if self._indexed == self._size:
            return
        new = np.ascontiguousarray(self._words[self._indexed : self._size]).view(np.uint16).astype(np.int64)
        keys = (new + (np.arange(_BANDS, dtype=np.int64) << _WIDTH)).tolist()
        for number, row in enumerate(keys, self._indexed):
            for key in row:
                self._buckets.setdefault(key, []).append(number)
        self._indexed = self._size


def _masks(free: int) -> NDArray[np.uint16]:
    """Every way to flip up to `free` bits of a band."""
    flips = [sum(1 << bit for bit in chosen) for count in range(free + 1) for chosen in combinations(range(16), count)]
    return np.array(flips, np.uint16)
