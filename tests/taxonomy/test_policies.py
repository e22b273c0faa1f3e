from __future__ import annotations

import hashlib

import pytest

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.taxonomy.categories import VARIANTS, Taxonomy
from safetypairs_hf.taxonomy.nine import NINE, PUBLISHED, SLUGS

# Published wordings never change: a new wording is a new version, with a line of its own here.
FROZEN = {"safetypairs@1.0": "51a886bee7cb3b1ae65189e74c9ef0567c6a0a373ef26d1f6280bcf73f4504f3"}


def digest(taxonomy: Taxonomy) -> str:
    texts = [taxonomy.policy(slug, variant) for slug in taxonomy.slugs for variant in VARIANTS]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def test_published_wordings_are_frozen() -> None:
    assert {name: digest(taxonomy) for name, taxonomy in PUBLISHED.items()} == FROZEN


@pytest.mark.parametrize("slug", SLUGS)
def test_variants_move_the_borderline(slug: str) -> None:
    bad, good = sections(NINE.policy(slug))
    strict_bad, strict_good = sections(NINE.policy(slug, "sensitive"))
    lax_bad, lax_good = sections(NINE.policy(slug, "not_violating"))
    assert bad < strict_bad
    assert strict_good < good
    assert strict_bad | strict_good == bad | good == lax_bad | lax_good
    assert lax_good > good
    assert not bad & good and not strict_bad & strict_good and not lax_bad & lax_good


def sections(text: str) -> tuple[set[str], set[str]]:
    """The items an image should not show, and those it can."""
    before, after = text.split("An image can show:\n")
    return set(before.splitlines()) & bullets(before), bullets(after)


def bullets(text: str) -> set[str]:
    return {line for line in text.splitlines() if line.startswith("- ")}


@pytest.mark.parametrize("slug", ["sexual", "nudity"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_variant_permits_sexualised_minors(slug: str, variant: str) -> None:
    bad, _ = sections(NINE.policy(slug, variant))
    assert any("under 18" in item for item in bad)


def test_text_starts_with_name_and_reads_as_lists() -> None:
    text = NINE.policy("O9")
    assert text.startswith("Disasters or Emergencies\nDisasters and emergencies")
    assert "\n\nAn image should not show:\n- houses, vehicles or woods on fire" in text
    assert text == NINE.policy("disasters", "default")


def test_ids() -> None:
    assert NINE.policy_id("O1") == "hate@1.0"
    assert NINE.policy_id("self_harm", "not_violating") == "self_harm-not_violating@1.0"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NINE.policy("hate", "strict"), "no policy variant 'strict'; there are default, not_violating"),
        (lambda: NINE.policy("hat"), "no category 'hat'; the nearest is 'hate'"),
    ],
)
def test_wrong_arguments(call: object, message: str) -> None:
    with pytest.raises(SafetyPairsError, match=message):
        call()  # type: ignore[operator]
