"""Groups of pairs that are close to each other, and the splits that they decide."""

from __future__ import annotations

from safetypairs_hf.building.ids import unit_interval
from safetypairs_hf.building.near import NearIndex
from safetypairs_hf.records import Identity, Reject


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
        self._groups: list[str] = []  # of each of _hashes
        self._splits: dict[str, str] = {}
        self._families: dict[str, str] = {}
        self._pairs: set[str] = set()

    def __contains__(self, pair_id: str) -> bool:
        return pair_id in self._pairs

    def add(self, identity: Identity, group: str, split: str) -> None:
        """Put down a pair whose place is known: a published one."""
        self._splits.setdefault(group, split)
        self._pairs.add(identity.pair_id)
        if identity.family:
            self._families.setdefault(identity.family, group)
        for phash in (identity.unsafe_phash, identity.safe_phash):
            self._hashes.add(phash)
            self._groups.append(group)

    def place(self, identity: Identity) -> tuple[str, str] | Reject:
        """The (group, split) of a new pair, which is then placed; or a Reject, and it is not."""
        if identity.pair_id in self:
            return Reject("select", "duplicate", f"pair {identity.pair_id} is there already")
        close = self._close(identity)
        if len({self._splits[group] for group in close}) > 1:
            return Reject("select", "bridges_two_splits", f"close to groups {', '.join(close[:5])}")
        group = close[0] if close else identity.pair_id
        split = self._splits.get(group) or split_of(group, self.test_fraction)
        self.add(identity, group, split)
        return group, split

    def _close(self, identity: Identity) -> list[str]:
        """The groups that the pair is close to: its family's first, then the oldest."""
        found = {
            number for phash in (identity.unsafe_phash, identity.safe_phash) for number in self._hashes.near(phash)
        }
        family = self._families.get(identity.family)
        near = [self._groups[index] for index in sorted(found)]
        return list(dict.fromkeys([family, *near] if family else near))
