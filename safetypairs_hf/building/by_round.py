"""Other editors for other rounds: what one could not do, another may, or the same one with more steps or guidance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from safetypairs_hf.errors import RecipeError
from safetypairs_hf.records import Candidate, Editor


@dataclass(frozen=True)
class ByRound:
    """Stands for the editor in a recipe: `editors[0]` edits in the first round, the last one in all that are left.

    One is held at a time: asking for another lets go of the last. Rows name the one that made them.

    Raises:
        RecipeError: no editors.
    """

    editors: tuple[Editor, ...]

    def __post_init__(self) -> None:
        if not self.editors:
            raise RecipeError("ByRound(()): give at least one editor")

    @property
    def holds_model(self) -> bool:
        return any(getattr(editor, "holds_model", False) for editor in self.editors)

    def of_round(self, number: int) -> Editor:
        """The editor of a round, counted from 0."""
        chosen = self.editors[min(number, len(self.editors) - 1)]
        for other in self.editors:
            if other is not chosen:
                _release(other)
        return chosen

    def release(self) -> None:
        """Let go of every editor's model."""
        for editor in self.editors:
            _release(editor)


def editors_of(editor: Editor | ByRound) -> tuple[Editor, ...]:
    """Every editor of a recipe."""
    return editor.editors if isinstance(editor, ByRound) else (editor,)


def with_editor(editor: Editor | ByRound, items: Sequence[Candidate]) -> Iterator[tuple[Editor, list[Candidate]]]:
    """The candidates of each round with the editor of that round, in the order of the rounds."""
    for number, found in groupby(sorted(items, key=_round), key=_round):
        yield editor.of_round(number) if isinstance(editor, ByRound) else editor, list(found)


def _round(candidate: Candidate) -> int:
    return candidate.round


def _release(editor: Editor) -> None:
    if hasattr(editor, "release"):
        editor.release()
