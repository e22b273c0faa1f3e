"""The nine default categories, from `safetypairs-1.0.yaml`."""

from __future__ import annotations

from importlib import resources
from typing import Final

from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.taxonomy_yaml import parse


def _load(name: str) -> Taxonomy:
    text = (resources.files(__package__) / f"{name.replace('@', '-')}.yaml").read_text("utf-8")
    found, faults = parse(text, None)
    assert found is not None and found.name == name, faults
    return found


# The taxonomy of a run or version that names none; `maps_to` refers to its categories.
NINE: Final = _load("safetypairs@1.0")
SLUGS: Final = NINE.slugs
# Every published wording, by name, so that old datasets stay readable.
PUBLISHED: Final = {taxonomy.name: taxonomy for taxonomy in (NINE,)}
