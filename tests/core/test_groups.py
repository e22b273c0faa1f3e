"""Near-duplicate groups, splits, and the draw."""

from __future__ import annotations

import pytest

from safetypairs_hf.building.selection import Entrant, Selection
from safetypairs_hf.core.near_duplicates import Groups, split_of
from safetypairs_hf.core.records import Identity, Reject


def identity(name: str, bits: int = 0, safe: int | None = None, family: str = "") -> Identity:
    """A pair whose PDQ hashes are these 256-bit numbers."""
    hashes = [number.to_bytes(32, "big") for number in (bits, bits if safe is None else safe)]
    return Identity(name, "", "", hashes[0], hashes[1], family)


FAR = [int(f"{value:02x}" * 32, 16) for value in (0x00, 0xFF, 0x0F)]  # 128 or 256 bits from one another


def ones(count: int) -> int:
    return (1 << count) - 1


def test_31_bits_are_near_and_32_are_not() -> None:
    groups = Groups(31, 1.0)
    assert groups.place(identity("a", 0)) == ("a", "test")
    assert groups.place(identity("b", ones(31))) == ("a", "test")
    groups = Groups(31, 1.0)
    groups.place(identity("a", 0))
    assert groups.place(identity("b", ones(32))) == ("b", "test")


def test_any_member_of_one_near_any_of_the_other() -> None:
    groups = Groups(31, 1.0)
    groups.place(identity("a", FAR[0], safe=FAR[1]))
    assert groups.place(identity("b", FAR[2], safe=FAR[1] ^ 1)) == ("a", "test")


def test_a_pair_that_bridges_two_splits_is_rejected_and_leaves_no_trace() -> None:
    groups = Groups(31, 0.5)
    groups.add(identity("a", FAR[0]), "a", "test")
    groups.add(identity("b", FAR[1]), "b", "train")
    reject = groups.place(identity("c", FAR[0], safe=FAR[1]))
    assert isinstance(reject, Reject)
    assert (reject.reason, reject.detail) == ("bridges_two_splits", "close to groups a, b")
    assert "c" not in groups


def test_a_pair_near_two_groups_of_one_split_joins_the_older() -> None:
    groups = Groups(31, 0.5)
    groups.add(identity("a", FAR[0]), "a", "test")
    groups.add(identity("b", FAR[1]), "b", "test")
    assert groups.place(identity("c", FAR[1], safe=FAR[0])) == ("a", "test")


def test_a_family_is_one_group() -> None:
    groups = Groups(31, 1.0)
    assert groups.place(identity("a", FAR[0], family="photo")) == ("a", "test")
    assert groups.place(identity("b", FAR[1], family="photo")) == ("a", "test")
    assert groups.place(identity("c", FAR[2])) == ("c", "test")


def test_the_same_pair_twice_is_a_duplicate() -> None:
    groups = Groups(31, 1.0)
    groups.place(identity("a"))
    reject = groups.place(identity("a"))
    assert isinstance(reject, Reject)
    assert reject.reason == "duplicate"


def test_more_pairs_than_the_first_table_holds() -> None:
    groups = Groups(0, 1.0)
    for number in range(200):
        assert groups.place(identity(str(number), number)) == (str(number), "test")
    assert groups.place(identity("again", 7)) == ("7", "test")


def test_splits_take_their_share_and_never_change() -> None:
    names = [f"{number:016x}" for number in range(10_000)]
    assert sum(split_of(name, 0.8) == "test" for name in names) == pytest.approx(8_000, abs=150)
    assert all(split_of(name, 0.9) == "test" for name in names if split_of(name, 0.8) == "test")
    assert {split_of(name, 0.0) for name in names} == {"train"}
    assert {split_of(name, 1.0) for name in names} == {"test"}


def entrant(name: str, category: str, number: int) -> Entrant:
    return Entrant(name, category, identity(name, int(f"{number + 1:08b}" * 32, 2)))


def test_the_draw_goes_round_the_categories() -> None:
    entrants = [entrant(f"h{n}", "hate", n) for n in range(4)] + [
        entrant(f"v{n}", "violence", 10 + n) for n in range(4)
    ]
    draw = Selection(near_duplicate_bits=0).draw(entrants, 5, ("hate", "violence"))
    taken = [item.entrant.source_id for item in draw.decided if item.reject is None]
    assert taken == ["h0", "v0", "h1", "v1", "h2"]
    assert [item.reject.reason for item in draw.decided if item.reject] == ["surplus"] * 3
    assert (draw.drawn, draw.even) == (5, True)


def test_a_dry_category_is_told() -> None:
    entrants = [entrant(f"h{n}", "hate", n) for n in range(4)] + [entrant("v0", "violence", 10)]
    draw = Selection(near_duplicate_bits=0).draw(entrants, 4, ("hate", "violence"))
    assert [item.entrant.source_id for item in draw.decided if not item.reject] == ["h0", "v0", "h1", "h2"]
    assert (draw.drawn, draw.even) == (4, False)
    assert not Selection().draw([], 4, ("hate",)).even


def test_a_dry_category_before_a_full_one_does_not_stop_the_draw() -> None:
    draw = Selection(near_duplicate_bits=0).draw([entrant("v0", "violence", 1)], 1, ("hate", "violence"))
    assert (draw.drawn, draw.even) == (1, False)
