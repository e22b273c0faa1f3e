"""FLUX.1-Kontext-dev (Black Forest Labs): gated, for non-commercial use; about 34 GB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from safetypairs_hf.editors.base import Batch, PipelineEditor


@dataclass(frozen=True)
class Kontext(PipelineEditor):
    """FLUX.1-Kontext-dev as an editor."""

    LICENSE = "flux-1-dev-non-commercial-license"
    PIPELINE = "FluxKontextPipeline"

    model: str = "black-forest-labs/FLUX.1-Kontext-dev"
    steps: int = 28
    guidance: float = 2.5
    batch_size: int = 4
    max_sequence_length: int = 512
    name: str = "kontext"

    @property
    def _multiple(self) -> int:
        return int(self.pipeline.vae_scale_factor) * 2

    def _call(self, batch: Batch) -> Any:
        return self.pipeline(
            image=batch.images,
            prompt=batch.prompts,
            generator=batch.generators,
            width=batch.size.width,
            height=batch.size.height,
            max_area=batch.size.width * batch.size.height,
            _auto_resize=False,  # otherwise the pipeline writes 1024 x 1024, whatever it was given
            num_inference_steps=self.steps,
            guidance_scale=self.guidance,
            max_sequence_length=self.max_sequence_length,
        )
