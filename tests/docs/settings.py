"""What each page takes for granted: files that are there, names that a reader replaces, and numbers that are dear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from own_pairs import lay

from safetypairs_hf.testing.tiny import chat_vlm, classifier
from safetypairs_hf.testing.tiny.guards import PROMPTS

from .stage import Stage, photographs


@dataclass(frozen=True)
class Setting:
    """How a page is run.

    Args:
        lay: puts what the page takes for granted into the folder in which it runs.
        places: text of the page -> what a reader puts there, or a smaller number.
        env: the environment, beside that of the stage.
    """

    lay: Callable[[Stage, Path], None] = lambda on, folder: None
    places: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)


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


SETTINGS: dict[str, Setting] = {
    "docs/localhub.md": Setting(_run),
    "docs/evaluating.md": Setting(_for_evaluating),
    "docs/importing.md": Setting(lambda on, folder: lay(folder / "photos", range(6)) and None),
    "docs/integrations.md": Setting(_classifier),
}
