"""Plain functions as the instructor and the editor of a recipe. For judges, see `FunctionGuard`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import (
    Answer,
    Box,
    Candidate,
    Edited,
    Editor,
    Instruction,
    Instructor,
    Picture,
    Reject,
)
from safetypairs_hf.core.user_function import OfFunction, UserFunction, kind_of, user_function
from safetypairs_hf.models.chat import as_pil
from safetypairs_hf.taxonomy.binding import AsksByTaxonomy

# Descriptions of valid answers, for messages.
INSTRUCTED: Final = "the text of the edit, an Instruction (texts, and a region of four whole numbers) or a Reject"
EDITED: Final = "an image of PIL, an array of (height, width, 3) uint8 RGB, an Edited or a Reject"
_TOLD: Final = ("image", "category", "policy", "hint", "feedback")
_SHOWN: Final = ("image", "instruction", "region", "seed")


@dataclass(frozen=True)
class FunctionInstructor(OfFunction, AsksByTaxonomy):
    """Instructions from `function(image)` or `function(image, category)`, with a PIL image and a slug.

    The function may also have the parameters `policy` (the text of the category's policy), `hint` (the source's labels)
    and `feedback` (why earlier attempts failed); with a parameter `images` it gets lists. It returns the text of the
    edit, an Instruction, or a Reject.
    """

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        _ = self._asked  # refuses an object that cannot be called

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        """Ask for an instruction for each candidate.

        Raises:
            UserCodeError: The function raises an error, or returns an invalid value.
        """
        offers: dict[str, Callable[[int], Any]] = {
            "image": lambda number: as_pil(batch[number].unsafe),
            "category": lambda number: batch[number].category,
            "policy": lambda number: self.taxonomy.policy(batch[number].category),
            "hint": lambda number: dict(batch[number].hint),
            "feedback": lambda number: batch[number].feedback,
        }
        names = [f"{candidate.unsafe.name} under {candidate.category}" for candidate in batch]
        return self._asked.ask(offers, names, read_answer, INSTRUCTED)

    @cached_property
    def _asked(self) -> UserFunction:
        return user_function(self.function, _TOLD)


@dataclass(frozen=True)
class FunctionEditor(OfFunction):
    """Edits from `function(image, instruction)`, with a PIL image and a text.

    The function may also have the parameters `region` (where the instructor wants the edit, or None) and `seed`; with a
    parameter `images` it gets lists. It returns a PIL image, an array of (height, width, 3) uint8 RGB, an Edited, or a
    Reject.
    """

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        _ = self._asked

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        """Edit each image.

        Raises:
            UserCodeError: The function raises an error, or returns an invalid value.
        """
        offers: dict[str, Callable[[int], Any]] = {
            "image": lambda number: as_pil(images[number]),
            "instruction": lambda number: instructions[number].text,
            "region": lambda number: instructions[number].region,
            "seed": seeds.__getitem__,
        }
        names = [image.name for image in images]
        return self._asked.ask(offers, names, read_edited, EDITED)

    @cached_property
    def _asked(self) -> UserFunction:
        return user_function(self.function, _SHOWN)


def as_instructor(part: Instructor | Callable[..., Any] | None) -> Instructor:
    """Return an instructor unchanged, and a function as a FunctionInstructor. Raises RecipeError for anything else."""
    found: Instructor = _as_part(part, "instructor", "write", FunctionInstructor, "(image, category)")
    return found


def as_editor(part: Editor | Callable[..., Any] | None) -> Editor:
    """Return an editor unchanged, and a function as a FunctionEditor. Raises RecipeError for anything else."""
    found: Editor = _as_part(part, "editor", "edit", FunctionEditor, "(image, instruction)")
    return found


def _as_part(part: Any, role: str, method: str, wrap: Callable[[Any], Any], called: str) -> Any:
    if isinstance(part, type) or not (hasattr(part, method) or callable(part)):
        raise RecipeError(
            f"the {role} is {part.__name__ + ', a class' if isinstance(part, type) else kind_of(part)}; expected a "
            f"function {called}, or an object with `name` and `{method}`"
        )
    return part if hasattr(part, method) else wrap(part)


def read_answer(value: Any) -> Answer:
    """Read an instructor's answer for one image. Raises TypeError if it is not one of INSTRUCTED."""
    if isinstance(value, Answer):
        return value._replace(outcome=_outcome(value.outcome))
    if isinstance(value, str) and value.strip():
        return Answer(_outcome(Instruction("", value, None)), value)
    return Answer(_outcome(value))


def _outcome(value: Any) -> Instruction | Reject:
    if isinstance(value, Reject):
        return _reject(value, "instruct")
    if not isinstance(value, Instruction):
        raise TypeError("no instruction")
    feature, text, region, *captions = value
    for each in (feature, text, *captions):
        _check_text(each)
    box = None if region is None else Box(*(operator.index(side) for side in region))
    return value._replace(region=box)


def read_edited(value: Any) -> Edited | Reject:
    """Read an editor's answer for one image. Raises TypeError if it is not one of EDITED."""
    import numpy as np
    from PIL import Image

    if isinstance(value, Reject):
        return _reject(value, "edit")
    edited = value if isinstance(value, Edited) else Edited(value)
    pixels: Any = edited.pixels
    if isinstance(pixels, Image.Image):
        pixels = np.asarray(pixels.convert("RGB"))
    elif isinstance(pixels, Picture):
        pixels = pixels.pixels
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise TypeError("no image")
    return edited._replace(pixels=np.ascontiguousarray(pixels))


def _reject(value: Reject, stage: str) -> Reject:
    for text in value[:3]:
        _check_text(text)
    return value._replace(stage=stage)


def _check_text(value: Any) -> None:
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError) as error:  # half a surrogate pair cannot be stored
        raise TypeError("no text") from error
