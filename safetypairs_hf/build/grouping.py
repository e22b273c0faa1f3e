"""Near-duplicate groups and the splits they decide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safetypairs_hf.build.ids import unit_interval
from safetypairs_hf.records import Hashes, Reject


def split_of(group: str, test_fraction: float) -> str:
    """ "test" for a share `test_fraction` of all groups, else "train"; a pure function of its arguments."""
    return "test" if unit_interval(group) < test_fraction else "train"


class Groups:
    """Places pairs one by one: each joins the group of the pairs that it nearly duplicates, or founds its own.

    Two pairs are near-duplicates if any member of one is within `bits` of 256 of any member of the other by PDQ hash.
    What is placed never moves, so placing more pairs later changes nothing about the earlier ones. A look-up compares
    with all that is placed: 2 microseconds for each thousand pairs.
    """

    def __init__(self, bits: int, test_fraction: float) -> None:
        self.bits = bits
        self.test_fraction = test_fraction
        self._words: NDArray[np.uint64] = np.zeros((64, 4), np.uint64)
        self._groups: list[str] = []
        self._splits: dict[str, str] = {}
        self._pairs: set[str] = set()

    def __contains__(self, pair_id: str) -> bool:
        return pair_id in self._pairs

    def add(self, hashes: Hashes, group: str, split: str) -> None:
        """Put down a pair whose place is known: a published one."""
        self._splits.setdefault(group, split)
        self._pairs.add(hashes.pair_id)
        for phash in (hashes.unsafe_phash, hashes.safe_phash):
            if len(self._groups) == len(self._words):
                self._words = np.concatenate([self._words, np.zeros_like(self._words)])
            self._words[len(self._groups)] = np.frombuffer(phash, np.uint64)
            self._groups.append(group)

    def place(self, hashes: Hashes) -> tuple[str, str] | Reject:
        """The (group, split) of a new pair, which is then placed; or a Reject, and it is not."""
        if hashes.pair_id in self:
            return Reject("select", "duplicate", f"pair {hashes.pair_id} is there already")
        near = self._near(hashes)
        if len({self._splits[group] for group in near}) > 1:
            return Reject("select", "bridges_two_splits", f"near-duplicate of groups {', '.join(near[:5])}")
        group = near[0] if near else hashes.pair_id
        split = self._splits.get(group) or split_of(group, self.test_fraction)
        self.add(hashes, group, split)
        return group, split

    def _near(self, hashes: Hashes) -> list[str]:
        """The groups within reach, oldest first."""
        words = self._words[: len(self._groups)]
        found: set[int] = set()
        for phash in (hashes.unsafe_phash, hashes.safe_phash):
            distance = np.bitwise_count(words ^ np.frombuffer(phash, np.uint64)).sum(axis=1)
            found.update(np.flatnonzero(distance <= self.bits).tolist())
        return list(dict.fromkeys(self._groups[index] for index in sorted(found)))
