"""The face that authors of recipes import from: complete, light to import, and what every recipe here uses."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import safetypairs_hf.recipes as face

ROOT = Path(__file__).parents[2]
RECIPES = sorted([*(ROOT / "builders").glob("*.py"), *(ROOT / "tests" / "recipes").glob("[!_]*.py")])
RECIPES = [path for path in RECIPES if not path.name.startswith("test_")]
MAY_IMPORT = (
    "safetypairs_hf.recipes",
    "safetypairs_hf.recipes.photographs",
    "safetypairs_hf.icons",
    "safetypairs_hf.signs",
    "safetypairs_hf.testing.tiny",
)


def test_it_exports_every_name_that_it_states() -> None:
    assert len(set(face.__all__)) == len(face.__all__)
    assert [name for name in face.__all__ if not hasattr(face, name)] == []


@pytest.mark.parametrize("module", ["safetypairs_hf.recipes", "safetypairs_hf.recipes.photographs"])
def test_importing_it_loads_no_library_for_models(module: str) -> None:
    heavy = ("torch", "transformers", "diffusers", "datasets", "evaluate", "ray", "xgrammar")
    code = f"import {module}, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recipe_imports_from_the_face_alone(path: Path) -> None:
    """And none loads a sibling file by its path, which another folder would not have."""
    tree = ast.parse(path.read_text())
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = {node.module or "" for node in froms if (node.module or "").startswith("safetypairs_hf")}
    assert sorted(ours - {*MAY_IMPORT}) == []
    names = {alias.name for node in froms if node.module == "safetypairs_hf.recipes" for alias in node.names}
    assert sorted(names - {*face.__all__}) == []
    assert not any(isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(tree))
