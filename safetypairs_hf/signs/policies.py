"""The taxonomy of signs: the nine categories, with policy lines about what a sign says or shows."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.taxonomy_file import read

FOLDER: Final = Path(__file__).parent


@cache
def signs_taxonomy() -> Taxonomy:
    """Return the taxonomy `signs@1.0`, whose lines the blocks cite."""
    return read(FOLDER / "taxonomy.yaml")


def line(taxonomy: Taxonomy, category: str, cited: str) -> str:
    """Return the text of a policy line, cited by list and position from 1, such as "never.1"."""
    name, _, position = cited.partition(".")
    lines: tuple[str, ...] = getattr(taxonomy.find(category), name)
    return lines[int(position) - 1]
