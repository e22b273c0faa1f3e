"""The base of every editor that runs a diffusers pipeline: loading, batches of one size, round trip, release."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, TypeVar

from safetypairs_hf.core.records import Edited, Instruction, Picture, Pixels, Reject
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
    pipeline. Images of any size go in, and every image comes back in its own size. Images of one size are edited
    together, at most `batch_size` at once where a subclass has that field, else one by one.

    Args:
        model: a folder, or a Hub id with `commit`.
        device: "auto" is "cuda" if there is one, else "cpu".

    An image that is edited in a batch differs from one that is edited alone by at most 1 level of 255, in 0.002% to
    0.02% of the values by the editor (benchmarks/batching.py: small weights, a CPU in float32; a GPU was not measured).
    """

    LICENSE: ClassVar[str]  # of the weights: an SPDX id in lower case, another name of a licence, or "unknown"
    holds: ClassVar[tuple[str, ...]] = ("pipeline",)
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
            One answer for each image, in order. An image that the pipeline refuses with a ValueError becomes a Reject,
            and the others of its batch are edited one by one.
        """

        def work(numbers: Sequence[int], size: Size) -> list[Pixels | Reject]:
            batch = Batch(
                images=[_resized(images[number].pixels, size) for number in numbers],
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

        answers = zip(images, self._by_size(images, work), strict=True)
        return [_finished(answer, image.pixels, count) for image, (answer, count) in answers]

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        """Pass the images through the pipeline's autoencoder and back without an edit, each in its own size."""

        def work(numbers: Sequence[int], size: Size) -> list[Pixels]:
            return self._decoded([_resized(images[number].pixels, size) for number in numbers], size)

        returned = zip(images, self._by_size(images, work), strict=True)
        return [_back(pixels, image.pixels) for image, (pixels, _) in returned]

    def _load(self, **options: Any) -> Any:
        return load_pipeline(self.model, self.commit, self.PIPELINE, self.device, **options)

    def _edited(self, batch: Batch) -> list[Pixels]:
        import numpy as np
        import torch

        with torch.inference_mode():
            made = self._call(batch)
        return [np.asarray(image) for image in made.images]

    def _decoded(self, images: Sequence[Any], size: Size) -> list[Pixels]:
        """PIL images of one size through the autoencoder and back."""
        import numpy as np
        import torch

        vae = self.pipeline.vae
        arrays = np.stack([np.asarray(image) for image in images])
        pixels = torch.from_numpy(arrays).permute(0, 3, 1, 2).to(vae.device, vae.dtype) / 127.5 - 1
        with torch.inference_mode():
            decoded = vae.decode(vae.encode(pixels).latent_dist.mode(), return_dict=False)[0]
        levels = ((decoded.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        return list(levels.permute(0, 2, 3, 1).cpu().numpy())

    def _by_size(
        self, images: Sequence[Picture], work: Callable[[Sequence[int], Size], Sequence[Result]]
    ) -> list[tuple[Result, int]]:
        """Run `work` on the numbers of images that the pipeline takes at one size, in batches that fit the memory.

        Returns:
            For each image, in order, its result and the size of the batch that it was made in.
        """
        multiple = self._multiple
        by_size: dict[Size, list[int]] = defaultdict(list)
        for number, image in enumerate(images):
            by_size[_fitting(image.pixels, multiple, self._least)].append(number)
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
    return loaded


def _finished(answer: Pixels | Reject, before: Pixels, count: int) -> Edited | Reject:
    if isinstance(answer, Reject):
        return answer
    if answer.max() == answer.min():
        return Reject("edit", "broken_output", f"every pixel of the edited image is {answer.max()}")
    return Edited(_back(answer, before), count)


def _fitting(pixels: Pixels, multiple: int, least: int) -> Size:
    """The size nearest to the image's own of which each side is a multiple of `multiple` and at least `least`."""
    height, width = pixels.shape[:2]
    return Size(*(max(round(side / multiple) * multiple, -(-least // multiple) * multiple) for side in (width, height)))


def _resized(pixels: Pixels, size: Size) -> Any:
    from PIL import Image

    image = Image.fromarray(pixels)
    return image if image.size == tuple(size) else image.resize(size, Image.Resampling.LANCZOS)


def _back(pixels: Pixels, like: Pixels) -> Pixels:
    """An image that the pipeline made, in the size of the one that went in."""
    import numpy as np

    height, width = like.shape[:2]
    return np.asarray(_resized(pixels, Size(width, height)))
