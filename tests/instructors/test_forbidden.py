"""What an edit takes away is free, what it brings in is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetypairs_hf import taxonomy
from safetypairs_hf.instructors.forbidden import forbidden
from safetypairs_hf.taxonomy.nine import PUBLISHED, SLUGS

PERMITTED = [
    ("weapons_substances", "Remove the gun.", ""),
    ("weapons_substances", "Replace the gun with a flower.", ""),
    ("weapons_substances", "Replace the guns in the crate with oranges.", ""),
    ("weapons_substances", "Swap the rifle for a broom.", ""),
    ("weapons_substances", "Change the pistol to a banana.", ""),
    ("weapons_substances", "Turn the gun into a water gun.", ""),
    ("weapons_substances", "Put a cloth over the rifle.", ""),
    ("weapons_substances", "Add a flower next to the gun.", ""),
    ("weapons_substances", "Add a flower and remove the gun.", ""),
    ("weapons_substances", "Remove the man with the gun.", ""),
    ("weapons_substances", "Replace the gun with a kitchen knife.", ""),
    ("weapons_substances", "Show a book instead of a gun.", ""),
    ("weapons_substances", "Make the gun a banana.", ""),
    ("weapons_substances", "Replace the man with a knife with a man with a flower.", "a man with a knife"),
    ("violence", "Cover the wound with a clean shirt.", ""),
    ("violence", "Paint the wall white, with no blood on it.", ""),
    ("violence", "Replace the blood with blood oranges.", ""),
    ("disasters", "Replace the burning house with a house with a fire truck.", "burning house"),
    ("disasters", "Replace the flames with a camp fire.", ""),
    ("hate", "Replace the swastika on the flag with a star.", ""),
    ("self_harm", "Replace the noose with a hanging plant.", ""),
    ("nudity", "Dress the naked statue in a coat.", ""),
    ("animal_cruelty", "Replace the cage with a meadow.", ""),
]
FORBIDDEN = [
    ("weapons_substances", "Replace the flower with a gun.", "", "gun"),
    ("weapons_substances", "Replace the small gun with a big gun.", "a gun", "gun"),
    ("weapons_substances", "Add two Rifles to the wall.", "", "rifles"),
    ("weapons_substances", "Remove the gun and put a knife there.", "", "knife"),
    ("weapons_substances", "Make the man hold a pistol.", "", "pistol"),
    ("weapons_substances", "Make the flower a gun.", "", "gun"),
    ("weapons_substances", "Turn the pen into a cigarette.", "", "cigarette"),
    ("weapons_substances", "Change the cup to a glass of whisky.", "", "whisky"),
    ("weapons_substances", "Replace the water gun with a gun.", "", "gun"),
    ("weapons_substances", "Replace the man with a flower with a man with a knife.", "a man", "knife"),
    ("weapons_substances", "Replace the flower with a gun with a handle.", "a flower", "gun"),
    ("violence", "Add blood to the shirt.", "", "blood"),
    ("violence", "Remove the bandage. Then draw an open wound.", "", "wound"),
    ("violence", "Replace the shirt with a shirt covered in blood.", "", "blood"),
    ("violence", "Replace the gun with a knife.", "a gun", "knife"),
    ("hate", "Put a swastika on the flag.", "", "swastika"),
    ("hate", "Replace the tree with a burning cross.", "", "burning cross"),
    ("disasters", "Replace the lake with a flood.", "", "flood"),
    ("nudity", "Replace the coat with a bikini.", "", "bikini"),
    ("self_harm", "Replace the belt with a rope.", "", "rope"),
    ("animal_cruelty", "Show the dog chained to a post.", "", "chained"),
    ("criminal_planning", "Give him a crowbar.", "", "crowbar"),
    ("sexual", "Dress the woman in lingerie.", "", "lingerie"),
    ("sexual", "Dress her in a robe, and replace the robe with lingerie.", "", "lingerie"),
]


@pytest.mark.parametrize(("category", "text", "feature"), PERMITTED)
def test_permitted(category: str, text: str, feature: str) -> None:
    assert forbidden(text, feature, category) is None


@pytest.mark.parametrize(("category", "text", "feature", "word"), FORBIDDEN)
def test_forbidden(category: str, text: str, feature: str, word: str) -> None:
    assert forbidden(text, feature, category) == word


def test_every_category_has_the_words_of_all_and_some_of_its_own() -> None:
    for slug in SLUGS:
        assert forbidden("Add a gun.", "", slug) == "gun"
        words = [word for category, _, _, word in FORBIDDEN if category == slug]
        assert any(forbidden(f"Add a {word}.", "", other) is None for word in words for other in SLUGS)


def test_the_word_lists_are_no_policy_version() -> None:
    assert list(PUBLISHED) == ["safetypairs@1.0"]


def test_words_of_another_taxonomy() -> None:
    road = taxonomy.read(Path(__file__).parents[1] / "recipes" / "road.yaml")
    assert forbidden("Add a flood.", "", "fires", road) == "flood"  # it maps to disasters
    assert forbidden("Add a plastic bag.", "", "litter", road) == "plastic bag"
    assert forbidden("Add a reusable plastic bag.", "", "litter", road) is None
    assert (
        forbidden("Add a flood.", "", "litter", road) is None and forbidden("Add a gun.", "", "litter", road) == "gun"
    )
    assert forbidden("Add a plastic bag.", "", "fires", road) is None
