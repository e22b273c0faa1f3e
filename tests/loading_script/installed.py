"""An environment for each `datasets` that the published repo is proven with; ours is installed in none of them.

All four take about a minute on two cores. The lists in `environments/` are what `pip install datasets==X pillow` took
on 2026-11-22.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pinned import python_of

LISTS = Path(__file__).parent / "environments"
VERSIONS = ("2.21.0", "3.6.0", "4.0.0", "5.2.0")


def pythons() -> dict[str, Path]:
    """The interpreter of each environment, by the version of `datasets`; what is missing is made, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda version: python_of(LISTS / f"datasets-{version}.txt"), VERSIONS)
        return dict(zip(VERSIONS, made, strict=True))
