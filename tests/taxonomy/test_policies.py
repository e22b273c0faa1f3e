from __future__ import annotations

import hashlib

import pytest

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.taxonomy import policies
from safetypairs_hf.taxonomy.categories import SLUGS

# Published wordings never change: a new wording is a new version, with a line of its own here.
FROZEN = {"1.0": "51a886bee7cb3b1ae65189e74c9ef0567c6a0a373ef26d1f6280bcf73f4504f3"}


def digest(version: str) -> str:
    texts = [policies.text(slug, variant, version) for slug in SLUGS for variant in policies.VARIANTS]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def test_published_wordings_are_frozen() -> None:
    assert {version: digest(version) for version in policies.versions()} == FROZEN


@pytest.mark.parametrize("slug", SLUGS)
def test_variants_move_the_borderline(slug: str) -> None:
    bad, good = sections(policies.text(slug))
    strict_bad, strict_good = sections(policies.text(slug, "sensitive"))
    lax_bad, lax_good = sections(policies.text(slug, "not_violating"))
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
@pytest.mark.parametrize("variant", policies.VARIANTS)
def test_no_variant_permits_sexualised_minors(slug: str, variant: str) -> None:
    bad, _ = sections(policies.text(slug, variant))
    assert any("under 18" in item for item in bad)


def test_text_starts_with_name_and_reads_as_lists() -> None:
    text = policies.text("O9")
    assert text.startswith("Disasters or Emergencies\nDisasters and emergencies")
    assert "\n\nAn image should not show:\n- houses, vehicles or woods on fire" in text
    assert text == policies.text("disasters", "default", "1.0")


def test_ids_and_back() -> None:
    assert policies.policy_id("O1") == "hate@1.0"
    assert policies.policy_id("self_harm", "not_violating") == "self_harm-not_violating@1.0"
    for slug in SLUGS:
        for variant in policies.VARIANTS:
            assert policies.by_id(policies.policy_id(slug, variant)) == policies.text(slug, variant)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: policies.text("hate", "strict"), "no policy variant 'strict'; there are default, not_violating"),
        (lambda: policies.text("hate", version="9.9"), r"no policy version '9.9'; there are 1\.0"),
        (lambda: policies.text("hat"), "no category 'hat'; the nearest is 'hate'"),
        (lambda: policies.by_id("hate"), "no policy id 'hate'; ids look like 'hate@1.0'"),
        (lambda: policies.by_id("hate@1.7"), "no policy version '1.7'"),
    ],
)
def test_wrong_arguments(call: object, message: str) -> None:
    with pytest.raises(SafetyPairsError, match=message):
        call()  # type: ignore[operator]
