"""The base of every editor that runs a diffusers pipeline: loading, batches of one size, round trip, release."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, TypeVar

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Edited, Instruction, Picture, Pixels, Reject
from safetypairs_hf.editors.grid import equal_grids
from safetypairs_hf.models.loading import PIPELINE, HoldsWeights, check_class, pick_device, pick_dtype
from safetypairs_hf.models.memory import in_batches

Result = TypeVar("Result")


class Size(NamedTuple):
    """The sides of an image in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class Batch:
    """What one call of a pipeline edits: PIL images of one `size`, and a prompt and a seed for each of them."""

    images: list[Any]
    prompts: list[str]
    seeds: list[int]
    size: Size

    @property
    def generators(self) -> list[Any]:
        """New generators of random numbers at every access, as a call that failed has used its own up."""
        import torch

        return [torch.Generator("cpu").manual_seed(seed) for seed in self.seeds]


@dataclass(frozen=True)
class PipelineEditor(HoldsWeights, ABC):
    """Edits images by a diffusers pipeline; see `records.Editor`.

    A subclass is a frozen dataclass with a `name`, a default for `model`, and the settings that `_call` hands to the
    pipeline. Images of any size go in, and every image comes back in its own size. Images that the pipeline draws at
    one size are edited together, at most `batch_size` at once where a subclass has that field, else one by one.

    The pipeline reads an image on the same grid of patches that it draws the edit on: on another grid it would edit
    another picture. That is checked in every call.

    Args:
        model: a folder, or a Hub id with `commit`.
        device: "auto" is "cuda" if there is one, else "cpu".

    An image that is edited in a batch differs from one that is edited alone by at most 1 level of 255, in 0.002% to
    0.02% of the values by the editor (benchmarks/batching.py: small weights, a CPU in float32; a GPU was not measured).
    """

    LICENSE: ClassVar[str]  # of the weights: an SPDX id in lower case, another name of a licence, or "unknown"
    holds: ClassVar[tuple[str, ...]] = ("pipeline",)
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers", "diffusers")
    PIPELINE: ClassVar[str]  # the name of the pipeline's class in diffusers
    _least: ClassVar[int] = 64  # the shortest side that the pipeline takes, in pixels

    model: str
    commit: str | None = None
    steps: int = 20
    _: KW_ONLY
    device: str = "auto"
    holds_model: bool = True

    @property
    @abstractmethod
    def name(self) -> str:
        """How rows and recipes name the editor; a field of every subclass."""

    def _call(self, batch: Batch, **settings: Any) -> Any:
        """Run the pipeline once; its output has one PIL image in `images` for each image of the batch.

        A subclass extends it by the settings that its pipeline takes.
        """
        return self.pipeline(
            image=batch.images,
            prompt=batch.prompts,
            generator=batch.generators,
            num_inference_steps=self.steps,
            **settings,
        )

    @property
    def _multiple(self) -> int:
        """The number that both sides of an image must be a multiple of; other images are resized to the nearest."""
        return int(self.pipeline.vae_scale_factor) * 2

    def _tokens(self, prompt: str) -> tuple[int, int]:
        """How many tokens a prompt has, and how many the pipeline reads; both with those that the pipeline adds.

        A subclass says it for a pipeline that is not conditioned by its `tokenizer` alone, or that is given a length.
        """
        tokenizer = getattr(self.pipeline, "tokenizer", None)
        return (0, 0) if tokenizer is None else (count_tokens(tokenizer, prompt), int(tokenizer.model_max_length))

    def _size(self, pixels: Pixels) -> Size:
        """The size at which an image goes into the pipeline; images of one size go in together."""
        return fitting(pixels, self._multiple, self._least)

    def _drawn(self, size: Size) -> Size:
        """The size at which the pipeline draws the edit of an image of `size`."""
        return size

    @cached_property
    def pipeline(self) -> Any:
        """The pipeline, which is loaded at the first access.

        Raises:
            SafetyPairsError: there is no such model, or its pipeline is of another class than `PIPELINE`.
        """
        return self._load()

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        """Edit each image by its instruction, with its seed.

        Returns:
            One answer for each image, in order. An instruction of which the pipeline would read only the beginning
            becomes a Reject, and so does an image that the pipeline refuses with a ValueError, where the others of its
            batch are edited one by one.

        Raises:
            SafetyPairsError: the pipeline reads or draws images at another size than it was asked for.
        """
        answers: list[Edited | Reject | None] = [self._cut(instruction.text) for instruction in instructions]
        whole = [number for number, answer in enumerate(answers) if answer is None]
        made = self._edit(*([items[number] for number in whole] for items in (images, instructions, seeds)))
        return [next(made) if answer is None else answer for answer in answers]

    def _cut(self, prompt: str) -> Reject | None:
        tokens, most = self._tokens(prompt)
        if tokens <= most:
            return None
        detail = f"the instruction has {tokens} tokens, and the editor reads {most}"
        return Reject("edit", "instruction_too_long", detail)

    def _edit(self, images: Any, instructions: Any, seeds: Any) -> Iterator[Edited | Reject]:

        def work(numbers: Sequence[int], size: Size) -> list[Pixels | Reject]:
            batch = Batch(
                images=[resized(images[number].pixels, size) for number in numbers],
                prompts=[instructions[number].text for number in numbers],
                seeds=[seeds[number] for number in numbers],
                size=size,
            )
            try:
                return list(self._edited(batch))
            except ValueError as error:
                if len(numbers) == 1:
                    return [Reject("edit", "refused_by_pipeline", " ".join(str(error).split())[:500])]
            return [answer for number in numbers for answer in work([number], size)]

        for image, (answer, count) in zip(images, self._by_size(images, work), strict=True):
            yield finished(answer, image.pixels, count)

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        """Pass the images through the pipeline's autoencoder and back without an edit, each in its own size."""

        def work(numbers: Sequence[int], size: Size) -> list[Pixels]:
            return self._decoded([resized(images[number].pixels, size) for number in numbers], size)

        returned = zip(images, self._by_size(images, work), strict=True)
        return [in_size_of(pixels, image.pixels) for image, (pixels, _) in returned]

    def _check_class(self) -> None:
        check_class(self.model, self.commit, PIPELINE, (self.PIPELINE,))

    def _load(self, **options: Any) -> Any:
        return load_pipeline(self.model, self.commit, self.PIPELINE, self.device, **options)

    def _edited(self, batch: Batch) -> list[Pixels]:
        import numpy as np
        import torch

        denoiser = getattr(self.pipeline, "transformer", None) or self.pipeline.unet
        with torch.inference_mode(), equal_grids(denoiser, self.PIPELINE):
            made = self._call(batch)
        width, height = self._drawn(batch.size)
        for image in made.images:
            if image.size != (width, height):
                raise SafetyPairsError(
                    f"{self.PIPELINE} drew {image.width} x {image.height} pixels where {width} x {height} were "
                    "expected; use the version of diffusers in pyproject.toml"
                )
        return [np.asarray(image) for image in made.images]

    def _decoded(self, images: Sequence[Any], size: Size) -> list[Pixels]:
        """PIL images of one size through the autoencoder and back."""
        import numpy as np
        import torch

        vae, processor = self.pipeline.vae, self.pipeline.image_processor
        drawn = self._drawn(size)
        pixels = processor.preprocess(list(images), drawn.height, drawn.width).to(vae.device, vae.dtype)
        with torch.inference_mode():
            decoded = self._autoencoded(vae, pixels)
        return [np.asarray(image) for image in processor.postprocess(decoded, output_type="pil")]

    def _autoencoded(self, vae: Any, pixels: Any) -> Any:
        """Pixels in -1 to 1 through the autoencoder and back, (batch, 3, height, width)."""
        return vae.decode(vae.encode(pixels).latent_dist.mode(), return_dict=False)[0]

    def _by_size(
        self, images: Sequence[Picture], work: Callable[[Sequence[int], Size], Sequence[Result]]
    ) -> list[tuple[Result, int]]:
        """Run `work` on the numbers of images that the pipeline takes at one size, in batches that fit the memory.

        Returns:
            For each image, in order, its result and the size of the batch that it was made in.
        """
        by_size: dict[Size, list[int]] = defaultdict(list)
        for number, image in enumerate(images):
            by_size[self._size(image.pixels)].append(number)
        results: dict[int, tuple[Result, int]] = {}
        for size, numbers in by_size.items():

            def of_size(batch: Sequence[int], size: Size = size) -> Sequence[Result]:
                return work(batch, size)

            results.update(zip(numbers, in_batches(numbers, getattr(self, "batch_size", 1), of_size), strict=True))
        return [results[number] for number in range(len(images))]


def load_pipeline(model: str, commit: str | None, kind: str, device: str, loader: Any = None, **options: Any) -> Any:
    """Load a pipeline from a folder or a pinned Hub id.

    Args:
        model: a folder, or a Hub id.
        commit: the commit of a Hub id.
        kind: the name of the class that the model's pipeline must have.
        device: "auto", or where the pipeline is put.
        loader: the class that loads the pipeline, if it is another one than `kind`.
        options: further arguments of `from_pretrained`.

    Raises:
        SafetyPairsError: there is no such model, or its pipeline is of another class.
    """
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging

    check_class(model, commit, PIPELINE, (kind,))
    where = pick_device(device)
    had_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        loaded = (loader or DiffusionPipeline).from_pretrained(
            model, revision=commit, dtype=pick_dtype(where), **options
        )
    finally:
        if had_bars:
            logging.enable_progress_bar()
    loaded.to(where).set_progress_bar_config(disable=True)
    _finish_in_float32(loaded.image_processor)
    return loaded


def count_tokens(tokenizer: Any, text: str) -> int:
    """How many tokens a text has, with the special ones that the tokenizer adds."""
    return len(tokenizer(text, truncation=False, verbose=False)["input_ids"])


def _finish_in_float32(processor: Any) -> None:
    """Have a pipeline's image processor turn what the autoencoder decoded into levels in float32.

    It takes pixels to float32 before it normalises them, but it brings decoded ones from -1..1 to 0..1 in the type of
    the weights. In bfloat16 that is off by up to half a level of 255.
    """
    finish = processor.postprocess
    processor.postprocess = lambda image, *args, **options: finish(image.float(), *args, **options)


def finished(answer: Pixels | Reject, before: Pixels, count: int) -> Edited | Reject:
    """What was made of an image in a batch of so many, in the image's own size; a Reject where it is of one colour."""
    if isinstance(answer, Reject):
        return answer
    if answer.max() == answer.min():
        return Reject("edit", "broken_output", f"every pixel of the edited image is {answer.max()}")
    return Edited(in_size_of(answer, before), count)


def fitting(pixels: Pixels, multiple: int, least: int) -> Size:
    """The size nearest to the image's own of which each side is a multiple of `multiple` and at least `least`."""
    height, width = pixels.shape[:2]
    return Size(*(max(round(side / multiple) * multiple, -(-least // multiple) * multiple) for side in (width, height)))


def resized(pixels: Pixels, size: Size) -> Any:
    """Pixels as an image of PIL, in another size by Lanczos where they have another one."""
    from PIL import Image

    image = Image.fromarray(pixels)
    return image if image.size == tuple(size) else image.resize(size, Image.Resampling.LANCZOS)


def in_size_of(pixels: Pixels, like: Pixels) -> Pixels:
    """An image that the pipeline made, in the size of the one that went in."""
    import numpy as np

    height, width = like.shape[:2]
    return np.asarray(resized(pixels, Size(width, height)))
