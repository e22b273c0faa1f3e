"""Qwen-Image-Edit and its Plus versions (Alibaba, Apache-2.0): about 60 GiB for an image of a megapixel.

The pipelines resize every image to about a megapixel for the denoiser. An edit at another size is shifted
and scaled against its original, so edits are made at that size too, and resized to the image's own.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.records import Pixels
from safetypairs_hf.editors.base import Batch, PipelineEditor, Size
from safetypairs_hf.models.loading import check_weights, revision_of


@dataclass(frozen=True)
class QwenEditor(PipelineEditor):
    """The base of the two Qwen editors: the processor, the working size, and LoRAs for few steps.

    Args:
        guidance: The weight of the prompt relative to an empty one; above 1, each step runs the model twice.
        lora: A LoRA for few steps, a folder or a Hub id with `lora_commit`, such as
            lightx2v/Qwen-Image-Edit-2511-Lightning for 4 steps; it needs guidance 1. It is merged into the weights, and
            the scheduler gets the settings that it was trained with.
        lora_weight_name: Its file, if there are several.
    """

    LICENSE = "apache-2.0"
    _gives_latents = True
    _masks = True

    steps: int = 50
    guidance: float = 4.0
    _: KW_ONLY
    lora: str | None = None
    lora_commit: str | None = None
    lora_weight_name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lora is None and (self.lora_commit or self.lora_weight_name):
            raise RecipeError("lora_commit or lora_weight_name is given without lora; name the LoRA too")
        if self.lora is not None and self.guidance > 1:
            raise RecipeError(
                f"guidance = {self.guidance:g}: a LoRA for few steps is trained without guidance; give guidance=1"
            )

    @cached_property
    def revision(self) -> str:
        """The version of the weights, including those of a LoRA; see `HoldsWeights.revision`."""
        own = revision_of(self.model, self.commit)
        return own if self.lora is None else f"{own} + {self.lora} {revision_of(self.lora, self.lora_commit)}"

    def check_model(self) -> None:
        super().check_model()
        if self.lora is not None:
            _check_peft(self.lora)
            check_weights(self.lora)

    def _tokens(self, prompt: str) -> tuple[int, int]:
        return 0, 0  # the pipelines do not cut prompts

    def _size(self, pixels: Pixels) -> Size:
        # Images enter in their own size. A batch has one size: the pipeline stretches every image to the first's shape.
        return Size(pixels.shape[1], pixels.shape[0])

    def _drawn(self, size: Size) -> Size:
        return _working_size(size)

    def _load(self, **options: Any) -> Any:
        return super()._load(processor=_load_processor(self.model, self.commit), **options)

    def prepared(self, pipeline: Any) -> Any:
        if self.lora is not None:
            few_steps(pipeline, self.lora, self.lora_commit, self.lora_weight_name)
        return super().prepared(pipeline)

    def _decodable(self, latents: Any, drawn: Size) -> Any:
        import torch

        config, latents = self.pipeline.vae.config, self._unpacked(latents, drawn)
        mean, deviation = (
            torch.tensor(each).view(1, config.z_dim, 1, 1, 1).to(latents.device, latents.dtype)
            for each in (config.latents_mean, config.latents_std)
        )
        return latents / (1.0 / deviation) + mean

    # The autoencoder is for videos; an image is a video with one frame.

    def _autoencoded(self, vae: Any, pixels: Any) -> Any:
        return super()._autoencoded(vae, pixels.unsqueeze(2))

    def _decode(self, vae: Any, latents: Any) -> Any:
        return super()._decode(vae, latents)[:, :, 0]


@dataclass(frozen=True)
class QwenEdit(QwenEditor):
    """Qwen-Image-Edit, which edits in batches."""

    PIPELINE = "QwenImageEditPipeline"

    model: str = "Qwen/Qwen-Image-Edit"
    batch_size: int = 2
    name: str = "qwen-image-edit"

    def prepared(self, pipeline: Any) -> Any:
        return super().prepared(_batched()(**pipeline.components))

    def _call(self, batch: Batch, **settings: Any) -> Any:
        # Without a negative prompt the pipeline does not guide.
        empty = [" "] * len(batch.prompts) if self.guidance > 1 else None
        return super()._call(batch, negative_prompt=empty, true_cfg_scale=self.guidance, **settings)


@dataclass(frozen=True)
class QwenEditPlus(QwenEditor):
    """Qwen-Image-Edit-2509 and -2511.

    The pipeline takes the images of a call as references for one prompt, so every image is a separate call.
    """

    PIPELINE = "QwenImageEditPlusPipeline"
    _masks = False  # a call has one prompt

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


def few_steps(pipeline: Any, lora: str, commit: str | None, file: str | None) -> None:
    """Merge a LoRA for few steps into a pipeline's weights, and set its scheduler as in the training of such LoRAs.

    Their shift of the noise levels is log 3 at every size, and the last level is not stretched to another one: see the
    model cards of lightx2v/Qwen-Image-Lightning and lightx2v/Qwen-Image-Edit-2511-Lightning.

    Raises:
        SafetyPairsError: Peft is not installed, there is no such LoRA, or it belongs to another model.
    """
    scheduler = pipeline.scheduler
    shifts = {"use_dynamic_shifting": True, "base_shift": math.log(3), "max_shift": math.log(3), "shift_terminal": None}
    pipeline.scheduler = type(scheduler).from_config(scheduler.config, **shifts)
    _check_peft(lora)
    try:
        pipeline.load_lora_weights(lora, revision=commit, weight_name=file)
        pipeline.fuse_lora()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        said = " ".join(str(error).split())[:300]
        raise SafetyPairsError(f"lora={lora} does not load into {type(pipeline).__name__}: {said}") from error
    pipeline.unload_lora_weights()


def _check_peft(lora: str) -> None:
    if importlib.util.find_spec("peft") is None:
        raise SafetyPairsError(f"lora={lora} needs peft: pip install peft")


def image_processor_class() -> Any:
    """Return Qwen2-VL's processor without its video part, which is the only one that needs torchvision."""
    from transformers import Qwen2VLProcessor
    from transformers.processing_utils import ProcessorMixin

    class ImagesOnly(Qwen2VLProcessor):  # type: ignore[misc]
        def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None):
            self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
            self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
            self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    return ImagesOnly


def _batched() -> Any:
    """Return the pipeline's class, changed to show its text encoder each image of a list like a single image.

    The pipeline resizes a single image to the denoiser's size, and leaves those of a list unchanged: a small one
    would then have a few patches in the instruction, and a large one thousands.
    """
    from diffusers import QwenImageEditPipeline

    class Batched(QwenImageEditPipeline):  # type: ignore[misc]
        def encode_prompt(self, image: list[Any], **options: Any) -> Any:
            width, height = _working_size(Size(*image[0].size))
            shown = [self.image_processor.resize(each, height, width) for each in image]
            return super().encode_prompt(image=shown, **options)

    return Batched


def _working_size(size: Size) -> Size:
    """Return the size of about a megapixel at which the pipelines process an image."""
    from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit import calculate_dimensions

    width, height, _ = calculate_dimensions(1024 * 1024, size.width / size.height)
    return Size(width, height)


def _load_processor(model: str, commit: str | None) -> Any:
    from transformers import AutoTokenizer
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    # Always with PIL: whether torchvision is installed must not change the embedding.
    images = Qwen2VLImageProcessorPil.from_pretrained(model, revision=commit, subfolder="processor")
    tokenizer = AutoTokenizer.from_pretrained(model, revision=commit, subfolder="processor")
    return image_processor_class()(images, tokenizer)
