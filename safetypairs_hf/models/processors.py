"""Load processors and tokenizers, one per thread and without video support, and count the tokens of a text.

Processors of models that also accept videos need torchvision for the videos, and transformers cannot load them without
it. Guards and instructors only process images, so these processors are loaded without their video part.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from safetypairs_hf.core.errors import SafetyPairsError


class Copies:
    """Copies of a processor, as many as threads use at once.

    The padding of a tokenizer is set before each use, so threads that shared one would change each other's setting.
    """

    def __init__(self, processor: Any) -> None:
        self._kept = copy.deepcopy(processor)  # never used itself, so it can be copied at any time
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[Any]:
        """Lend a copy that no other thread uses meanwhile."""
        with self._lock:
            mine = self._idle.pop() if self._idle else copy.deepcopy(self._kept)
        try:
            yield mine
        finally:
            self._idle.append(mine)


def count_tokens(tokenizer: Any, text: str) -> int:
    """Return the number of tokens of a text, with the special ones that the tokenizer adds."""
    return len(tokenizer(text, truncation=False, verbose=False)["input_ids"])


def load_processor(model: str, commit: str | None) -> Any:
    """Load the processor that AutoProcessor would load, without its video part.

    Raises:
        SafetyPairsError: Its image part needs torchvision too, which is not installed.
    """
    from transformers import AutoProcessor

    kind = _class_of(model, commit)
    takes_videos = kind is not None and "video_processor" in kind.get_attributes()
    try:
        return (images_only(kind) if takes_videos else AutoProcessor).from_pretrained(model, revision=commit)
    except ImportError as error:
        if "torchvision" not in str(error).lower():
            raise
        raise SafetyPairsError(f"the image processor of {model} needs torchvision; pip install torchvision") from error


def resizing_of(processor: Any) -> tuple[int, int, int] | None:
    """Return how a processor resizes images, if it works like those of the Qwen models.

    Returns:
        The divisor of both sides, and the smallest and largest number of pixels.
    """
    images = processor.image_processor
    size = getattr(images, "size", None) or {}
    least, most = (getattr(size, name, None) or dict(size).get(name) for name in ("shortest_edge", "longest_edge"))
    merge = getattr(images, "merge_size", None)
    return (images.patch_size * merge, least, most) if merge == 2 and least and most else None


def _class_of(model: str, commit: str | None) -> Any:
    """Return the class of a model's processor, by its own file if the model is a part of another; None if unknown."""
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    kind = PROCESSOR_MAPPING.get(type(transformers.AutoConfig.from_pretrained(model, revision=commit)), None)
    if kind is None:
        try:
            found, _ = transformers.ProcessorMixin.get_processor_dict(model, revision=commit)
        except OSError:  # no such file
            return None
        kind = getattr(transformers, str(found.get("processor_class")), None)
    return kind


@cache
def images_only(kind: type) -> Any:
    """Return the same processor class without its video part."""
    from transformers import ProcessorMixin

    every: list[str] = kind.get_attributes()  # type: ignore[attr-defined]

    class WithoutVideos(ProcessorMixin):  # type: ignore[misc]
        """A base class below `kind`, which passes its parts by position, perhaps with the video part."""

        def __init__(self, *parts: Any, **named: Any) -> None:
            named |= dict(zip(every, parts, strict=False))
            named.pop("video_processor", None)
            super().__init__(**named)

    class ImagesOnly(kind, WithoutVideos):  # type: ignore[misc]
        video_processor = None

        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in every if name != "video_processor"]

        @classmethod
        def from_args_and_dict(cls, args: Any, processor_dict: Any, **kwargs: Any) -> Any:
            parts = list(args)
            parts.insert(every.index("video_processor"), None)
            return super().from_args_and_dict(parts, processor_dict, **kwargs)

    ImagesOnly.__name__ = ImagesOnly.__qualname__ = kind.__name__  # the name under which it is saved
    return ImagesOnly
