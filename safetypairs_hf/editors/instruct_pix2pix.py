"""InstructPix2Pix (Brooks, Holynski and Efros, 2022): old and small, for quick tries; its licence is not confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from safetypairs_hf.editors.base import Batch, PipelineEditor, Size


@dataclass(frozen=True)
class InstructPix2Pix(PipelineEditor):
    """InstructPix2Pix as an editor."""

    LICENSE = "unknown"
    PIPELINE = "StableDiffusionInstructPix2PixPipeline"
    _gives_latents = True
    _takes_attention = False

    model: str = "timbrooks/instruct-pix2pix"
    steps: int = 20
    guidance: float = 7.5
    image_guidance: float = 1.5
    batch_size: int = 8
    name: str = "instruct-pix2pix"

    @property
    def _multiple(self) -> int:
        return max(8, int(self.pipeline.vae_scale_factor))

    def _call(self, batch: Batch, **settings: Any) -> Any:
        return super()._call(
            batch,
            guidance_scale=self.guidance,
            image_guidance_scale=self.image_guidance,
            **settings,
        )

    def _load(self, **options: Any) -> Any:
        return super()._load(safety_checker=None, **options)

    def _decodable(self, latents: Any, drawn: Size) -> Any:
        return latents / self.pipeline.vae.config.scaling_factor
