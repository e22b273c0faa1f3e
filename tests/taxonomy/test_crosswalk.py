from __future__ import annotations

import pytest

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.taxonomy.crosswalk import GUARDS, NOT_COVERED, PART, WHOLE, guard, match, slugs
from safetypairs_hf.taxonomy.nine import SLUGS


def test_each_guard_has_its_own_list() -> None:
    sizes = {name: (len(found.labels), len(found.images)) for name, found in GUARDS.items()}
    assert sizes == {
        "shieldgemma-2": (3, 3),
        "llama-guard-3-vision": (13, 13),
        "llama-guard-4": (14, 13),
        "omni-moderation": (13, 6),
        "azure-content-safety": (4, 4),
        "bedrock-guardrails": (6, 5),
    }
    assert list(guard("llama-guard-4").labels) == [f"S{number}" for number in range(1, 15)]


@pytest.mark.parametrize("name", GUARDS)
def test_every_category_is_answered_by_codes_scored_on_images_or_not_covered(name: str) -> None:
    assert tuple(guard(name).matches) == SLUGS
    for slug in SLUGS:
        extent, codes = match(name, slug)
        assert extent in (WHOLE, PART, NOT_COVERED)
        assert (extent == NOT_COVERED) == (codes == ())
        assert set(codes) <= set(guard(name).images)


def test_not_covered() -> None:
    uncovered = {name: [slug for slug in SLUGS if match(name, slug).extent == NOT_COVERED] for name in GUARDS}
    assert uncovered == {
        "shieldgemma-2": ["hate", "disasters"],
        "llama-guard-3-vision": ["disasters"],
        "llama-guard-4": ["disasters"],
        "omni-moderation": ["hate", "criminal_planning", "weapons_substances", "disasters"],
        "azure-content-safety": ["criminal_planning", "disasters"],
        "bedrock-guardrails": ["self_harm", "disasters"],
    }


def test_both_ways() -> None:
    assert match("llama-guard-4", "O7") == (WHOLE, ("S11",))
    assert slugs("llama-guard-4", "S1") == ("violence", "criminal_planning", "animal_cruelty")
    assert slugs("llama-guard-4", "S14") == NOT_COVERED
    assert slugs("omni-moderation", "hate") == NOT_COVERED
    assert slugs("shieldgemma-2", "sexual") == ("sexual", "nudity")


def test_wrong_guard_category_or_code() -> None:
    with pytest.raises(SafetyPairsError, match="no crosswalk for guard 'q16'; there are shieldgemma-2, llama-guard-3"):
        match("q16", "hate")
    with pytest.raises(SafetyPairsError, match="no category 'arson'"):
        match("shieldgemma-2", "arson")
    with pytest.raises(SafetyPairsError, match="llama-guard-3-vision has no category 'S14'; it has S1"):
        slugs("llama-guard-3-vision", "S14")
