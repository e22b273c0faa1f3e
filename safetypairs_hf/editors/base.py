"""What the editors share: images of one size go together, in batches that fit, and come back in their own size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from safetypairs_hf.core.records import Edited, Instruction, Picture, Pixels, Reject
from safetypairs_hf.models.loading import PIPELINE, check_class, pick_device, pick_dtype
from safetypairs_hf.models.memory import in_batches


class Item(NamedTuple):
    """One image as a pipeline gets it: a PIL image of the batch's size, the prompt, and a seed of its own."""

    image: Any
    prompt: str
    seed: int

    @property
    def generator(self) -> Any:
        """A fresh one at every look: a call that failed has used its own up."""
        import torch

        return torch.Generator("cpu").manual_seed(self.seed)


class Size(NamedTuple):
    width: int
    height: int


Run = Callable[[Sequence[Item], Size], Sequence[Pixels]]


def edit_in_batches(
    images: Sequence[Picture],
    instructions: Sequence[Instruction],
    seeds: Sequence[int],
    run: Run,
    *,
    batch_size: int,
    multiple: int,
    least: int = 64,
) -> list[Edited | Reject]:
    """Edit images of any sizes by `run`, which takes a batch of one size and gives (height, width, 3) uint8 arrays.

    Args:
        multiple, least: the sides that the pipeline takes: multiples of `multiple`, at least `least`. An image with
            other sides is resized to the nearest such size and back.

    An image that the pipeline refuses (ValueError) is a Reject and the others of its batch go on, one by one.
    """
    by_size: dict[Size, list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        by_size[_fitting(image.pixels, multiple, least)].append(number)
    answers: dict[int, Edited | Reject] = {}
    for size, numbers in by_size.items():
        items = [Item(_resized(images[n].pixels, size), instructions[n].text, seeds[n]) for n in numbers]
        made = in_batches(items, batch_size, lambda batch, size=size: _run(run, batch, size))  # type: ignore[misc]
        for number, (answer, count) in zip(numbers, made, strict=True):
            answers[number] = _finished(answer, images[number].pixels, count)
    return [answers[number] for number in range(len(images))]


def round_trip(vae: Any, images: Sequence[Picture], *, multiple: int, least: int = 64, batch_size: int) -> list[Pixels]:
    """Images through an autoencoder and back, with no edit between; each in its own size."""
    import torch

    by_size: dict[Size, list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        by_size[_fitting(image.pixels, multiple, least)].append(number)
    returned: dict[int, Pixels] = {}
    for size, numbers in by_size.items():

        def work(batch: Sequence[int], size: Size = size) -> list[Pixels]:
            import numpy as np

            arrays = np.stack([np.asarray(_resized(images[number].pixels, size)) for number in batch])
            pixels = torch.from_numpy(arrays).permute(0, 3, 1, 2).to(vae.device, vae.dtype) / 127.5 - 1
            with torch.inference_mode():
                decoded = vae.decode(vae.encode(pixels).latent_dist.mode(), return_dict=False)[0]
            levels = ((decoded.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
            found: list[Pixels] = list(levels.permute(0, 2, 3, 1).cpu().numpy())
            return found

        for number, (pixels, _) in zip(numbers, in_batches(numbers, batch_size, work), strict=True):
            returned[number] = _back(pixels, images[number].pixels)
    return [returned[number] for number in range(len(images))]


def _run(run: Run, batch: Sequence[Item], size: Size) -> Sequence[Pixels | Reject]:
    try:
        return run(batch, size)
    except ValueError as error:
        if len(batch) == 1:
            return [Reject("edit", "refused_by_pipeline", " ".join(str(error).split())[:500])]
    return [answer for item in batch for answer in _run(run, [item], size)]


def _finished(answer: Pixels | Reject, before: Pixels, count: int) -> Edited | Reject:
    if isinstance(answer, Reject):
        return answer
    if answer.max() == answer.min():
        return Reject("edit", "broken_output", f"every pixel of the edited image is {answer.max()}")
    return Edited(_back(answer, before), count)


def _fitting(pixels: Pixels, multiple: int, least: int) -> Size:
    height, width = pixels.shape[:2]
    return Size(*(max(round(side / multiple) * multiple, -(-least // multiple) * multiple) for side in (width, height)))


def _resized(pixels: Pixels, size: Size) -> Any:
    from PIL import Image

    image = Image.fromarray(pixels)
    return image if image.size == tuple(size) else image.resize(size, Image.Resampling.LANCZOS)


def _back(pixels: Pixels, like: Pixels) -> Pixels:
    import numpy as np

    height, width = like.shape[:2]
    return np.asarray(_resized(pixels, Size(width, height)))


def load_pipeline(model: str, commit: str | None, kind: str, device: str, loader: Any = None, **options: Any) -> Any:
    """Load a folder or a pinned Hub id whose pipeline class is `kind`.

    Args:
        loader: the class that loads it, where that is not the class it names.
        options: further arguments of `from_pretrained`.

    Raises:
        SafetyPairsError: no such model, or one of another class.
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
