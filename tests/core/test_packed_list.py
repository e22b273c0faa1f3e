"""Lists whose records are packed: they read as any list."""

from __future__ import annotations

import pickle

import pytest

from safetypairs_hf.core.packed_list import PackedList
from safetypairs_hf.core.records import Reject


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 1000])
def test_reads_as_a_list_does(count: int) -> None:
    plain = [Reject("source", f"reason_{number % 3}", f"{number:032x}") for number in range(count)]
    packed = PackedList(plain)
    assert (len(packed), list(packed), bool(packed)) == (count, plain, bool(plain))
    assert [packed[number] for number in range(-count, count)] == plain + plain
    for some in (slice(None), slice(250, 520), slice(None, None, -7), slice(-3, None), slice(5, 2)):
        assert packed[some] == plain[some]
    assert list(reversed(packed)) == plain[::-1]
    assert list(pickle.loads(pickle.dumps(packed))) == plain
    for place in (count, -count - 1):
        with pytest.raises(IndexError, match=f"place {place} of a list of {count}"):
            packed[place]


def test_two_readers_go_through_it_in_turn_and_then_it_grows() -> None:
    packed = PackedList(range(600))
    first, second = iter(packed), iter(packed)
    assert [next(first) + next(second) + packed[500] + packed[0] for _ in range(600)] == list(range(500, 1700, 2))
    packed.extend(range(600, 900))
    assert packed[:] == list(range(900))


def test_takes_a_part_of_the_memory_of_its_records() -> None:
    names = (f"{number * 0x9E3779B97F4A7C15:032x}" for number in range(5000))
    packed = PackedList(Reject("source", "broken", name) for name in names)
    assert len(pickle.dumps(packed)) / len(packed) < 50  # as objects: 88 bytes of the tuple, 81 of each text
