"""Plain functions as the instructor and the editor of a recipe. A function as a judge is a `FunctionGuard`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import (
    Answer,
    Candidate,
    Edited,
    Editor,
    Instruction,
    Instructor,
    Picture,
    Reject,
)
from safetypairs_hf.core.user_function import UserFunction, kind_of, name_of, revision_of, user_function
from safetypairs_hf.models.chat import as_pil
from safetypairs_hf.taxonomy.binding import AsksByTaxonomy

_TOLD: Final = ("image", "category", "policy", "hint", "feedback")
_SHOWN: Final = ("image", "instruction", "region", "seed")


class _OfFunction:
    """What both parts are known by. They are taken to hold a model, unless the function says `holds_model = False`."""

    function: Callable[..., Any]

    @property
    def name(self) -> str:
        return name_of(self.function)

    @cached_property
    def revision(self) -> str:
        return revision_of(self.function)

    @property
    def holds_model(self) -> bool:
        return bool(getattr(self.function, "holds_model", True))


@dataclass(frozen=True)
class FunctionInstructor(_OfFunction, AsksByTaxonomy):
    """Instructions by `function(image)` or `function(image, category)`: of an image of PIL and a slug.

    It may also take `policy` (the category's text), `hint` (what the source's labels say) and `feedback` (why earlier
    attempts failed); one that takes `images` gets lists. It returns the text of the edit, an Instruction, or a Reject.
    """

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        _ = self._asked  # what cannot be called is refused when it is given

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        """Ask for an instruction for each candidate.

        Raises:
            UserCodeError: the function raises something, or returns something else.
        """
        offers: dict[str, Callable[[int], Any]] = {
            "image": lambda number: as_pil(batch[number].unsafe),
            "category": lambda number: batch[number].category,
            "policy": lambda number: self.taxonomy.policy(batch[number].category),
            "hint": lambda number: dict(batch[number].hint),
            "feedback": lambda number: batch[number].feedback,
        }
        names = [f"{candidate.unsafe.name} under {candidate.category}" for candidate in batch]
        return self._asked.ask(offers, names, _as_answer, "the text of the edit, an Instruction, an Answer or a Reject")

    @cached_property
    def _asked(self) -> UserFunction:
        return user_function(self.function, _TOLD)


@dataclass(frozen=True)
class FunctionEditor(_OfFunction):
    """Edits by `function(image, instruction)`: of an image of PIL and a text.

    It may also take `region` (where the instructor wants the edit, or None) and `seed`; one that takes `images` gets
    lists. It returns an image of PIL, an array of (height, width, 3) uint8 RGB, an Edited, or a Reject.
    """

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        _ = self._asked

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        """Edit each image.

        Raises:
            UserCodeError: the function raises something, or returns something else.
        """
        offers: dict[str, Callable[[int], Any]] = {
            "image": lambda number: as_pil(images[number]),
            "instruction": lambda number: instructions[number].text,
            "region": lambda number: instructions[number].region,
            "seed": seeds.__getitem__,
        }
        names = [image.name for image in images]
        expected = "an image of PIL, an array of (height, width, 3) uint8 RGB, an Edited or a Reject"
        return self._asked.ask(offers, names, _as_edited, expected)

    @cached_property
    def _asked(self) -> UserFunction:
        return user_function(self.function, _SHOWN)


def as_instructor(part: Instructor | Callable[..., Any]) -> Instructor:
    """Return an instructor as it is, and a function as a FunctionInstructor. Raises RecipeError where it is neither."""
    found: Instructor = _as_part(part, "instructor", "write", FunctionInstructor, "(image, category)")
    return found


def as_editor(part: Editor | Callable[..., Any]) -> Editor:
    """Return an editor as it is, and a function as a FunctionEditor. Raises RecipeError where it is neither."""
    found: Editor = _as_part(part, "editor", "edit", FunctionEditor, "(image, instruction)")
    return found


def _as_part(part: Any, role: str, method: str, wrap: Callable[[Any], Any], called: str) -> Any:
    if isinstance(part, type) or not (hasattr(part, method) or callable(part)):
        raise RecipeError(
            f"the {role} is {part.__name__ + ', a class' if isinstance(part, type) else kind_of(part)}; expected a "
            f"function {called}, or an object with `name` and `{method}`"
        )
    return part if hasattr(part, method) else wrap(part)


def _as_answer(value: Any) -> Answer:
    if isinstance(value, Answer):
        return value
    if isinstance(value, Instruction | Reject):
        return Answer(value)
    if not isinstance(value, str) or not value.strip():
        raise TypeError("no instruction")
    return Answer(Instruction("", value, None), value)


def _as_edited(value: Any) -> Edited | Reject:
    import numpy as np
    from PIL import Image

    if isinstance(value, Edited | Reject):
        return value
    if isinstance(value, Image.Image):
        return Edited(np.asarray(value.convert("RGB")))
    if isinstance(value, Picture):
        return Edited(value.pixels)
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3:
        return Edited(np.ascontiguousarray(value))
    raise TypeError("no image")
