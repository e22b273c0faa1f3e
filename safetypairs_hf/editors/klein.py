"""FLUX.2-klein (Black Forest Labs, Apache-2.0): four steps, about 13 GB; the default editor.

The pipeline takes a list of images as references that all prompts share. Here every prompt has its own image: the
images are encoded as a batch, and one grid of position ids serves them all, as for a single image.

The pipeline also shrinks every reference of more than 1024 x 1024 pixels to about that area, and draws the edit at the
size that was asked for. Here a reference keeps its size. (The model's own code shrinks a single one only above 2024 x
2024 pixels: `encode_image_refs` of github.com/black-forest-labs/flux2.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from safetypairs_hf.editors.base import Batch, PipelineEditor, Size
from safetypairs_hf.models.processors import count_tokens


@dataclass(frozen=True)
class Klein(PipelineEditor):
    """FLUX.2-klein as an editor; see `records.Editor`.

    Args:
        guidance: The distilled model was trained for 1.0.
        text_layers: The layers of the text encoder whose states are the prompt's embedding.
        release_text: Keep the text encoder (8 GB) in the machine's memory while images are edited, for a smaller card
            or larger batches. It is moved twice for each work unit.
    """

    LICENSE = "apache-2.0"
    PIPELINE = "Flux2KleinPipeline"
    _gives_latents = True
    _text_parts = ("text_encoder",)

    model: str = "black-forest-labs/FLUX.2-klein-4B"
    steps: int = 4
    guidance: float = 1.0
    batch_size: int = 8
    max_sequence_length: int = 512
    text_layers: tuple[int, ...] = (9, 18, 27)
    release_text: bool = False
    name: str = "klein"

    def _tokens(self, prompt: str) -> tuple[int, int]:
        tokenizer = self.pipeline.tokenizer
        asked = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return count_tokens(tokenizer, asked), self.max_sequence_length

    def _call(self, batch: Batch, **settings: Any) -> Any:
        return super()._call(
            batch,
            width=batch.size.width,
            height=batch.size.height,
            guidance_scale=self.guidance,
            max_sequence_length=self.max_sequence_length,
            text_encoder_out_layers=self.text_layers,
            **settings,
        )

    def _embedding(self, prompt: str) -> Mapping[str, Any]:
        embed = partial(
            self.pipeline.encode_prompt,
            max_sequence_length=self.max_sequence_length,
            text_encoder_out_layers=self.text_layers,
        )
        made = {"prompt_embeds": embed([prompt])[0]}
        if self.guidance > 1 and not self.pipeline.config.is_distilled:
            made["negative_prompt_embeds"] = embed([""])[0]
        return made

    def _decodable(self, latents: Any, drawn: Size) -> Any:
        return latents  # the pipeline unpacks and scales them itself

    def prepared(self, pipeline: Any) -> Any:
        made = _batched()(**pipeline.components, is_distilled=pipeline.config.is_distilled)
        made.image_processor._resize_to_target_area = lambda image, area: image  # no shrinking
        return super().prepared(made)


def _batched() -> Any:
    """Return the pipeline's class, changed to use one image for each prompt."""
    import torch
    from diffusers import Flux2KleinPipeline

    class Batched(Flux2KleinPipeline):  # type: ignore[misc]
        def prepare_image_latents(
            self, images: list[Any], batch_size: int, generator: Any, device: Any, dtype: Any
        ) -> tuple[Any, Any]:
            if len(images) != batch_size:
                raise ValueError(f"{len(images)} images for {batch_size} prompts")
            pixels = torch.cat(images).to(device=self.vae.device, dtype=dtype)
            latents = self._encode_vae_image(image=pixels, generator=generator)
            ids = self._prepare_image_ids([latents[:1]]).repeat(batch_size, 1, 1)
            return self._pack_latents(latents).to(device), ids.to(device)

    return Batched
