"""The index of hashes against a comparison with every one."""

from __future__ import annotations

import pickle
import random

import pytest

from safetypairs_hf.core.near_duplicates import NearIndex


def distance(a: bytes, b: bytes) -> int:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count()


def flipped(phash: bytes, bits: list[int]) -> bytes:
    return (int.from_bytes(phash, "big") ^ sum(1 << bit for bit in bits)).to_bytes(32, "big")


@pytest.mark.parametrize("bits", [0, 1, 15, 16, 31, 32, 90, 256])
def test_it_finds_all_and_nothing_else(bits: int) -> None:
    rng = random.Random(bits)
    hashes = [rng.randbytes(32) for _ in range(40)]
    for number in range(160):  # neighbours at every distance around the bound
        far = min(256, max(0, bits + number % 9 - 4))
        hashes.append(flipped(hashes[rng.randrange(40)], rng.sample(range(256), far)))
    rng.shuffle(hashes)
    index = NearIndex(bits, scan_below=8, pending=5)
    for number, phash in enumerate(hashes):
        assert index.near(phash) == [i for i, other in enumerate(hashes[:number]) if distance(phash, other) <= bits]
        index.add(phash)
    assert len(index) == 200


def test_neighbours_with_the_flips_spread_evenly_over_the_bands() -> None:
    """The hardest case: 31 flips, two in every band but one."""
    rng = random.Random(1)
    index = NearIndex(31)
    index.extend(rng.randbytes(32) for _ in range(5_000))  # enough for an index
    wanted = rng.randbytes(32)
    evenly = [16 * band + bit for band in range(16) for bit in (3, 11)][:31]
    index.add(flipped(wanted, evenly))
    index.add(flipped(wanted, [*evenly, 255]))  # 32
    assert index.near(wanted) == [5_000]


@pytest.mark.parametrize("first", [0, 3, 64, 100])
def test_many_at_once_are_as_one_by_one(first: int) -> None:
    rng = random.Random(first)
    hashes = [rng.randbytes(32) for _ in range(150)]
    index, one_by_one = NearIndex(31, scan_below=8, pending=5), NearIndex(31)
    for phash in hashes[:first]:
        index.add(phash)
    index.extend(hashes[first:120])
    index.extend([])
    for phash in hashes[120:]:
        index.add(phash)
    for phash in hashes:
        one_by_one.add(phash)
    assert len(index) == len(one_by_one) == 150
    assert all(index.near(phash) == one_by_one.near(phash) == [number] for number, phash in enumerate(hashes))


def test_a_small_index_is_small() -> None:
    """A list goes to every worker of a build: one without an index takes the memory of its hashes."""
    index = NearIndex(31)
    index.extend(bytes(32) for _ in range(100))
    assert index.near(bytes(32)) == list(range(100))
    assert len(pickle.dumps(index)) < 10_000
