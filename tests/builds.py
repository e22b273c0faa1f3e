"""Small finished runs for tests, by the recipe `tests/recipes/squares.py`."""

from __future__ import annotations

from pathlib import Path

from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.run_folder import RunFolder, open_run
from safetypairs_hf.taxonomy.categories import Taxonomy

SQUARES = str(Path(__file__).parent / "recipes" / "squares.py")


def make_run(out: Path, workers: int = 1, taxonomy: Taxonomy | None = None, **settings: object) -> RunFolder:
    loaded = load_recipe(SQUARES, {key: str(value) for key, value in settings.items()}, taxonomy)
    build(loaded, str(out), workers)
    return open_run(str(out))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
