"""What a user gives a guard by category (a label map, texts), for the categories of the data it is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

Given = TypeVar("Given")


def by_slug(given: Mapping[str, Given], taxonomy: Taxonomy) -> dict[str, Given]:
    """Return what holds for each category of a taxonomy, by slug; a category that nothing is given for is left out.

    Args:
        given: by category: of the taxonomy, or of the nine, which holds for every category that maps to it and has
            nothing of its own.
        taxonomy: the taxonomy of the data.

    Raises:
        SafetyPairsError: a key is a category of neither.
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
    """Return the slug of a category of the nine, whatever way it is named; any other text as it is."""
    return _in_nine(key) or key


def _in_nine(key: str) -> str | None:
    try:
        return NINE.find(key).slug
    except SafetyPairsError:
        return None
