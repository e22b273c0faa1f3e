"""Qwen-Image-Edit (Alibaba, Apache-2.0): about 60 GiB for an image of a megapixel.

The pipeline shows the model every image at about a megapixel, whatever its size. An edit at another size is shifted
and scaled against what it was made of, so edits are made at that size too, and brought back to the image's own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from safetypairs_hf.core.records import Edited, Instruction, Picture, Pixels, Reject
from safetypairs_hf.editors.base import Item, Size, edit_in_batches, load_pipeline
from safetypairs_hf.models.loading import let_go, revision_of
from safetypairs_hf.models.memory import in_batches

LICENSE = "apache-2.0"


@dataclass(frozen=True)
class QwenEdit:
    """An editor; see `records.Editor`. `model` is a folder, or a Hub id with `commit`.

    Args:
        guidance: how much more the prompt counts than an empty one; above 1 each step runs the model twice.
        batch_size: images in a batch. A batch of 2 differs from single calls by at most 1 level of 255
            (0.02% of the values; benchmarks/batching.py, small weights, a CPU in float32; on a GPU not measured).
    """

    model: str = "Qwen/Qwen-Image-Edit"
    commit: str | None = None
    steps: int = 50
    guidance: float = 4.0
    batch_size: int = 2
    device: str = "auto"
    name: str = "qwen-image-edit"
    holds_model: bool = True

    @cached_property
    def revision(self) -> str:
        return revision_of(self.model, self.commit)

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        # Of one size exactly: the pipeline stretches every image of a batch to the shape of the first.
        return edit_in_batches(images, instructions, seeds, self._run, batch_size=self.batch_size, multiple=1, least=1)

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        return round_trip(self._pipeline, images, self.batch_size)

    def release(self) -> None:
        let_go(self, "_pipeline")

    def _run(self, batch: Sequence[Item], size: Size) -> Sequence[Pixels]:
        import numpy as np
        import torch

        with torch.inference_mode():
            made = self._pipeline(
                image=[item.image for item in batch],
                prompt=[item.prompt for item in batch],
                negative_prompt=[" "] * len(batch) if self.guidance > 1 else None,  # without one it does not guide
                generator=[item.generator for item in batch],
                num_inference_steps=self.steps,
                true_cfg_scale=self.guidance,
            )
        return [np.asarray(image) for image in made.images]

    @cached_property
    def _pipeline(self) -> Any:
        return load(self.model, self.commit, self.device, "QwenImageEditPipeline")


def load(model: str, commit: str | None, device: str, kind: str) -> Any:
    """A Qwen editing pipeline of the class `kind`, with a processor for images alone.

    Raises:
        SafetyPairsError: it is of another class.
    """

    return load_pipeline(model, commit, kind, device, processor=_load_processor(model, commit))


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


def round_trip(pipeline: Any, images: Sequence[Picture], batch_size: int) -> list[Pixels]:
    """Images through a Qwen pipeline's autoencoder and back, at the size at which it edits; each in its own size."""
    import numpy as np
    import torch
    from PIL import Image

    vae, processor = pipeline.vae, pipeline.image_processor
    by_size: dict[Size, list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        by_size[Size(image.pixels.shape[1], image.pixels.shape[0])].append(number)
    returned: dict[int, Pixels] = {}
    for size, numbers in by_size.items():
        width, height = _working_size(size)

        def work(batch: Sequence[int], width: int = width, height: int = height) -> list[Any]:
            originals = [Image.fromarray(images[number].pixels) for number in batch]
            pixels = processor.preprocess(originals, height, width).unsqueeze(2).to(vae.device, vae.dtype)
            with torch.inference_mode():
                decoded = vae.decode(vae.encode(pixels).latent_dist.mode(), return_dict=False)[0][:, :, 0]
            found: list[Any] = processor.postprocess(decoded, output_type="pil")
            return found

        for number, (made, _) in zip(numbers, in_batches(numbers, batch_size, work), strict=True):
            returned[number] = np.asarray(made.resize(size, Image.Resampling.LANCZOS))
    return [returned[number] for number in range(len(images))]


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


LICENSE = "apache-2.0"


@dataclass(frozen=True)
class QwenEditPlus:
    """An editor; see `records.Editor`. `model` is a folder, or a Hub id with `commit`; `guidance` as in QwenEdit."""

    model: str = "Qwen/Qwen-Image-Edit-2511"
    commit: str | None = None
    steps: int = 40
    guidance: float = 4.0
    device: str = "auto"
    name: str = "qwen-image-edit-plus"
    holds_model: bool = True

    @cached_property
    def revision(self) -> str:
        return revision_of(self.model, self.commit)

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        return edit_in_batches(images, instructions, seeds, self._run, batch_size=1, multiple=1, least=1)

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        return round_trip(self._pipeline, images, 1)

    def release(self) -> None:
        let_go(self, "_pipeline")

    def _run(self, batch: Sequence[Item], size: Size) -> Sequence[Pixels]:
        import numpy as np
        import torch

        [item] = batch
        with torch.inference_mode():
            made = self._pipeline(
                image=[item.image],
                prompt=item.prompt,
                negative_prompt=" " if self.guidance > 1 else None,  # without one it does not guide
                generator=item.generator,
                num_inference_steps=self.steps,
                true_cfg_scale=self.guidance,
            )
        return [np.asarray(made.images[0])]

    @cached_property
    def _pipeline(self) -> Any:
        return load(self.model, self.commit, self.device, "QwenImageEditPlusPipeline")
