"""Recipes of plain functions: the example of the documentation, resumed, changed, and what goes wrong in one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builds import tree
from PIL import Image
from sources.pictures import picture

import safetypairs_hf.recipes as sp
from safetypairs_hf.building.build import build
from safetypairs_hf.building.engines.base import _step
from safetypairs_hf.building.finishing import AtOnce
from safetypairs_hf.building.function_parts import FunctionEditor, FunctionInstructor, as_editor, as_instructor
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.building.rounds import Step, Unit
from safetypairs_hf.building.run_reader import pairs
from safetypairs_hf.core.errors import RecipeError, RunError, UserCodeError
from safetypairs_hf.core.run_folder import RunFolder, open_run
from safetypairs_hf.guards.region import OnRegion
from safetypairs_hf.guards.user_guard import FunctionGuard

DOCS = (Path(__file__).parents[2] / "docs" / "building.md").read_text()
SIDE = 512  # the images of a folder are at least that large
# As the example, but of small images.
SMALL = ('category="hate")', 'category="hate", frame=sp.Frame(64))')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth pictures without much red, each with a red square of its own; one without."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(4):
        image = Image.blend(picture(number, SIDE, SIDE), Image.new("RGB", (SIDE, SIDE), (90, 140, 140)), 0.8)
        if number:
            image.paste((230, 10, 10), (64, 128 * number - 64, 192, 128 * number + 64))
        image.save(folder / f"{number}.png")
    return folder


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write the recipe of the documentation as `mine.py`, with texts replaced; return its path."""
    found = re.search(r"```python\n(\"\"\"mine\.py.*?)```", DOCS, re.DOTALL)
    assert found
    monkeypatch.chdir(tmp_path)

    def write(*replaced: tuple[str, str]) -> str:
        text = found[1]
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "mine.py").write_text(text)
        return "mine.py"

    return write


def test_the_example_of_the_documentation(example: Callable[..., str], folder: Path) -> None:
    loaded = load_recipe(example(), {"folder": str(folder), "pairs": "2"})
    assert build(loaded, "run").pairs == 2
    for candidate in pairs(open_run("run")):
        middle = 256 * int(candidate.origin.id.removesuffix(".png"))  # a source makes its images twice as large
        box = sp.Box(128, middle - 128, 384, middle + 128)
        asked = sp.Instruction("a red thing", "Cover the red thing with a black bar.", box)
        assert (candidate.instruction, candidate.edit_box) == (asked, box) and candidate.safe is not None
        expected = candidate.unsafe.pixels.copy()
        assert expected[middle, 256].tolist() == [230, 10, 10]
        expected[box.y0 : box.y1, box.x0 : box.x1] = 0
        assert np.array_equal(candidate.safe.pixels, expected)
        (judgement,) = candidate.judgements
        assert judgement.name == "function:redness"
        assert (judgement.p_unsafe_before or 0) > 0.6 > 0.2 > (judgement.p_unsafe_after or 0)
        assert candidate.generator is not None
        assert candidate.generator[:2] == ("where_it_is_red", "cover")
        assert re.fullmatch(r"[0-9a-f]{16}", candidate.generator.revision)


def test_a_killed_build_goes_on_and_a_changed_function_is_told(example: Callable[..., str], folder: Path) -> None:
    """Each source is a unit; an edit in one of the last two kills the process."""
    one = ("pairs=pairs,", "pairs=pairs, unit_size=1,")
    dies = (
        "    image.paste",
        "    os.environ.get('DIES') and region.y0 > 8 and os.kill(os.getpid(), 9)\n    image.paste",
    )
    changes = (SMALL, one, dies, ("import numpy as np", "import os\nimport numpy as np"))
    path, settings = example(*changes), {"folder": str(folder), "pairs": "3"}
    command = [sys.executable, "-m", "safetypairs_hf", "build", path, "--out", "run", "--pairs", "3"]
    ours = {"DIES": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    killed = subprocess.run([*command, "--set", f"folder={folder}"], env=os.environ | ours, capture_output=True)
    assert killed.returncode == -9
    begun = {name: data for name, data in tree(Path("run")).items() if ".tmp-" not in name}
    assert "funnel.json" not in begun and any(name.startswith("instruct/") for name in begun)
    assert build(load_recipe(path, settings), "run").pairs == build(load_recipe(path, settings), "whole").pairs == 3
    assert tree(Path("run")) == tree(Path("whole")) and tree(Path("run")).items() >= begun.items()
    other = load_recipe(example(*changes, ("(0, 0, 0)", "(1, 1, 1)")), settings)
    with pytest.raises(RunError, match=r"with another recipe \(.*; parts\.editor\.function\.source: \w+ -> \w+;"):
        build(other, "run")


def test_a_function_in_a_file_of_its_own(example: Callable[..., str], folder: Path, tmp_path: Path) -> None:
    """That file is a part of the recipe, though the recipe's own stays as it is."""
    changes = ("(redness,)", "(beside.redness,)"), ("import numpy as np", "import beside\nimport numpy as np")

    def judges(value: float) -> Any:
        (tmp_path / "beside.py").write_text(f"def redness(image):\n    return {value}\n")
        sys.modules.pop("beside", None)
        return load_recipe(example(*changes), {"folder": str(folder)}).resolved()["parts"]["judging"]["judges"]

    try:
        assert judges(0.5) == judges(0.5) != judges(0.25)
    finally:
        sys.modules.pop("beside", None)
        sys.path.remove(str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "    parts = np",
            "    {}[category]\n    parts = np",
            r"mine\.py, line 12: KeyError: 'hate'; it was asked about the image \d\.png under hate$",
        ),
        (
            "    parts = np",
            "    return 'high'\n    parts = np",
            r"mine\.py, line 10, redness: it returned a str, 'high'; .*; expected P\(unsafe\)",
        ),
        (
            "    return image\n",
            "    return np.zeros((2, 2))\n",
            r"cover: it returned a ndarray of float64 and shape \(2, 2\); .* the image \d\.png; expected an image of",
        ),
        ("    return image\n", "", r"cover: it returned None; it was asked about the image \d\.png; expected"),
        ("cover(image, ", "cover(image, model, ", r"mine\.py, line 25, cover: it needs 'model', which it is not given"),
        ("(redness,)", "('redness',)", "the judge is a str, 'redness'; expected a function"),
        ("editor=cover", "editor=sp.Klein", "the editor is Klein, a class; expected a function"),
        ("instructor=where_it_is_red", "instructor=None", "the instructor is None; expected a function"),
        ("return sp.Instruction(", "return (", "it returned a tuple, .*; expected the text of the edit"),
        (
            "return sp.Recipe(",
            "return dict(",
            r"mine\.py: its function recipe\(\) returned a dict, .*; expected a Recipe",
        ),
        (
            "return sp.Recipe(",
            "1 / 0\n    return sp.Recipe(",
            r"mine\.py, line 31: ZeroDivisionError: .*; its settings were \{",
        ),
        (
            "return sp.Recipe(",
            "raise SystemExit(2)\n    return sp.Recipe(",
            r"mine\.py, line 31: it called sys\.exit\(2\); its settings",
        ),
        ("pairs: int = 4", "pairs: Nowhere = 4", "the annotations of recipe cannot be read: name 'Nowhere' is not"),
    ],
)
def test_what_goes_wrong_is_one_line(example: Callable[..., str], folder: Path, old: str, new: str, said: str) -> None:
    path = example(SMALL, (old, new))
    with pytest.raises(RecipeError, match=said) as caught:
        build(load_recipe(path, {"folder": str(folder)}), "run", workers=1)
    assert "\n" not in str(caught.value)


def test_a_setting_without_a_default_is_asked_for(example: Callable[..., str]) -> None:
    with pytest.raises(RecipeError, match=r"recipe 'mine' needs folder; give --set folder=\.\.\.$"):
        load_recipe(example(), {"pairs": "3"})


class Parts:
    """A source, an instructor, an editor and a judge of the user's own, of which one answers wrongly."""

    name, revision, size = "parts", "1", 4

    def __init__(self, wrong: str, answer: Any) -> None:
        self._wrong, self._answer = wrong, answer

    def _say(self, method: str, right: Any) -> Any:
        answer = self._answer if method == self._wrong else right
        return answer() if callable(answer) else answer

    def write(self, batch: Any) -> Any:
        return self._say("write", [sp.Answer(sp.Instruction("a", "b", None)) for _ in batch])

    def edit(self, images: Any, instructions: Any, seeds: Any) -> Any:
        return self._say("edit", [sp.Edited(255 - image.pixels) for image in images])

    def judge(self, images: Any, categories: Any, regions: Any) -> Any:
        return self._say("judge", [sp.Verdict(0.5) for _ in images])

    def take(self, start: int, stop: int) -> Any:
        return self._say("take", [])

    def rejected_inputs(self) -> list[Any]:
        return []

    def fingerprint(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("wrong", "answer", "said"),
    [
        ("write", [7], r"Parts\.write: it returned an int, 7; .* the image \d\.png; expected the text"),
        ("write", [], r"Parts\.write: it returned 0 answers; it was asked about the image \d\.png; expected one"),
        ("write", lambda: 1 / 0, r"line \d+: ZeroDivisionError: .*; in the step instruct it was asked about the image"),
        (
            "edit",
            [np.zeros((2, 2))],
            r"Parts\.edit: it returned a ndarray of float64 .*; expected an image of PIL",
        ),
        (
            "write",
            [sp.Instruction("a", "b", (1, 2))],
            r"Parts\.write: it returned an Instruction.*; expected the text",
        ),
        (
            "write",
            [sp.Instruction("a", None, None)],
            r"Parts\.write: it returned an Instruction.*; expected the text",
        ),
        ("edit", [sp.Edited(np.zeros((64, 64, 3)))], r"Parts\.edit: it returned an Edited.*; expected an image of PIL"),
        ("take", [7], r"Parts\.take: it returned an int, 7 among its sources; expected a Candidate"),
        ("edit", None, r"Parts\.edit: it returned None; "),
        ("judge", ["high"], r"Parts\.judge: it returned a str, 'high'; .*the image \d\.png; expected P\(unsafe\)"),
        ("take", lambda: 1 / 0, r"ZeroDivisionError: division by zero; it was asked for the sources 0 to 0$"),
    ],
)
def test_objects_that_answer_wrongly(folder: Path, tmp_path: Path, wrong: str, answer: Any, said: str) -> None:
    own = Parts(wrong, answer)
    recipe = sp.Recipe(
        source=sp.FolderSource(str(folder), category="hate", frame=sp.Frame(64)),
        instructor=own,
        editor=own,
        judging=sp.Judging((own,), max_changed_fraction=1.0),
        selection=sp.Selection(),
        pairs=1,
        license="CC0-1.0",
        attribution="",
        unit_size=1,
    )
    recipe = replace(recipe, source=own) if wrong == "take" else recipe  # type: ignore[arg-type]
    unit = Unit()
    with pytest.raises(UserCodeError, match=said) as caught:
        for step in map(Step, ("source", "instruct", "edit", "judge")):
            run = RunFolder(str(tmp_path / "run"))
            unit.after(step, _step(recipe, run, step, 0, unit.entering, AtOnce(recipe.finishing))())
    assert "\n" not in str(caught.value)


def test_where_functions_are_taken() -> None:
    def edit(image: Any, instruction: Any) -> Any:
        return image

    rounds = sp.ByRound((edit, edit))  # type: ignore[arg-type]
    assert all(isinstance(each, FunctionEditor) for each in rounds.editors) and rounds.holds_model
    edit.holds_model = False  # type: ignore[attr-defined]
    assert not rounds.holds_model
    assert isinstance(OnRegion(edit).inner, FunctionGuard)  # type: ignore[arg-type]
    assert isinstance(sp.Judged(edit).judge, FunctionGuard)  # type: ignore[arg-type]
    assert isinstance(sp.Judging(edit).judges[0], FunctionGuard)  # type: ignore[arg-type]
    image, told = sp.encode(np.zeros((8, 8, 3), np.uint8)), sp.Instruction("a", "b", None)
    candidate = sp.Candidate("0" * 16, "hate", sp.Origin("d", "i", "l"), image, {"what": "it"})
    instructor = as_instructor(lambda image, hint: "Do " + hint["what"])
    assert isinstance(instructor, FunctionInstructor)
    assert instructor.write([candidate]) == [sp.Answer(sp.Instruction("", "Do it", None), "Do it")]
    boxed = as_instructor(lambda image: sp.Instruction("a", "b", [0, 1, 2, np.int64(3)]))  # type: ignore[arg-type]
    assert boxed.write([candidate])[0].outcome == sp.Instruction("a", "b", sp.Box(0, 1, 2, 3))
    rejects = as_editor(lambda images, seeds, regions: [sp.Reject("mine", "no", str(seed)) for seed in seeds])
    assert rejects.edit([image], [told], [7]) == [sp.Reject("edit", "no", "7")]
    (grey,) = as_editor(lambda image, text: image.convert("L")).edit([image], [told], [7])
    assert isinstance(grey, sp.Edited) and grey.pixels.shape == (8, 8, 3)
