"""Work on images that needs no model: decoding before the model, and finishing, encoding and hashing after it.

Other processes do this work while the model works. This module imports only what these processes need, because each of
them waits for the imports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from safetypairs_hf.building.preservation import Perceptual, Preserving
from safetypairs_hf.core.ids import content_id
from safetypairs_hf.core.pictures import encode, perceptual_hash, sha256
from safetypairs_hf.core.records import Box, Distance, Identity, Picture, Pixels, Preservation
from safetypairs_hf.core.user_code import telling

Given = ParamSpec("Given")
Result = TypeVar("Result")


class FinishedEdit(NamedTuple):
    """The safe member of a pair as it will be published, and what the edit changed."""

    safe: Picture
    edit_box: Box | None
    preservation: Preservation | None


@dataclass(frozen=True)
class Finishing:
    """Finishes images by the preservation rule and the encoder of a recipe.

    Args:
        preservation: The rule that finishes and measures an edited image.
        encoder: The writer of PNG files; see `core.pictures.ENCODERS`.
        keeps_pixels: Whether an encoded image keeps its pixels, for the next step.
    """

    preservation: Preserving
    encoder: str
    keeps_pixels: bool = True

    @property
    def holds_model(self) -> bool:
        return bool(getattr(self.preservation, "holds_model", False))

    def without_models(self) -> Finishing | None:
        """Return the part that needs no model, for another process; None if that is not known.

        It leaves out the measures of the rule. Only if there are any, pixels are sent back.
        """
        rule = self.preservation
        if not self.holds_model:
            return replace(self, keeps_pixels=False)
        return replace(self, preservation=replace(rule, measures=())) if isinstance(rule, Perceptual) else None

    def edit(self, before: Pixels, after: Pixels, baseline: Pixels | None, name: str) -> FinishedEdit:
        """Finish an edited image, encode it, and measure what changed.

        Args:
            before: The unsafe member, (height, width, 3) uint8 RGB.
            after: The result of the editor, of the same shape.
            baseline: The unsafe member after the editor's round trip; None if there is none.
            name: The image's name in messages.

        Raises:
            UserCodeError: A rule written by the user raised an error.
        """
        rule = self.preservation
        with telling(about=f"it was asked about {name}"):
            if type(rule) is Perceptual:  # a subclass may have another `finish` or `measure`
                finished, box, preservation = rule.finish_and_measure(before, after, baseline)
            else:
                finished = rule.finish(before, after, baseline)
                box, preservation = rule.measure(before, finished, baseline)
        return FinishedEdit(self.encoded(finished), box, preservation)

    def measured(self, before: Pixels, found: FinishedEdit) -> FinishedEdit:
        """Add the measures that `without_models` left out."""
        rule = self.preservation
        if found.preservation is None or not isinstance(rule, Perceptual):
            return found
        more = (Distance(each.name, each.distance(before, found.safe.pixels)) for each in rule.measures)
        distances = (*found.preservation.distances, *more)
        return found._replace(preservation=found.preservation._replace(distances=distances))

    def encoded(self, pixels: Pixels) -> Picture:
        """Encode an image of the run."""
        picture = encode(pixels, self.encoder)
        return picture if self.keeps_pixels else Picture(picture.data)

    def decoded(self, data: bytes) -> Pixels:
        """Decode an image for the model."""
        return Picture(data).pixels

    def identified(self, unsafe: Picture, safe: Picture, category: str, family: str) -> Identity:
        """Hash both members of a pair."""
        return identify(unsafe, safe, category, family)


class CpuWork(Protocol):
    """Runs the methods of a `Finishing`: in this thread, in another one, or in other processes."""

    @property
    def partial(self) -> bool:
        """Whether it runs `Finishing.without_models`, so that `measured` must be called afterwards."""
        ...

    def expect(self, pictures: Sequence[Picture]) -> None:
        """Prepare for work on such pictures."""
        ...

    def submit(
        self, task: Callable[Concatenate[Finishing, Given], Result], *args: Given.args, **options: Given.kwargs
    ) -> Future[Result]:
        """Call a method of the `Finishing`. Its errors are raised by the future's `result`."""
        ...


@dataclass(frozen=True)
class AtOnce:
    """Runs the work in the calling thread, before `submit` returns."""

    finishing: Finishing
    partial: bool = False

    def expect(self, pictures: Sequence[Picture]) -> None:
        """Do nothing: there is nothing to prepare."""

    def submit(
        self, task: Callable[Concatenate[Finishing, Given], Result], *args: Given.args, **options: Given.kwargs
    ) -> Future[Result]:
        done: Future[Result] = Future()
        done.set_result(task(self.finishing, *args, **options))
        return done


def identify(unsafe: Picture, safe: Picture, category: str, family: str) -> Identity:
    """Return the identity of a pair. Its id is a content hash of both files and the category."""
    files = sha256(unsafe.data), sha256(safe.data)
    return Identity(content_id(*files, category), *files, perceptual_hash(unsafe), perceptual_hash(safe), family)
