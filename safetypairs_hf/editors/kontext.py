"""FLUX.1-Kontext-dev (Black Forest Labs): gated, for non-commercial use; about 34 GB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from safetypairs_hf.editors.base import Batch, PipelineEditor


@dataclass(frozen=True)
class Kontext(PipelineEditor):
    """An editor; see `records.Editor`.

    Args:
        model: a folder, or a Hub id with `commit`.
        batch_size: images in a batch. A batch of 4 differs from single calls by at most 1 level of 255
            (0.002% of the values; benchmarks/batching.py, small weights, a CPU in float32; on a GPU not measured).
    """

    LICENSE = "flux-1-dev-non-commercial-license"
    PIPELINE = "FluxKontextPipeline"

    model: str = "black-forest-labs/FLUX.1-Kontext-dev"
    commit: str | None = None
    steps: int = 28
    guidance: float = 2.5
    batch_size: int = 4
    max_sequence_length: int = 512
    device: str = "auto"
    name: str = "kontext"
    holds_model: bool = True

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
