"""Select the pairs of an import: every pair in source order, except those that share a file with an earlier pair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from safetypairs_hf.building.selection import Draw, Entrant, Selected, Selection
from safetypairs_hf.core.ids import content_id
from safetypairs_hf.core.near_duplicates import Groups
from safetypairs_hf.core.packed_list import PackedList
from safetypairs_hf.core.records import Reject


@dataclass(frozen=True)
class EveryPair(Selection):
    """Takes every pair that can be assigned a split. An image is in at most one pair of a category.

    Policy pairs are exempt: an image may be in one for each two policies that disagree about it.
    """

    def draw(self, entrants: Iterable[Entrant], pairs: int, categories: Sequence[str]) -> Draw:
        groups = Groups(self.near_duplicate_bits, self.test_fraction)
        decided = PackedList[Selected]()
        drawn = 0
        places: dict[int, int] = {}  # file of a category -> the index in `decided` of the pair that has it
        for entrant in entrants:
            identity = entrant.identity
            names = () if identity.is_policy_pair else (identity.unsafe_sha256, identity.safe_sha256)
            files = [_number(entrant.category, name) for name in names]
            place = next((places[each] for each in files if each in places), None)
            other = identity.pair_id if place is None else decided[place].entrant.identity.pair_id
            if other != identity.pair_id:
                why = Reject("select", "image_in_two_pairs", f"a member is in pair {other} too")
                decided.append(Selected(entrant, reject=why))
                continue
            group = groups.place(identity, entrant.split)
            if isinstance(group, Reject):
                decided.append(Selected(entrant, reject=group))
                continue
            places.update(dict.fromkeys(files, len(decided)))
            decided.append(Selected(entrant, *group))
            drawn += 1
        return Draw(decided, drawn, even=False)  # even=False: all units are considered


def _number(category: str, file: str) -> int:
    """Return a 64-bit number for a file in a category: as long as all ids, and smaller in memory than the two texts."""
    return int(content_id(category, file), 16)
