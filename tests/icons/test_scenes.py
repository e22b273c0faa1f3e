"""The source: candidate i depends on its number alone."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import Candidate
from safetypairs_hf.icons import IconScenes
from safetypairs_hf.icons.backgrounds import FAMILIES, background
from safetypairs_hf.icons.catalogue import by_phrase, critical
from safetypairs_hf.icons.colours import oklch, theme
from safetypairs_hf.taxonomy.nine import SLUGS


def essence(candidate: Candidate) -> tuple[object, ...]:
    return candidate.source_id, candidate.category, candidate.unsafe.data, candidate.hint, candidate.origin


def ids(source: IconScenes) -> list[str]:
    return [candidate.source_id for candidate in source.take(4, 7)]


def test_a_candidate_does_not_depend_on_what_was_taken_before() -> None:
    np.random.seed(1)
    whole = IconScenes(3, 192).take(0, 12)
    np.random.seed(2)
    assert [essence(c) for c in IconScenes(3, 192).take(7, 9)] == [essence(c) for c in whole[7:9]]


def test_another_process_makes_the_same_scenes() -> None:
    source = IconScenes(3, 192)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(ids, [source]) == [ids(source)]


def test_seed_and_number_change_the_scene() -> None:
    made = [c.source_id for seed in (0, 1) for c in IconScenes(seed, 192).take(0, 9)]
    assert len(set(made)) == 18


def test_a_candidate_says_what_it_is() -> None:
    for number, candidate in enumerate(IconScenes(5, 192).take(0, 18)):
        assert candidate.category == SLUGS[number % 9]
        assert candidate.origin == ("fontawesomefree", f"scene-5-{number}", "CC-BY-4.0")
        assert candidate.family == ""
        assert candidate.unsafe.pixels.shape == (192, 192, 3)
        own = {each.item.phrase: {twin.phrase for twin in each.twins} for each in critical(candidate.category)}
        assert candidate.hint["twin"] in own[candidate.hint["item"]]
        assert candidate.hint["twin"] in by_phrase()
        x0, y0, x1, y1 = candidate.hint["region"]
        assert 0 <= x0 < x1 <= 192 and 0 <= y0 < y1 <= 192


def test_procedural_scenes_have_no_inputs() -> None:
    assert IconScenes().size is None
    assert IconScenes().fingerprint() == ""
    assert IconScenes().rejected_inputs() == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_of_backgrounds_depends_on_its_generator_alone(family: object) -> None:
    def drawn(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return family(rng, 96, theme(rng))  # type: ignore[operator]

    assert drawn(1).shape == (96, 96, 3)
    assert np.array_equal(drawn(1), drawn(1))
    assert np.abs(drawn(1) - drawn(2)).mean() > 2


def test_a_background_has_no_stretch_of_one_flat_colour() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pixels = background(rng, 192, theme(rng)).reshape(-1, 3).astype(np.uint32)
        _, counts = np.unique(pixels @ np.array([1, 256, 65536], dtype=np.uint32), return_counts=True)
        assert counts.max() < 0.1 * len(pixels)


def test_oklch_has_the_published_colours() -> None:
    assert oklch(1.0, 0.0, 0.0).tolist() == [255, 255, 255]
    assert oklch(0.6279554, 0.2576833, 29.2338851).tolist() == [255, 0, 0]
    assert oklch(0.4520137, 0.3132144, 264.0520206).tolist() == [0, 0, 255]


def test_images_too_small_to_read_are_refused() -> None:
    with pytest.raises(RecipeError, match="size is 64"):
        IconScenes(0, 64)
