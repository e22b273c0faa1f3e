"""The taxonomy of signs: the nine categories, with lines for what a sign, a word or a scene of signs says or shows."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.taxonomy_file import read

FOLDER: Final = Path(__file__).parent


@cache
def signs_taxonomy() -> Taxonomy:
    """The taxonomy `signs@1.0`, whose lines blocks cite."""
    return read(FOLDER / "taxonomy.yaml")


def line(taxonomy: Taxonomy, category: str, cited: str) -> str:
    """The text of a policy line that is cited by list and position from 1: "never.1"."""
    name, _, position = cited.partition(".")
    lines: tuple[str, ...] = getattr(taxonomy.find(category), name)
    return lines[int(position) - 1]
