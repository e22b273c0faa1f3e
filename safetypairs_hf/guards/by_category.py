"""Resolve a user's settings by category (a label map, texts) for the categories of a taxonomy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

Given = TypeVar("Given")


def by_slug(given: Mapping[str, Given], taxonomy: Taxonomy) -> dict[str, Given]:
    """Return the value for each category of a taxonomy, by slug. Categories without a value are left out.

    Args:
        given: Value by category. A category of the taxonomy applies to itself. One of the nine applies to every
            category that maps to it and has no value of its own.
        taxonomy: The taxonomy of the data.

    Raises:
        SafetyPairsError: A key is a category of neither.
    """
    own: dict[str, Given] = {}
    of_nine: dict[str, Given] = {}
    for key, value in given.items():
        try:
            own[taxonomy.find(key).slug] = value
        except SafetyPairsError:
            nine = _in_nine(key)
            if nine is None:
                raise
            of_nine[nine] = value
    mapped = {each.slug: of_nine[each.maps_to] for each in taxonomy.categories if each.maps_to in of_nine}
    return mapped | own


def normal(key: str) -> str:
    """Return the slug of one of the nine categories, however it is named; any other text unchanged."""
    return _in_nine(key) or key


def _in_nine(key: str) -> str | None:
    try:
        return NINE.find(key).slug
    except SafetyPairsError:
        return None
