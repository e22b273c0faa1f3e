"""InstructPix2Pix (Brooks, Holynski and Efros, 2022): old and small, for quick tries; its licence is not confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from safetypairs_hf.core.records import Edited, Instruction, Picture, Pixels, Reject
from safetypairs_hf.editors.base import Item, Size, edit_in_batches, load_pipeline, round_trip
from safetypairs_hf.models.loading import let_go, revision_of

LICENSE = "unknown"


@dataclass(frozen=True)
class InstructPix2Pix:
    """An editor; see `records.Editor`.

    Args:
        model: a folder, or a Hub id with `commit`.
        batch_size: images in a batch. A batch of 8 differs from single calls by at most 1 level of 255
            (0.01% of the values; benchmarks/batching.py, small weights, a CPU in float32; on a GPU not measured).
    """

    model: str = "timbrooks/instruct-pix2pix"
    commit: str | None = None
    steps: int = 20
    guidance: float = 7.5
    image_guidance: float = 1.5
    batch_size: int = 8
    device: str = "auto"
    name: str = "instruct-pix2pix"
    holds_model: bool = True

    @cached_property
    def revision(self) -> str:
        return revision_of(self.model, self.commit)

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        return edit_in_batches(
            images, instructions, seeds, self._run, batch_size=self.batch_size, multiple=self._multiple
        )

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        return round_trip(self._pipeline.vae, images, multiple=self._multiple, batch_size=self.batch_size)

    def release(self) -> None:
        let_go(self, "_pipeline")

    @property
    def _multiple(self) -> int:
        return max(8, int(self._pipeline.vae_scale_factor))

    def _run(self, batch: Sequence[Item], size: Size) -> Sequence[Pixels]:
        import numpy as np
        import torch

        with torch.inference_mode():
            made = self._pipeline(
                image=[item.image for item in batch],
                prompt=[item.prompt for item in batch],
                generator=[item.generator for item in batch],
                num_inference_steps=self.steps,
                guidance_scale=self.guidance,
                image_guidance_scale=self.image_guidance,
            )
        return [np.asarray(image) for image in made.images]

    @cached_property
    def _pipeline(self) -> Any:
        kind = "StableDiffusionInstructPix2PixPipeline"
        return load_pipeline(self.model, self.commit, kind, self.device, safety_checker=None)
