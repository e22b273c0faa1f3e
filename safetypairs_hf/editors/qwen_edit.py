"""Qwen-Image-Edit and its Plus versions (Alibaba, Apache-2.0): about 60 GiB for an image of a megapixel.

The pipelines show the model every image at about a megapixel, whatever its size. An edit at another size is shifted
and scaled against what it was made of, so edits are made at that size too, and brought back to the image's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.core.records import Pixels
from safetypairs_hf.editors.base import Batch, PipelineEditor, Size


@dataclass(frozen=True)
class QwenEditor(PipelineEditor):
    """What the two Qwen editors share: the processor, and the size at which the autoencoder sees an image.

    Args:
        guidance: how much more the prompt counts than an empty one; above 1 each step runs the model twice.
    """

    LICENSE = "apache-2.0"
    # Images go in as they are. A batch is of one size exactly: the pipeline stretches every image to the first's shape.
    _least = 1

    steps: int = 50
    guidance: float = 4.0

    @property
    def _multiple(self) -> int:
        return 1

    def _load(self, **options: Any) -> Any:
        return super()._load(processor=_load_processor(self.model, self.commit), **options)

    def _decoded(self, images: Sequence[Any], size: Size) -> list[Pixels]:
        import numpy as np
        import torch

        vae, processor = self.pipeline.vae, self.pipeline.image_processor
        width, height = _working_size(size)
        pixels = processor.preprocess(list(images), height, width).unsqueeze(2).to(vae.device, vae.dtype)
        with torch.inference_mode():
            decoded = vae.decode(vae.encode(pixels).latent_dist.mode(), return_dict=False)[0][:, :, 0]
        return [np.asarray(image) for image in processor.postprocess(decoded, output_type="pil")]


@dataclass(frozen=True)
class QwenEdit(QwenEditor):
    """Qwen-Image-Edit, which edits in batches."""

    PIPELINE = "QwenImageEditPipeline"

    model: str = "Qwen/Qwen-Image-Edit"
    batch_size: int = 2
    name: str = "qwen-image-edit"

    def _call(self, batch: Batch, **settings: Any) -> Any:
        # Without a negative prompt the pipeline does not guide.
        empty = [" "] * len(batch.prompts) if self.guidance > 1 else None
        return super()._call(batch, negative_prompt=empty, true_cfg_scale=self.guidance, **settings)


@dataclass(frozen=True)
class QwenEditPlus(QwenEditor):
    """Qwen-Image-Edit-2509 and -2511.

    The pipeline takes the images of a call as references for one prompt, so every image has a call of its own.
    """

    PIPELINE = "QwenImageEditPlusPipeline"

    model: str = "Qwen/Qwen-Image-Edit-2511"
    steps: int = 40
    name: str = "qwen-image-edit-plus"

    def _call(self, batch: Batch, **settings: Any) -> Any:
        return self.pipeline(
            image=batch.images,
            prompt=batch.prompts[0],
            negative_prompt=" " if self.guidance > 1 else None,  # without one the pipeline does not guide
            generator=batch.generators[0],
            num_inference_steps=self.steps,
            true_cfg_scale=self.guidance,
            **settings,
        )


def image_processor_class() -> Any:
    """Qwen2-VL's processor without its part for videos, which alone needs torchvision."""
    from transformers import Qwen2VLProcessor
    from transformers.processing_utils import ProcessorMixin

    class ImagesOnly(Qwen2VLProcessor):  # type: ignore[misc]
        def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None):
            self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
            self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
            self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    return ImagesOnly


def _working_size(size: Size) -> tuple[int, int]:
    """The (width, height) of about a megapixel at which the pipelines see an image."""
    from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit import calculate_dimensions

    width, height, _ = calculate_dimensions(1024 * 1024, size.width / size.height)
    return width, height


def _load_processor(model: str, commit: str | None) -> Any:
    from transformers import AutoTokenizer
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    # By PIL whether or not torchvision is there: which packages are installed must not change the embedding.
    images = Qwen2VLImageProcessorPil.from_pretrained(model, revision=commit, subfolder="processor")
    tokenizer = AutoTokenizer.from_pretrained(model, revision=commit, subfolder="processor")
    return image_processor_class()(images, tokenizer)
