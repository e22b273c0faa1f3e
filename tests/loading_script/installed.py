"""An environment for each `datasets` that the published repo is proven with; ours is installed in none of them.

Each takes about fifteen seconds on two cores. The lists in `environments/` are what `pip install datasets==X pillow`
took on 2026-11-22.
"""

from __future__ import annotations

from pathlib import Path

from pinned import python_of

LISTS = Path(__file__).parent / "environments"
VERSIONS = ("2.21.0", "3.6.0", "4.0.0", "5.2.0")


def python(version: str) -> Path:
    """The interpreter of the environment of that version of `datasets`, made where it is missing."""
    return python_of(LISTS / f"datasets-{version}.txt")
