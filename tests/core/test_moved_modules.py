"""A recipe that imports an old place of the library gets one line that names the new one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.moved_modules import MOVED

FACE = "import from safetypairs_hf.recipes now"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "from safetypairs_hf.building.run import build",
            f"imports build from safetypairs_hf.building.run, which was moved: {FACE}, and build is in "
            "safetypairs_hf.building.build",
        ),
        (
            "from safetypairs_hf.records import Box, Verdict",
            f"imports Box, Verdict from safetypairs_hf.records, which was moved: {FACE}, and Box, Verdict are in "
            "safetypairs_hf.core.records",
        ),
        (
            "from safetypairs_hf.guards.own import OwnFunction",
            f"imports OwnFunction from safetypairs_hf.guards.own, which was moved: {FACE}, and OwnFunction is in "
            "safetypairs_hf.guards.user_guard",
        ),
        (
            "from safetypairs_hf.taxonomy import SLUGS",
            f"imports SLUGS from safetypairs_hf.taxonomy, which was moved: {FACE}, and SLUGS is in "
            "safetypairs_hf.taxonomy.nine",
        ),
        (
            "from safetypairs_hf.tiny.squares import squares",
            f"imports squares from safetypairs_hf.tiny.squares, which was moved: {FACE}, and squares is in "
            "safetypairs_hf.testing.tiny.squares",
        ),
        (
            "import safetypairs_hf.records as records",
            f"imports safetypairs_hf.records, which was moved: {FACE}, and what was there is in "
            "safetypairs_hf.core.records",
        ),
        (
            "from safetypairs_hf import records",
            f"imports safetypairs_hf.records, which was moved: {FACE}, and what was there is in "
            "safetypairs_hf.core.records",
        ),
        (
            "from safetypairs_hf.nowhere import thing",
            f"imports thing from safetypairs_hf.nowhere, which does not exist: {FACE}",
        ),
        ("from json import nothing", "ImportError: cannot import name 'nothing' from 'json'"),
        ("import no_such_module", "it needs the module 'no_such_module'; install it and try again"),
    ],
)
def test_an_import_that_is_not_there(tmp_path: Path, line: str, said: str) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(f"{line}\n\ndef recipe():\n    pass\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(mine))
    assert str(caught.value).startswith(f"{mine}, line 1: {said}") and "\n" not in str(caught.value)


def test_every_new_place_is_there() -> None:
    assert [new for new in MOVED.values() if importlib.util.find_spec(f"safetypairs_hf.{new}") is None] == []
