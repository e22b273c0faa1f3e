"""The processor of a chat model, where videos need a package that images do not.

The processors of models that also take videos want torchvision for those, and without it transformers loads nothing of
them. Guards and instructors are shown images alone, so these processors are loaded without their video part.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from safetypairs_hf.errors import SafetyPairsError


def load_processor(model: str, commit: str | None) -> Any:
    """AutoProcessor's, without what reads videos.

    Raises:
        SafetyPairsError: its images need torchvision, too, and there is none.
    """
    from transformers import AutoConfig, AutoProcessor
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    kind = PROCESSOR_MAPPING.get(type(AutoConfig.from_pretrained(model, revision=commit)), None)
    takes_videos = kind is not None and "video_processor" in kind.get_attributes()
    try:
        return (images_only(kind) if takes_videos else AutoProcessor).from_pretrained(model, revision=commit)
    except ImportError as error:
        if "torchvision" not in str(error).lower():
            raise
        raise SafetyPairsError(f"the image processor of {model} needs torchvision; pip install torchvision") from error


@cache
def images_only(kind: type) -> Any:
    """The same processor class without its video part."""

    class ImagesOnly(kind):  # type: ignore[misc]
        video_processor = None

        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in kind.get_attributes() if name != "video_processor"]  # type: ignore[attr-defined]

    ImagesOnly.__name__ = ImagesOnly.__qualname__ = kind.__name__  # it is saved under this name
    return ImagesOnly
