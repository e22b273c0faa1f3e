from __future__ import annotations

import pytest

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.taxonomy.categories import Category
from safetypairs_hf.taxonomy.nine import NINE, SLUGS


def test_nine_categories_with_codes_in_order() -> None:
    assert [each.code for each in NINE.categories] == [f"O{number}" for number in range(1, 10)]
    assert len(set(SLUGS)) == 9
    assert SLUGS[3] == "nudity"


@pytest.mark.parametrize("each", NINE.categories, ids=SLUGS)
def test_found_by_code_slug_and_name(each: Category) -> None:
    assert each.maps_to == each.slug
    for text in (each.code, each.slug, each.name):
        assert NINE.find(text) == each
        assert NINE.find(f"  {text.upper()} ") == each


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("O2: Violence, Harm, or Cruelty", "violence"),
        ("O3: Nudity and Hate", "sexual"),  # the code decides, whatever the wording
        ("o6 - Weapons or Substance Abuse", "weapons_substances"),
        ("O9", "disasters"),
        ("criminal planning", "criminal_planning"),
        ("Self Harm", "self_harm"),
    ],
)
def test_wordings_that_drifted(text: str, slug: str) -> None:
    assert NINE.find(text).slug == slug


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("weapon_substance", "weapons_substances"), ("animal abuse", "animal_cruelty"), ("nudty", "nudity")],
)
def test_unknown_names_the_nearest(text: str, nearest: str) -> None:
    with pytest.raises(
        SafetyPairsError, match=f"no category '{text}'; the nearest is '{nearest}'; the nine are O1 hate"
    ):
        NINE.find(text)


@pytest.mark.parametrize("text", ["O10", "O0: Hate", "", "none applying", "O12 x"])
def test_unknown_code_or_word(text: str) -> None:
    with pytest.raises(SafetyPairsError, match="O9 disasters"):
        NINE.find(text)
