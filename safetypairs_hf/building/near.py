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
# The last ones wait to be indexed together, as that sorts all: so many, or that share of the indexed ones.
_LAST, _LAST_SHARE = 1024, 32


class NearIndex:
    """Hashes of 32 bytes, numbered in the order in which they were added.

    The index is two arrays: the numbers of all hashes sorted by key, once for each band, and where each key begins.
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._words: NDArray[np.uint64] = np.zeros((64, 4), np.uint64)
        self._size = 0
        free = bits // _BANDS
        self._masks = _masks(free) if free <= _MOST_FREE else None
        self._indexed = 0
        self._numbers = np.zeros(0, np.uint32)
        self._starts = np.zeros((_BANDS << _WIDTH) + 1, np.int64)

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
            few: list[int] = self._close(words, self._words[: self._size]).tolist()
            return few
        if self._size - self._indexed > max(_LAST, self._indexed // _LAST_SHARE):
            self._index()
        alike = self._alike(phash, self._masks)
        found = alike[self._close(words, self._words[alike])]  # one that agrees in two bands is there twice
        last = self._indexed + self._close(words, self._words[self._indexed : self._size])
        return [*np.unique(found).tolist(), *last.tolist()]

    def _close(self, words: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The places of those of `others` that are within `bits`."""
        return np.flatnonzero(np.bitwise_count(others ^ words).sum(axis=1) <= self.bits)

    def _alike(self, phash: bytes, masks: NDArray[np.uint16]) -> NDArray[np.uint32]:
        """The numbers of the indexed hashes that agree with this one in a band, up to the free bits."""
        keys = (np.frombuffer(phash, np.uint16)[:, None] ^ masks).astype(np.int64)
        keys = (keys + (np.arange(_BANDS, dtype=np.int64)[:, None] << _WIDTH)).ravel()
        starts = self._starts[keys]
        counts = self._starts[keys + 1] - starts
        ends = counts.cumsum()
        places = np.arange(ends[-1]) + np.repeat(starts - ends + counts, counts)  # the keys' runs, one after another
        alike: NDArray[np.uint32] = self._numbers[places]
        return alike

    def _index(self) -> None:
        bands = np.ascontiguousarray(self._words[: self._size]).view(np.uint16).T
        self._numbers = np.concatenate([np.argsort(band, kind="stable").astype(np.uint32) for band in bands])
        counts = np.concatenate([np.bincount(band, minlength=1 << _WIDTH) for band in bands])
        np.cumsum(counts, out=self._starts[1:])
        self._indexed = self._size


def _masks(free: int) -> NDArray[np.uint16]:
    """Every way to flip up to `free` bits of a band."""
    flips = [sum(1 << bit for bit in chosen) for count in range(free + 1) for chosen in combinations(range(16), count)]
    return np.array(flips, np.uint16)
