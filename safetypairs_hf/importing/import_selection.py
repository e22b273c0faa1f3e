"""The draw of an import: every pair in the order of the source, but those that share a file with an earlier pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from safetypairs_hf.building.selection import Draw, Entrant, Selected, Selection
from safetypairs_hf.core.near_duplicates import Groups
from safetypairs_hf.core.records import Reject


@dataclass(frozen=True)
class EveryPair(Selection):
    """Takes every pair that can be placed; an image is in one pair of a category alone."""

    def draw(self, entrants: Iterable[Entrant], pairs: int, categories: Sequence[str]) -> Draw:
        groups = Groups(self.near_duplicate_bits, self.test_fraction)
        decided = list(self._decide(entrants, groups))
        drawn = sum(each.reject is None for each in decided)
        return Draw(decided, drawn, even=False)  # all units are looked at

    def _decide(self, entrants: Iterable[Entrant], groups: Groups) -> Iterator[Selected]:
        files: dict[tuple[str, str], str] = {}  # (category, file) -> the pair that it is in
        for entrant in entrants:
            identity = entrant.identity
            keys = [(entrant.category, name) for name in (identity.unsafe_sha256, identity.safe_sha256)]
            other = next((files[key] for key in keys if key in files), None)
            if other is not None and other != identity.pair_id:
                yield Selected(
                    entrant, reject=Reject("select", "image_in_two_pairs", f"a member is in pair {other} too")
                )
                continue
            place = groups.place(identity, entrant.split)
            if isinstance(place, Reject):
                yield Selected(entrant, reject=place)
                continue
            files.update(dict.fromkeys(keys, identity.pair_id))
            yield Selected(entrant, *place)
