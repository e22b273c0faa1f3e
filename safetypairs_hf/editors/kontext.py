"""FLUX.1-Kontext-dev (Black Forest Labs): gated, for non-commercial use; about 34 GB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.editors.base import Batch, PipelineEditor, Size
from safetypairs_hf.models.processors import count_tokens


@dataclass(frozen=True)
class Kontext(PipelineEditor):
    """FLUX.1-Kontext-dev as an editor.

    Args:
        release_text: Keep the text encoders (10 GB) in the machine's memory while images are edited, for a smaller card
            or larger batches. They are moved twice for each work unit.
    """

    LICENSE = "flux-1-dev-non-commercial-license"
    PIPELINE = "FluxKontextPipeline"
    _gives_latents = True
    _text_parts = ("text_encoder", "text_encoder_2")

    model: str = "black-forest-labs/FLUX.1-Kontext-dev"
    steps: int = 28
    guidance: float = 2.5
    batch_size: int = 4
    max_sequence_length: int = 512
    release_text: bool = False
    name: str = "kontext"

    def _tokens(self, prompt: str) -> tuple[int, int]:
        # T5 reads the whole prompt, and the model attends to its states. CLIP reads 77 tokens and gives one vector that
        # only scales and shifts, so a prompt that is longer there is still read.
        return count_tokens(self.pipeline.tokenizer_2, prompt), self.max_sequence_length

    def _call(self, batch: Batch, **settings: Any) -> Any:
        return super()._call(
            batch,
            width=batch.size.width,
            height=batch.size.height,
            max_area=batch.size.width * batch.size.height,
            _auto_resize=False,  # otherwise the pipeline draws 1024 x 1024 pixels for any input
            guidance_scale=self.guidance,
            max_sequence_length=self.max_sequence_length,
            **settings,
        )

    def _embedding(self, prompt: str) -> Mapping[str, Any]:
        embeds, pooled, _ = self.pipeline.encode_prompt([prompt], max_sequence_length=self.max_sequence_length)
        return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}

    def _decodable(self, latents: Any, drawn: Size) -> Any:
        config = self.pipeline.vae.config
        return self._unpacked(latents, drawn) / config.scaling_factor + config.shift_factor
