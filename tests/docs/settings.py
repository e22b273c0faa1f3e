"""What each page takes for granted: files that are there, names that a reader replaces, and numbers that are dear."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hosted_api import KEY, VARIABLES
from own_pairs import lay

from safetypairs_hf.guards.catalogue import list_guards
from safetypairs_hf.testing.tiny import chat_vlm, classifier
from safetypairs_hf.testing.tiny.guards import PROMPTS, tiny_guards

from .reference_pages import wrapped
from .stage import Stage, photographs

# What the clients of hosted services look for.
KEYS = {**dict.fromkeys(VARIABLES, KEY), "AWS_SECRET_ACCESS_KEY": KEY, "OPENAI_API_KEY": KEY}


def _small(name: str) -> str:
    """The folder of a guard's small model as a setting, and what makes its random answers do."""
    takes = {setting.name for each in list_guards() if each.name == name for setting in each.settings}
    return f"model=small/{name}{' --set least_mass=0' * ('least_mass' in takes)} --unreadable warn"


def _small_models() -> dict[str, str]:
    """A guard's command with the commit of its weights, or a folder -> the same with the folder of its small model."""
    found = {}
    for line in (line for each in list_guards() for line in each.example.splitlines()):
        folder = _small(line.split()[2])
        if "SHA" in line or "FOLDER" in line:
            typed = wrapped(line)
            found[typed] = typed.replace("commit=SHA", folder).replace("model=FOLDER", folder)
    return found


@dataclass(frozen=True)
class Setting:
    """How a page is run.

    Args:
        lay: puts what the page takes for granted into the folder in which it runs.
        places: text of the page -> what a reader puts there, or a smaller number.
        env: the environment, beside that of the stage.
        lay_dear: puts there what only its dear blocks take for granted.
    """

    lay: Callable[[Stage, Path], None] = lambda on, folder: None
    places: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    lay_dear: Callable[[Stage, Path], None] = lambda on, folder: None


def _photos(on: Stage, folder: Path) -> None:
    photographs(folder / "my-photos", ("guns", "house on fire"))


def _published(on: Stage, folder: Path) -> None:
    on.copy("safetypairs", folder)


def _run(on: Stage, folder: Path) -> None:
    on.copy("run", folder / "runs", "icons")


def _classifier(on: Stage, folder: Path) -> None:
    classifier.make(folder / "my-classifier")


def _for_evaluating(on: Stage, folder: Path) -> None:
    _published(on, folder)
    classifier.sees_red(folder / "my-classifier")
    chat_vlm.sees_red(folder / "my-model")
    prompts(folder)


def prompts(folder: Path) -> None:
    """Lay the prompts that the pages name; those that guards were trained on are on their models' pages."""
    for name, text in PROMPTS.items():
        (folder / f"{name}.txt").write_text(text)


def _for_guards(on: Stage, folder: Path) -> None:
    _published(on, folder)
    prompts(folder)
    (folder / "my_guard.py").write_text(_MY_GUARD)


def _models_of_guards(on: Stage, folder: Path) -> None:
    tiny_guards(folder / "small")
    shutil.copy(folder / "small" / "labels.yaml", folder)


# A guard that is a function and a command.
_MY_GUARD = """
import json
import sys


def judge(image, category):
    return image.size[0] % 7 / 7


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps({"p_unsafe": 0.5}))
"""


def _for_reports(on: Stage, folder: Path) -> None:
    """Two files of predictions and a run."""
    _run(on, folder)
    done = on.run(["-c", _TWO_FILES], folder)
    assert done.returncode == 0, done.stdout


_TWO_FILES = """
import pandas

import safetypairs_hf as sp

sp.evaluate(sp.guard("colour-and-clutter"), "my-org/safetypairs@1.2.0", "a.parquet")
pandas.read_parquet("a.parquet").drop(columns="raw").assign(score=0.9).to_csv("b.csv", index=False)
"""


def _for_probe(on: Stage, folder: Path) -> None:
    """A run of as many pairs as a probe takes, and what it publishes."""
    recipe = Path(__file__).parents[1] / "recipes" / "squares.py"
    for command in (
        f"safetypairs build {recipe} --out runs/icons --pairs 90",
        "safetypairs publish runs/icons ./my-pairs --version 1.0.0 --no-probe",
    ):
        done = on.run(command, folder)
        assert done.returncode == 0, done.stdout


def _for_layouts(on: Stage, folder: Path) -> None:
    tests = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {tests!r}); from importing import twins; twins.safe_edit_bench()"
    done = on.run(["-c", f"{code}.push_to_hub(twins.SAFE_EDIT_BENCH, split='test')"], folder)
    assert done.returncode == 0, done.stdout


def _for_training(on: Stage, folder: Path) -> None:
    photographs(folder / "my-training-images")
    chat_vlm.make(folder / "my-vlm")


def _for_importing(on: Stage, folder: Path) -> None:
    lay(folder / "photos", range(6))
    prompts(folder)


SETTINGS: dict[str, Setting] = {
    "docs/building.md": Setting(_photos),
    "docs/evaluating.md": Setting(_for_evaluating, {"commit=SHA": _small("llavaguard")}, lay_dear=_models_of_guards),
    "docs/guards.md": Setting(
        _for_guards, _small_models(), {**KEYS, "SAFETYPAIRS_EVALUATE_LIMIT": "2"}, _models_of_guards
    ),
    "docs/importing.md": Setting(_for_importing),
    "docs/integrations.md": Setting(_classifier),
    "docs/layouts.md": Setting(_for_layouts),
    "docs/localhub.md": Setting(_run),
    "docs/probe.md": Setting(_for_probe, {"my-org/safetypairs@1.2.0": "./my-pairs@1.0.0"}),
    "docs/report.md": Setting(_for_reports),
    "docs/review.md": Setting(_run, {"90 pairs": "30 pairs", "Cg4mQ5r2": "..."}),
    "docs/signs.md": Setting(places={"--pairs 1510": "--pairs 9 --set size=192 --set controls=false"}),
    "docs/spaces.md": Setting(_for_reports),
    "docs/training.md": Setting(
        _for_training,
        {
            "safetypairs train ": "safetypairs train --category hate --category violence ",
            "--set model=adapter": "--set model=adapter --set least_mass=0 --unreadable warn",
        },
    ),
}
