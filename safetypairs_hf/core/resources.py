"""Find the recipes, the card's template, the loading script and the embedded set, in a wheel or in a checkout."""

from __future__ import annotations

from pathlib import Path

from safetypairs_hf.core.errors import SafetyPairsError

_PACKAGE = Path(__file__).parents[1]


def folder(name: str) -> Path:
    """Return the path of a folder of resources.

    Args:
        name: "builders", "dataset_card", "loading_script" or "embedded".

    Raises:
        SafetyPairsError: The folder does not exist, so the installation is broken.
    """
    for path in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if path.is_dir():
            return path
    raise SafetyPairsError(f"this installation has no {name!r} folder; install safetypairs-hf again")
