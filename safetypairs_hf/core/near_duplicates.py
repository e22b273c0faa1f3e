"""Groups of pairs that are close to each other, and the splits that they decide."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from safetypairs_hf.core.ids import unit_interval
from safetypairs_hf.core.records import Identity, Reject

TAKEN_DOWN = "taken_down"  # the reason with which a pair is left out because it was taken down


def split_of(group: str, test_fraction: float) -> str:
    """ "test" for a share `test_fraction` of all groups, else "train"; a pure function of its arguments."""
    return "test" if unit_interval(group) < test_fraction else "train"


class Groups:
    """Places pairs one by one: each joins the group of the pairs that it is close to, or founds its own.

    Two pairs are close if they are of one family, or if any member of one is within `bits` of 256 of any member of the
    other by PDQ hash. What is placed never moves, so placing more pairs later changes nothing about the earlier ones.
    """

    def __init__(self, bits: int, test_fraction: float) -> None:
        self.test_fraction = test_fraction
        self._hashes = NearIndex(bits)
        self._groups: list[str | None] = []  # the group of each of _hashes; None: it was taken down
        self._taken_down = set[str]()  # pair ids and file hashes
        self._splits: dict[str, str] = {}
        self._families: dict[str, str] = {}
        self._test_families = set[str]()
        self._pairs: set[str] = set()

    def __contains__(self, pair_id: str) -> bool:
        return pair_id in self._pairs

    def add(self, identity: Identity, group: str, split: str) -> None:
        """Put down a pair whose place is known: a published one."""
        self._splits.setdefault(group, split)
        self._pairs.add(identity.pair_id)
        if identity.family:
            self._families.setdefault(identity.family, group)
            if split == "test":
                self._test_families.add(identity.family)
        for phash in (identity.unsafe_phash, identity.safe_phash):
            self._hashes.add(phash)
            self._groups.append(group)

    def take_down(self, identity: Identity) -> None:
        """Put down a pair that was taken down: from then on neither it nor what looks like a member of it is placed."""
        self._taken_down |= {identity.pair_id, identity.unsafe_sha256, identity.safe_sha256}
        for phash in (identity.unsafe_phash, identity.safe_phash):
            self._hashes.add(phash)
            self._groups.append(None)

    def is_taken_down(self, identity: Identity) -> bool:
        """Whether the pair, or anything that looks like a member of it, was taken down."""
        return self._knows(identity) or None in self._near(identity)

    def keeps_from_train(self, sha256: str, phash: bytes, family: str) -> bool:
        """Whether an image may not be published for training.

        That is where it, or an image that looks like it, was taken down, and where it is a near-duplicate of a member
        of a test pair, or of the family of one.
        """
        if sha256 in self._taken_down or (family and family in self._test_families):
            return True
        near = (self._groups[number] for number in self._hashes.near(phash))
        return any(group is None or self._splits[group] == "test" for group in near)

    def place(self, identity: Identity) -> tuple[str, str] | Reject:
        """Place a new pair: its (group, split), or a Reject, and then it is not placed."""
        if identity.pair_id in self:
            return Reject("select", "duplicate", f"pair {identity.pair_id} is there already")
        near = self._near(identity)
        if self._knows(identity) or None in near:
            return Reject("select", TAKEN_DOWN, "it, or an image that looks like a member of it, was taken down")
        family = self._families.get(identity.family)
        close = list(dict.fromkeys(group for group in (family, *near) if group is not None))
        if len({self._splits[group] for group in close}) > 1:
            return Reject("select", "bridges_two_splits", f"close to groups {', '.join(close[:5])}")
        group = close[0] if close else identity.pair_id
        split = self._splits.get(group) or split_of(group, self.test_fraction)
        self.add(identity, group, split)
        return group, split

    def _knows(self, identity: Identity) -> bool:
        """Whether the very pair, or a very file of it, was taken down."""
        return not self._taken_down.isdisjoint((identity.pair_id, identity.unsafe_sha256, identity.safe_sha256))

    def _near(self, identity: Identity) -> list[str | None]:
        """The group of each hash that is close to a member of the pair, oldest first."""
        found = {
            number for phash in (identity.unsafe_phash, identity.safe_phash) for number in self._hashes.near(phash)
        }
        return [self._groups[number] for number in sorted(found)]


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
