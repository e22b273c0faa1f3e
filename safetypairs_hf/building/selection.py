"""Stage 5, select: a balanced draw of pairs, with near-duplicates in one group and each group in one split.

The draw takes the next pair, in source order, of each category in turn. So, while no category runs out, the first N
pairs of the draw do not depend on the total: a larger build holds every pair of a smaller one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from safetypairs_hf.core.errors import counted, verb
from safetypairs_hf.core.near_duplicates import NEAR_BITS, Groups
from safetypairs_hf.core.packed_list import PackedList
from safetypairs_hf.core.records import Identity, Reject


class Entrant(NamedTuple):
    """A pair that passed the judges, with everything that selection needs to know.

    `split` is the one that the source states, or "".
    """

    source_id: str
    category: str
    identity: Identity
    split: str = ""


class Selected(NamedTuple):
    """The result of the draw for one entrant: group and split, or a Reject ("surplus" if enough were drawn)."""

    entrant: Entrant
    group: str = ""
    split: str = ""
    reject: Reject | None = None


class Draw(NamedTuple):
    """Every entrant once, with the drawn ones in the order of the draw.

    `even`: all were found and no category ran out.
    """

    decided: Sequence[Selected]
    drawn: int
    even: bool


@dataclass(frozen=True)
class Selection:
    """How pairs are drawn.

    Args:
        test_fraction: The share of groups in the test split, in [0, 1].
        near_duplicate_bits: The PDQ distance, of 256 bits, up to which two images are near-duplicates.
    """

    test_fraction: float = 0.8
    near_duplicate_bits: int = NEAR_BITS

    def __post_init__(self) -> None:
        if not 0 <= self.test_fraction <= 1:
            raise ValueError(f"test_fraction = {self.test_fraction}: expected a number from 0 to 1")

    def draw(self, entrants: Iterable[Entrant], pairs: int, categories: Sequence[str]) -> Draw:
        """Draw up to `pairs` of the entrants (given in source order), evenly over `categories`."""
        found = {slug: PackedList[Entrant]() for slug in categories}
        for entrant in entrants:
            found[entrant.category].append(entrant)
        count = sum(map(len, found.values()))
        queues = [iter(each) for each in found.values()]
        groups = Groups(self.near_duplicate_bits, self.test_fraction)
        decided = PackedList[Selected]()
        drawn, dry = 0, False
        while drawn < pairs and len(decided) < count:
            for queue in queues:
                if drawn == pairs:
                    break
                taken = _take(queue, groups, decided)
                drawn += taken
                dry = dry or not taken
        surplus = Reject("select", "surplus", f"{counted(pairs, 'pair')} {verb(pairs, 'was')} asked for")
        decided.extend(Selected(entrant, reject=surplus) for queue in queues for entrant in queue)
        return Draw(decided, drawn, even=drawn == pairs and not dry)


def _take(queue: Iterator[Entrant], groups: Groups, decided: PackedList[Selected]) -> bool:
    """Place the next pair of the queue that can be placed. Return False if none is left."""
    for entrant in queue:
        place = groups.place(entrant.identity, entrant.split)
        if not isinstance(place, Reject):
            decided.append(Selected(entrant, *place))
            return True
        decided.append(Selected(entrant, reject=place))
    return False
