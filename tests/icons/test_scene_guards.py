"""The demo's two guards: what they see, and what they can't."""

from __future__ import annotations

import numpy as np
import pytest

from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Edited, Instruction, Judge, Picture
from safetypairs_hf.icons import IconEditor, IconInstructor, IconScenes
from safetypairs_hf.icons.scene_guards import ColourAndClutter, KnowsSomeItems

COUNT = 72

Pairs = tuple[list[Picture], list[Picture], list[str]]


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """Unsafe images, safe images, categories."""
    candidates = IconScenes(2, 256).take(0, COUNT)
    outcomes = [answer.outcome for answer in IconInstructor().write(candidates)]
    instructions = [each for each in outcomes if isinstance(each, Instruction)]
    unsafe = [candidate.unsafe for candidate in candidates]
    edited = IconEditor().edit(unsafe, instructions, range(COUNT))
    safe = [encode(each.pixels) for each in edited if isinstance(each, Edited)]
    assert len(safe) == len(unsafe)
    return unsafe, safe, [candidate.category for candidate in candidates]


def verdicts(guard: Judge, pictures: list[Picture], categories: list[str]) -> list[float]:
    answers = [verdict.p_unsafe for verdict in guard.judge(pictures, categories, [None] * len(pictures))]
    assert all(p is not None and 0 <= p <= 1 for p in answers)
    return [p for p in answers if p is not None]


def accuracy(guard: Judge, pairs: Pairs) -> float:
    unsafe, safe, categories = pairs
    before, after = verdicts(guard, unsafe, categories), verdicts(guard, safe, categories)
    return sum(p >= 0.5 > q for p, q in zip(before, after, strict=True)) / COUNT


def test_a_guard_that_knows_more_gets_more_pairs_right(pairs: Pairs) -> None:
    some, all_of_them = accuracy(KnowsSomeItems(), pairs), accuracy(KnowsSomeItems(share=1.0), pairs)
    assert 0.35 <= some <= 0.75 < all_of_them


def test_a_guard_that_knows_nothing_is_never_sure(pairs: Pairs) -> None:
    unsafe, _, categories = pairs
    assert set(verdicts(KnowsSomeItems(share=0.0), unsafe[:9], categories[:9])) == {0.35}


def test_colour_and_clutter_hardly_ever_tell_the_members_of_a_pair_apart(pairs: Pairs) -> None:
    assert accuracy(ColourAndClutter(), pairs) <= 0.2


def test_red_dark_and_cluttered_images_alarm_the_guard_of_moods() -> None:
    calm = np.full((64, 64, 3), 200, dtype=np.uint8)
    red = np.broadcast_to(np.array([200, 40, 40], dtype=np.uint8), (64, 64, 3))
    dark = np.full((64, 64, 3), 20, dtype=np.uint8)
    cluttered = np.kron(np.indices((32, 32)).sum(axis=0) % 2 * 200, np.ones((2, 2))).astype(np.uint8)
    pictures = [encode(np.ascontiguousarray(p)) for p in (calm, red, dark, np.repeat(cluttered[..., None], 3, axis=2))]
    least, *others = verdicts(ColourAndClutter(), pictures, ["hate"] * 4)
    assert least < 0.5 and min(others) > least
