"""The index of hashes against a comparison with every one."""

from __future__ import annotations

import random

import pytest

from safetypairs_hf.core import near_duplicates
from safetypairs_hf.core.near_duplicates import NearIndex


def distance(a: bytes, b: bytes) -> int:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count()


def flipped(phash: bytes, bits: list[int]) -> bytes:
    return (int.from_bytes(phash, "big") ^ sum(1 << bit for bit in bits)).to_bytes(32, "big")


@pytest.mark.parametrize("bits", [0, 1, 15, 16, 31, 32, 90, 256])
def test_it_finds_all_and_nothing_else(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "_FEW", 8)
    monkeypatch.setattr(near_duplicates, "_LAST", 5)
    rng = random.Random(bits)
    hashes = [rng.randbytes(32) for _ in range(40)]
    for number in range(160):  # neighbours at every distance around the bound
        far = min(256, max(0, bits + number % 9 - 4))
        hashes.append(flipped(hashes[rng.randrange(40)], rng.sample(range(256), far)))
    rng.shuffle(hashes)
    index = NearIndex(bits)
    for number, phash in enumerate(hashes):
        assert index.near(phash) == [i for i, other in enumerate(hashes[:number]) if distance(phash, other) <= bits]
        index.add(phash)
    assert len(index) == 200


def test_neighbours_with_the_flips_spread_evenly_over_the_bands() -> None:
    """The hardest case: 31 flips, two in every band but one."""
    rng = random.Random(1)
    index = NearIndex(31)
    for _ in range(near_duplicates._FEW + 100):
        index.add(rng.randbytes(32))
    wanted = rng.randbytes(32)
    evenly = [16 * band + bit for band in range(16) for bit in (3, 11)][:31]
    index.add(flipped(wanted, evenly))
    index.add(flipped(wanted, [*evenly, 255]))  # 32
    assert index.near(wanted) == [near_duplicates._FEW + 100]
