"""Find near-duplicates by PDQ hash, and assign pairs to the groups and splits that near-duplicates share.

Grouping, takedowns and hash lists use the same index, so the definition of a near-duplicate is in this module alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from safetypairs_hf.core.ids import unit_interval
from safetypairs_hf.core.records import Identity, Reject

TAKEN_DOWN = "taken_down"  # the reject reason of a pair that was taken down

NEAR_BITS = 31  # of 256: the largest distance of near-duplicates, unless a recipe sets another (Meta, 2019)

_BANDS, _WIDTH = 16, 16  # the number of bands of a hash, and the bits of a band
# With two free bits, a band has 137 keys to look up. From there on, a comparison with all hashes is as fast.
_MOST_FREE = 1
_PENDING_SHARE = 32


class NearIndex:
    """Finds all hashes within a distance of `bits` from a given hash of 256 bits. Hashes are numbered in order.

    Two hashes within `bits` agree, up to `bits // 16` bits, in at least one of their 16 bands. The index is two arrays:
    for each band the numbers of all hashes sorted by key, and the start of each key. Indexing sorts all hashes, so the
    latest hashes are first compared directly, and are indexed together later.

    Args:
        bits: The largest distance to find, in [0, 256].
        scan_below: Below this number of hashes, all are compared directly, because that is faster than look-ups.
        pending: How many hashes may wait to be indexed. A 32nd of the indexed hashes may wait if that is more.
    """

    def __init__(self, bits: int, *, scan_below: int = 4096, pending: int = 1024) -> None:
        self.bits = bits
        self._scan_below, self._pending = scan_below, pending
        self._words: NDArray[np.uint64] = np.zeros((64, 4), np.uint64)
        self._size = 0
        free = bits // _BANDS
        self._masks = _masks(free) if 0 <= free <= _MOST_FREE else None
        self._indexed = 0
        self._numbers = np.zeros((_BANDS, 0), np.uint32)
        self._starts = np.zeros(0, np.uint32)  # 4 MB after the first indexing

    def __len__(self) -> int:
        return self._size

    def add(self, phash: bytes) -> None:
        """Add one hash of 32 bytes. Its number is the previous length of the index."""
        if self._size == len(self._words):
            self._words = np.concatenate([self._words, np.zeros_like(self._words)])
        self._words[self._size] = np.frombuffer(phash, np.uint64)
        self._size += 1

    def extend(self, hashes: Iterable[bytes]) -> None:
        """Add many hashes of 32 bytes at once."""
        added = np.frombuffer(b"".join(hashes), np.uint64).reshape(-1, 4)
        if self._size + len(added) > len(self._words):
            self._words = np.concatenate([self._words[: self._size], added])
        else:
            self._words[self._size : self._size + len(added)] = added
        self._size += len(added)

    def near(self, phash: bytes) -> list[int]:
        """Return the numbers of all hashes within `bits` of this one, in rising order."""
        words = np.frombuffer(phash, np.uint64)
        if self._masks is None or self._size < self._scan_below:
            few: list[int] = self._close(words, self._words[: self._size]).tolist()
            return few
        if not self._indexed or self._size - self._indexed > max(self._pending, self._indexed // _PENDING_SHARE):
            self._index()
        candidates = self._candidates(phash, self._masks)
        found = candidates[self._close(words, self._words[candidates])]  # a hash may agree in several bands
        last = self._indexed + self._close(words, self._words[self._indexed : self._size])
        return [*np.unique(found).tolist(), *last.tolist()]

    def _close(self, words: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the positions of those of `others` that are within `bits`."""
        return np.flatnonzero(np.bitwise_count(others ^ words).sum(axis=1) <= self.bits)

    def _candidates(self, phash: bytes, masks: NDArray[np.uint16]) -> NDArray[np.uint32]:
        """Return the numbers of the indexed hashes that agree with this one in a band, up to the free bits."""
        keys = (np.frombuffer(phash, np.uint16)[:, None] ^ masks).astype(np.int64)
        keys = (keys + (np.arange(_BANDS, dtype=np.int64)[:, None] << _WIDTH)).ravel()
        starts = self._starts[keys].astype(np.int64)
        counts = self._starts[keys + 1] - starts
        ends = counts.cumsum()
        places = np.arange(ends[-1]) + np.repeat(starts - ends + counts, counts)  # the runs of the keys, concatenated
        candidates: NDArray[np.uint32] = self._numbers.ravel()[places]
        return candidates

    def _index(self) -> None:
        bands = np.ascontiguousarray(self._words[: self._size]).view(np.uint16).T
        if not self._indexed:
            self._starts = np.zeros((_BANDS << _WIDTH) + 1, np.uint32)
        self._numbers = np.empty((_BANDS, self._size), np.uint32)
        each_band = zip(bands, self._numbers, self._starts[1:].reshape(_BANDS, -1), strict=True)
        for band, numbers, counts in each_band:
            numbers[:] = np.argsort(band, kind="stable")
            counts[:] = np.bincount(band, minlength=1 << _WIDTH)
        np.cumsum(self._starts, dtype=np.uint32, out=self._starts)
        self._indexed = self._size


def _masks(free: int) -> NDArray[np.uint16]:
    """Return every mask that flips up to `free` bits of a band."""
    flips = [sum(1 << bit for bit in chosen) for count in range(free + 1) for chosen in combinations(range(16), count)]
    return np.array(flips, np.uint16)


def split_of(group: str, test_fraction: float) -> str:
    """Return "test" for a share `test_fraction` of all groups, else "train", as a pure function of the arguments."""
    return "test" if unit_interval(group) < test_fraction else "train"


class Groups:
    """Places pairs in order: each joins the group of the pairs that it is close to, or founds a group.

    Two pairs are close if they belong to one family, or if a member of one is within `bits` of 256 of a member of the
    other by PDQ hash. A placed pair never moves, so pairs that are placed later do not change earlier ones.

    Args:
        bits: The largest distance between near-duplicates, in [0, 256].
        test_fraction: The share of new groups that go to the split "test", in [0, 1].
    """

    def __init__(self, bits: int, test_fraction: float) -> None:
        self.test_fraction = test_fraction
        self._hashes = NearIndex(bits)
        self._groups: list[str | None] = []  # the group of each of _hashes; None for a pair that was taken down
        self._taken_down = set[str]()  # pair ids and file hashes
        self._splits: dict[str, str] = {}
        self._families: dict[str, str] = {}
        self._test_families = set[str]()
        self._pairs: set[str] = set()

    def __contains__(self, pair_id: str) -> bool:
        return pair_id in self._pairs

    def add(self, identity: Identity, group: str, split: str) -> None:
        """Add a pair whose group and split are known, such as a published pair."""
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
        """Add a pair that was taken down: `place` then refuses it, and every near-duplicate of a member of it."""
        self._taken_down |= {identity.pair_id, identity.unsafe_sha256, identity.safe_sha256}
        for phash in (identity.unsafe_phash, identity.safe_phash):
            self._hashes.add(phash)
            self._groups.append(None)

    def is_taken_down(self, identity: Identity) -> bool:
        """Return whether the pair, or a near-duplicate of a member of it, was taken down."""
        return self._knows(identity) or None in self._near(identity)

    def keeps_from_train(self, sha256: str, phash: bytes, family: str) -> bool:
        """Return whether an image must not be published for training.

        This is so if the image or a near-duplicate of it was taken down, if it is a near-duplicate of a member of a
        test pair, or if it belongs to the family of a test pair.

        Args:
            sha256: The SHA-256 (hex) of the image's file.
            phash: The PDQ hash of the image, 32 bytes.
            family: The family of the image; "" if it has none.
        """
        if sha256 in self._taken_down or (family and family in self._test_families):
            return True
        near = (self._groups[number] for number in self._hashes.near(phash))
        return any(group is None or self._splits[group] == "test" for group in near)

    def place(self, identity: Identity, split: str = "") -> tuple[str, str] | Reject:
        """Place a new pair.

        Args:
            identity: The identity of the pair.
            split: The split that its source states, or "". A group that the pair founds gets this split; an existing
                group keeps its own.

        Returns:
            The group and the split of the pair, or a Reject if it cannot be placed.
        """
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
        split = self._splits.get(group) or split or split_of(group, self.test_fraction)
        self.add(identity, group, split)
        return group, split

    def _knows(self, identity: Identity) -> bool:
        """Return whether this exact pair, or an exact file of it, was taken down."""
        return not self._taken_down.isdisjoint((identity.pair_id, identity.unsafe_sha256, identity.safe_sha256))

    def _near(self, identity: Identity) -> list[str | None]:
        """Return the group of each hash that is close to a member of the pair, oldest first."""
        found = {
            number for phash in (identity.unsafe_phash, identity.safe_phash) for number in self._hashes.near(phash)
        }
        return [self._groups[number] for number in sorted(found)]
