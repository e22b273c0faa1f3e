"""Measure the distance of two images to a vision model: how much an edit changed besides what it should."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from safetypairs_hf.core.records import Pixels
from safetypairs_hf.models.image_features import check_vision, load_vision, pooled
from safetypairs_hf.models.loading import check_packages, check_weights, let_go, pick_device, revision_of


@dataclass(frozen=True)
class EmbeddingDistance:
    """1 minus the cosine of two images' embeddings, from 0.0 (equal) to 2.0.

    Args:
        model: The folder or Hub id of a `transformers` vision model (DINOv2, CLIP, SigLIP, ViT, ...) with its image
            processor; for a model of images and text, the image encoder is used.
        revision: The commit, for a Hub id.
        device: "auto" is a GPU if there is one. The model always runs in float32, because the differences are small.
        name: The name under which the distance is stored with a pair.

    Raises:
        SafetyPairsError: A Hub id has no revision; on first use, the model is not a vision model.
    """

    model: str
    revision: str | None = None
    device: str = "auto"
    name: str = "embedding"

    holds_model: bool = field(default=True, init=False, compare=False)

    def __post_init__(self) -> None:
        revision_of(self.model, self.revision)

    def check_model(self) -> None:
        """Check the model without loading it. Raises SafetyPairsError if there is none."""
        check_packages(self.model, ("torch", "transformers"))
        check_vision(self.model, self.revision)
        check_weights(self.model)

    def distance(self, before: Pixels, after: Pixels) -> float:
        """Return the distance of two images of any shapes, (height, width, 3) uint8."""
        import torch

        processor, model = self._loaded
        pixels = [processor(images=image, return_tensors="pt")["pixel_values"] for image in (before, after)]
        with torch.inference_mode():
            one, other = (pooled(model, each.to(model.device)).flatten().double() for each in pixels)
            cosine = torch.nn.functional.cosine_similarity(one, other, dim=0)
        return max(0.0, 1.0 - float(cosine))

    def release(self) -> None:
        """Free the model and its memory; the next use loads it again."""
        let_go(self, "_loaded")

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        processor, model = load_vision(self.model, self.revision)
        return processor, model.to(pick_device(self.device)).eval()
