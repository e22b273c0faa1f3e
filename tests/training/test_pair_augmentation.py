"""Both members of a pair are changed alike, and no crop loses what they differ in."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.training.pair_augmentation import PairAugmentation

BOX = (70, 4, 90, 30)


def members() -> tuple[Image.Image, Image.Image]:
    """Two noisy images of 96 x 64 pixels that differ in BOX alone."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    other = pixels.copy()
    x0, y0, x1, y1 = BOX
    other[y0:y1, x0:x1] = 255 - other[y0:y1, x0:x1]
    return Image.fromarray(pixels), Image.fromarray(other)


def test_what_was_equal_stays_equal_and_the_edit_is_always_seen() -> None:
    unsafe, safe = members()
    augmentation = PairAugmentation(least=0.05)
    area = (BOX[2] - BOX[0]) * (BOX[3] - BOX[1]) / (96 * 64)
    for seed in range(40):
        first, second = (np.asarray(each, dtype=int) for each in augmentation([unsafe, safe], random.Random(seed), BOX))
        assert first.shape == second.shape == (64, 96, 3)
        differs = (abs(first - second).max(axis=2) > 0).mean()
        assert differs >= 0.9 * area  # the whole box, at its size or enlarged
    alike = augmentation([unsafe, unsafe], random.Random(1))
    assert alike[0].tobytes() == alike[1].tobytes() != unsafe.tobytes()


def test_nothing_asked_for_changes_nothing() -> None:
    unsafe, safe = members()
    same = PairAugmentation(least=1, mirror=0, light=0)([unsafe, safe], random.Random(0), BOX)
    assert [each.tobytes() for each in same] == [unsafe.tobytes(), safe.tobytes()]
    (mirrored,) = PairAugmentation(least=1, mirror=1, light=0)([unsafe], random.Random(0))
    assert np.array_equal(np.asarray(mirrored), np.asarray(unsafe)[:, ::-1])


def test_a_draw_depends_on_the_generator_alone() -> None:
    unsafe, safe = members()
    one, two, other = (PairAugmentation()([unsafe, safe], random.Random(seed))[0].tobytes() for seed in (3, 3, 4))
    assert one == two != other


def test_mistakes_are_one_line() -> None:
    with pytest.raises(SafetyPairsError, match=r"least 0, mirror 0.5, light 0.2; expected"):
        PairAugmentation(least=0)
    with pytest.raises(SafetyPairsError, match=r"differ in size: \(8, 8\), \(8, 9\)"):
        PairAugmentation()([Image.new("RGB", (8, 8)), Image.new("RGB", (8, 9))], random.Random(0))
