"""Processors and tokenizers: one for each thread, without what reads videos, and how many tokens a text has.

The processors of models that also take videos want torchvision for those, and without it transformers loads nothing of
them. Guards and instructors are shown images alone, so these processors are loaded without their video part.
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
    """A processor for every thread that wants one: copies, as many as are in use at once.

    A tokenizer is set to pad or not to before each use, so threads that share one undo each other's setting.
    """

    def __init__(self, processor: Any) -> None:
        self._kept = copy.deepcopy(processor)  # nobody uses it, so it can be copied at any time
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[Any]:
        """One that no other thread has meanwhile."""
        with self._lock:
            mine = self._idle.pop() if self._idle else copy.deepcopy(self._kept)
        try:
            yield mine
        finally:
            self._idle.append(mine)


def count_tokens(tokenizer: Any, text: str) -> int:
    """How many tokens a text has, with the special ones that the tokenizer adds."""
    return len(tokenizer(text, truncation=False, verbose=False)["input_ids"])


def load_processor(model: str, commit: str | None) -> Any:
    """AutoProcessor's, without what reads videos.

    Raises:
        SafetyPairsError: its images need torchvision, too, and there is none.
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
    """How a processor resizes images, where it does as those of the Qwen models.

    Returns:
        The number that both sides are a multiple of, and the least and the most pixels in all.
    """
    images = processor.image_processor
    size = getattr(images, "size", None) or {}
    least, most = (getattr(size, name, None) or dict(size).get(name) for name in ("shortest_edge", "longest_edge"))
    merge = getattr(images, "merge_size", None)
    return (images.patch_size * merge, least, most) if merge == 2 and least and most else None


def _class_of(model: str, commit: str | None) -> Any:
    """The class of a model's processor; by its own file where its model is a part of another one. None: not known."""
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
    """The same processor class without its video part."""
    from transformers import ProcessorMixin

    every: list[str] = kind.get_attributes()  # type: ignore[attr-defined]

    class WithoutVideos(ProcessorMixin):  # type: ignore[misc]
        """Stands below `kind`, which hands over its parts by their places, the video part perhaps among them."""

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

    ImagesOnly.__name__ = ImagesOnly.__qualname__ = kind.__name__  # it is saved under this name
    return ImagesOnly
