"""The catalogue: enough of everything, matched in size, and nothing that is both critical and harmless."""

from __future__ import annotations

import numpy as np
import pytest

from safetypairs_hf.icons import glyphs
from safetypairs_hf.icons.catalogue import Item, by_phrase, critical, icon, neutral, placard
from safetypairs_hf.taxonomy.nine import SLUGS


def looks(item: Item) -> tuple[float, float]:
    return float(np.log(glyphs.aspect(item))), float(np.log(glyphs.density(item)))


@pytest.mark.parametrize("slug", SLUGS)
def test_a_category_has_five_items_of_four_twins_each(slug: str) -> None:
    assert len(critical(slug)) >= 5
    for each in critical(slug):
        assert len(set(each.twins)) == len(each.twins) >= 4


@pytest.mark.parametrize("slug", SLUGS)
def test_twins_look_about_as_large_as_their_item(slug: str) -> None:
    for each in critical(slug):
        own = np.array(looks(each.item))
        off = np.array([looks(twin) for twin in each.twins]) - own
        assert np.abs(off).max() <= 0.3, each.item.phrase
        assert np.abs(off.mean(axis=0)).max() <= 0.1, each.item.phrase


def test_twins_are_on_average_neither_larger_nor_smaller() -> None:
    means = [
        np.mean([looks(twin) for twin in each.twins], axis=0) - looks(each.item)
        for slug in SLUGS
        for each in critical(slug)
    ]
    assert np.abs(np.mean(means, axis=0)).max() <= 0.01


def test_nothing_is_both_critical_and_harmless() -> None:
    harmful = {each.item.glyph for slug in SLUGS for each in critical(slug)}
    assert harmful.isdisjoint({item.glyph for item in neutral()})
    assert sum(not item.is_placard for item in neutral()) >= 100


def test_no_two_items_have_one_phrase_or_one_glyph() -> None:
    items = {*neutral(), *(each.item for slug in SLUGS for each in critical(slug))}
    assert len(by_phrase()) == len(items) == len({item.glyph for item in items})


def test_phrases_read_well() -> None:
    assert icon("umbrella").phrase == "an umbrella"
    assert icon("chess-queen").phrase == "a chess queen"
    assert placard("TEA SHOP").phrase == 'the words "TEA SHOP"'


def test_a_mask_fills_its_box_to_the_edges() -> None:
    mask = glyphs.mask(icon("umbrella"), 40, 30)
    assert mask.shape == (30, 40)
    assert mask.max() == 255
    assert min(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) > 0
