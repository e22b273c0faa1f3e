"""The base of every editor that runs a diffusers pipeline: loading, batches of one size, round trip, release."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple, TypeVar

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.records import Edited, Instruction, Picture, Pixels, Reject
from safetypairs_hf.core.settings import check_counts
from safetypairs_hf.editors import levers
from safetypairs_hf.editors.decode_thread import DecodeThread, Promised
from safetypairs_hf.editors.grid import equal_grids
from safetypairs_hf.models.loading import PIPELINE, HoldsWeights, check_class, pick_device, pick_dtype
from safetypairs_hf.models.memory import give_back, in_batches, out_of_memory
from safetypairs_hf.models.processors import count_tokens

Result = TypeVar("Result")


class Size(NamedTuple):
    """The sides of an image in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class Batch:
    """The input of one pipeline call: PIL images of one `size`, with a prompt and a seed for each.

    `embedded` holds for each prompt the tensors that replace it in the call, by argument name, with batch size 1.
    """

    images: list[Any]
    prompts: list[str]
    seeds: list[int]
    size: Size
    embedded: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def asked(self) -> dict[str, Any]:
        """Return the prompt arguments of a pipeline call: the texts, or their embeddings."""
        import torch

        if not self.embedded:
            return {"prompt": self.prompts}
        return {name: torch.cat([each[name] for each in self.embedded]) for name in self.embedded[0]}

    @property
    def generators(self) -> list[Any]:
        """New random generators at every access, because a failed call has already used its own."""
        import torch

        return [torch.Generator("cpu").manual_seed(seed) for seed in self.seeds]


@dataclass(frozen=True)
class PipelineEditor(HoldsWeights, ABC):
    """Edits images by a diffusers pipeline; see `records.Editor`.

    A subclass is a frozen dataclass with a `name`, a default for `model`, and the settings that `_call` passes to the
    pipeline. Images may have any size, and every edit has the size of its image. Images that the pipeline draws at one
    size are edited together, at most `batch_size` at once if a subclass has that field, otherwise separately.

    The pipeline must read an image on the same grid of patches on which it draws the edit; otherwise the edit would
    show another picture. Every call checks that.

    Args:
        model: A folder, or a Hub id with `commit`.
        device: "auto" is "cuda" if there is one, else "cpu".
        attention: How the denoiser's attention is computed, by diffusers' names: "native", "_native_cudnn", "_flash_3"
            and more (`levers.ATTENTION`); "auto" decides by the card.
        fp8: "rows" computes the products of the denoiser's blocks in FP8, "weights" only keeps their weights in it,
            "off" uses neither, and "auto" decides by the card. It needs torchao.
        compile_blocks: Compile its blocks before the first edit, once for all sizes; pays off from some hundred images
            on. The first edits then take a minute or two.
        decode_beside: Decode a batch while the next one is denoised.

    An image that is edited in a batch differs from one that is edited alone by at most 1 level of 255, in 0.002% to
    0.02% of the values, depending on the editor (benchmarks/batching.py: small weights, a CPU in float32; a GPU was not
    measured).
    """

    LICENSE: ClassVar[str]  # licence of the weights: an SPDX id in lower case, another name, or "unknown"
    holds: ClassVar[tuple[str, ...]] = ("pipeline", "_compiled", "_embedded", "_away")
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers", "diffusers")
    PIPELINE: ClassVar[str]  # the name of the pipeline's class in diffusers
    _least: ClassVar[int] = 64  # the shortest side that the pipeline accepts, in pixels
    _masks: ClassVar[bool] = False  # whether the prompts of a batch are padded and masked
    # Whether the class has `_decodable`: then the pipeline may return latents, which are decoded here.
    _gives_latents: ClassVar[bool] = False
    _takes_attention: ClassVar[bool] = True  # whether diffusers can set how the denoiser's attention is computed
    # The parts that embed prompts, for a class with `_embedding`, whose prompts do not depend on the image.
    _text_parts: ClassVar[tuple[str, ...]] = ()

    model: str
    commit: str | None = None
    steps: int = 20
    _: KW_ONLY
    device: str = "auto"
    holds_model: bool = True
    attention: str = "auto"
    fp8: str = "off"
    compile_blocks: bool = False
    decode_beside: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(**{name: getattr(self, name, None) for name in ("steps", "batch_size")})
        levers.check(self.attention, self.fp8)
        if self._masks and self.attention in levers.WITHOUT_MASKS:
            raise RecipeError(
                f"attention = {self.attention!r} accepts no mask, but {self.PIPELINE} masks the ends of its prompts; "
                "give 'auto', 'native' or '_native_cudnn'"
            )

    @property
    @abstractmethod
    def name(self) -> str:
        """The editor's name in rows and recipes; a field of every subclass."""

    def _call(self, batch: Batch, **settings: Any) -> Any:
        """Run the pipeline once; its output has one PIL image in `images` for each image of the batch.

        A subclass adds the settings of its pipeline.
        """
        return self.pipeline(
            image=batch.images,
            **batch.asked,
            generator=batch.generators,
            num_inference_steps=self.steps,
            **settings,
        )

    @property
    def _multiple(self) -> int:
        """The number that both sides of an image must be a multiple of; other sizes are resized to the nearest."""
        return int(self.pipeline.vae_scale_factor) * 2

    def _tokens(self, prompt: str) -> tuple[int, int]:
        """Return the number of tokens of a prompt, and the number that the pipeline reads; both include added tokens.

        A subclass overrides it if the pipeline does not use its `tokenizer` only, or if it has a length setting.
        """
        tokenizer = getattr(self.pipeline, "tokenizer", None)
        return (0, 0) if tokenizer is None else (count_tokens(tokenizer, prompt), int(tokenizer.model_max_length))

    def _size(self, pixels: Pixels) -> Size:
        """Return the size at which an image enters the pipeline. Images of one size are batched."""
        return fitting(pixels, self._multiple, self._least)

    def _drawn(self, size: Size) -> Size:
        """Return the size at which the pipeline draws the edit of an image of `size`."""
        return size

    @cached_property
    def pipeline(self) -> Any:
        """The pipeline. It is loaded at the first access.

        Raises:
            SafetyPairsError: There is no such model, or its pipeline has another class than `PIPELINE`.
        """
        return self.prepared(self._load())

    @property
    def levers(self) -> tuple[str, ...]:
        """The active levers on this machine that change bits, as named in rows; see `levers.turned_on`."""
        attention = self.attention if self._takes_attention else "native"
        return levers.turned_on(attention, self.fp8, self.compile_blocks, self.device)

    def hold(self, pipeline: Any) -> None:
        """Use a stock pipeline of the class `PIPELINE` that is in memory, instead of the one in `model`."""
        for name in self.holds:
            self.__dict__.pop(name, None)
        self.__dict__["pipeline"] = self.prepared(pipeline)

    def prepared(self, pipeline: Any) -> Any:
        """Prepare a stock pipeline of the class `PIPELINE` for this editor, and set its levers.

        A subclass adds what its pipeline needs.
        """
        pipeline.set_progress_bar_config(disable=True)
        _finish_in_float32(pipeline.image_processor)
        levers.turn_on(_denoiser(pipeline), self.attention, self.fp8, self.compile_blocks, self.device)
        return pipeline

    def embed_prompts(self, instructions: Sequence[Instruction]) -> None:
        """Embed the prompts of the next edits in advance; see `_embeddings`."""
        if self._text_parts:
            self._embedded.clear()
            prompts = [instruction.text for instruction in instructions if self._cut(instruction.text) is None]
            self._embedded.update(self._embeddings(prompts))

    @cached_property
    def _embedded(self) -> dict[str, Mapping[str, Any]]:
        return {}

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        """Edit each image by its instruction, with its seed.

        Returns:
            One answer for each image, in order. An instruction that is too long for the pipeline becomes a Reject, and
            so does an image that the pipeline refuses with a ValueError; the others of its batch are then edited
            separately.

        Raises:
            SafetyPairsError: The pipeline reads or draws images at another size than requested.
        """
        answers: list[Edited | Reject | None] = [self._cut(instruction.text) for instruction in instructions]
        whole = [number for number, answer in enumerate(answers) if answer is None]
        made = iter(self._edit(*([items[number] for number in whole] for items in (images, instructions, seeds))))
        return [next(made) if answer is None else answer for answer in answers]

    def _cut(self, prompt: str) -> Reject | None:
        tokens, most = self._tokens(prompt)
        if tokens <= most:
            return None
        detail = f"the instruction has {tokens} tokens, and the editor reads {most}"
        return Reject("edit", "instruction_too_long", detail)

    def _edit(self, images: Any, instructions: Any, seeds: Any) -> list[Edited | Reject]:
        """Edit images whose instructions are not too long."""
        _ = self.compile_blocks and self._compiled
        embedded = self._embeddings([instruction.text for instruction in instructions])

        def work(numbers: Sequence[int], size: Size) -> list[Promised[Pixels] | Reject]:
            prompts = [instructions[number].text for number in numbers]
            batch = Batch(
                images=[resized(images[number].pixels, size) for number in numbers],
                prompts=prompts,
                seeds=[seeds[number] for number in numbers],
                size=size,
                embedded=[embedded[prompt] for prompt in prompts] if embedded else [],
            )
            try:
                return list(self._edited(batch, beside))
            except ValueError as error:
                if len(numbers) == 1:
                    return [Reject("edit", "refused_by_pipeline", " ".join(str(error).split())[:500])]
            return [answer for number in numbers for answer in work([number], size)]

        def drawn(answer: Promised[Pixels] | Reject) -> Pixels | Reject:
            return answer if isinstance(answer, Reject) else answer.result()

        with DecodeThread(self.pipeline.vae.device, at_once=not self.decode_beside) as beside:
            answers = zip(images, self._by_size(images, work), strict=True)
            return [finished(drawn(answer), image.pixels, count) for image, (answer, count) in answers]

    @cached_property
    def _compiled(self) -> bool:
        """Whether the blocks are compiled. The first access edits two plain images and then one to compile them.

        Both have a fixed size, because the compiler takes the first sizes that it sees as a hint, so a resumed run
        could otherwise be compiled to other last bits.
        """
        from PIL import Image

        two_steps = replace(self, steps=2)
        two_steps.__dict__["pipeline"] = self.pipeline
        size = Size(20 * self._multiple, 24 * self._multiple)
        with DecodeThread(self.pipeline.vae.device, at_once=True) as beside:
            for count in sorted({1, min(2, getattr(self, "batch_size", 1))}, reverse=True):
                embedded = list(self._embeddings([""]).values())
                plain = Image.new("RGB", size)
                two_steps._denoised(Batch([plain] * count, [""] * count, [0] * count, size, embedded * count), beside)
        return True

    def _embeddings(self, prompts: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return the arguments that replace each prompt; {} for a pipeline that takes the prompts themselves.

        A prompt is embedded once for all its images, and alone, so that it does not depend on other prompts.
        """
        import torch

        if not self._text_parts:
            return {}
        known = {prompt: self._embedded.get(prompt) for prompt in prompts}
        new = [prompt for prompt, embedding in known.items() if embedding is None]
        if new:
            with self._text_here(), torch.inference_mode():
                made = in_batches(new, 1, lambda batch: [self._embedding(batch[0])])
            known.update(zip(new, (embedding for embedding, _ in made), strict=True))
        return {prompt: embedding for prompt, embedding in known.items() if embedding is not None}

    def _embedding(self, prompt: str) -> Mapping[str, Any]:
        """Return the pipeline arguments that replace a prompt; for a class with `_text_parts`."""
        raise NotImplementedError

    @contextmanager
    def _text_here(self) -> Iterator[None]:
        """Move the parts that embed prompts to the pipeline's device, and away again if the editor releases them."""
        if not getattr(self, "release_text", False):
            yield
            return
        pipeline, device = self.pipeline, self.pipeline.device
        for name, part in self._away.items():
            setattr(pipeline, name, part.to(device))
        self._away.clear()
        try:
            yield
        finally:
            for name in self._text_parts:
                self._away[name] = getattr(pipeline, name).to("cpu")
                setattr(pipeline, name, None)
            give_back()

    @cached_property
    def _away(self) -> dict[str, Any]:
        """The parts that embed prompts, by their names in the pipeline, while they are in the machine's memory."""
        return {}

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        """Pass the images through the pipeline's autoencoder and back without an edit, each in its own size."""

        def work(numbers: Sequence[int], size: Size) -> list[Pixels]:
            return self._decoded([resized(images[number].pixels, size) for number in numbers], size)

        returned = zip(images, self._by_size(images, work), strict=True)
        return [in_size_of(pixels, image.pixels) for image, (pixels, _) in returned]

    def check_model(self) -> None:
        super().check_model()
        levers.check_torchao(self.fp8)

    def _check_class(self) -> None:
        check_class(self.model, self.commit, PIPELINE, (self.PIPELINE,))

    def _load(self, **options: Any) -> Any:
        return load_pipeline(self.model, self.commit, self.PIPELINE, self.device, **options)

    def _edited(self, batch: Batch, beside: DecodeThread) -> Iterator[Promised[Pixels]]:
        """Denoise a batch. Its images are decoded separately, so that decoding does not depend on the batch."""
        made = self._denoised(batch, beside)
        drawn = self._drawn(batch.size)
        if not self._gives_latents:
            return (beside.submit(partial(self._checked, image, drawn)) for image in made)
        latents = self._decodable(made, drawn)
        # A copy, because some autoencoders have state, and this one encodes the next batch meanwhile.
        vae = copy(self.pipeline.vae)
        return (beside.submit(partial(self._drawing, vae, each, drawn)) for each in latents.split(1))

    def _denoised(self, batch: Batch, beside: DecodeThread) -> Any:
        """Return the images or latents of the pipeline. If memory runs out during decoding, it is called once more."""
        import torch

        settings = {"output_type": "latent"} if self._gives_latents else {}
        try:
            with torch.inference_mode(), equal_grids(_denoiser(self.pipeline), self.PIPELINE):
                return self._call(batch, **settings).images
        except (RuntimeError, MemoryError) as error:
            if not (out_of_memory(error) and beside.settle()):
                raise
        give_back()  # outside the handler, whose traceback would keep the tensors alive
        return self._denoised(batch, beside)

    def _decodable(self, latents: Any, drawn: Size) -> Any:
        """Return a pipeline's latents in the form of its autoencoder; for a class with `_gives_latents`."""
        raise NotImplementedError

    def _unpacked(self, latents: Any, drawn: Size) -> Any:
        """Unpack latents of (batch, patches, channels) as the pipelines of Flux.1 and Qwen-Image do."""
        step = int(self.pipeline.vae_scale_factor) * 2
        if latents.shape[1] != (drawn.width // step) * (drawn.height // step):
            raise self._drew(f"{latents.shape[1]} patches of {step} x {step}", drawn)
        return self.pipeline._unpack_latents(latents, drawn.height, drawn.width, self.pipeline.vae_scale_factor)

    def _drawing(self, vae: Any, latents: Any, drawn: Size) -> Pixels:
        import torch

        with torch.inference_mode():
            decoded = self._decode(vae, latents.to(vae.dtype))
            [image] = self.pipeline.image_processor.postprocess(decoded, output_type="pil")
        return self._checked(image, drawn)

    def _checked(self, image: Any, drawn: Size) -> Pixels:
        """Return the pixels of an edit. Raises SafetyPairsError if its size is not the requested one."""
        import numpy as np

        if image.size != tuple(drawn):
            raise self._drew(f"{image.width} x {image.height} pixels", drawn)
        return np.asarray(image)

    def _drew(self, what: str, drawn: Size) -> SafetyPairsError:
        return SafetyPairsError(
            f"{self.PIPELINE} drew {what}; expected {drawn.width} x {drawn.height} pixels; "
            "use the version of diffusers in pyproject.toml"
        )

    def _decoded(self, images: Sequence[Any], size: Size) -> list[Pixels]:
        """Pass PIL images of one size through the autoencoder and back."""
        import numpy as np
        import torch

        vae, processor = self.pipeline.vae, self.pipeline.image_processor
        drawn = self._drawn(size)
        pixels = processor.preprocess(list(images), drawn.height, drawn.width).to(vae.device, vae.dtype)
        with torch.inference_mode():
            decoded = self._autoencoded(vae, pixels)
        return [np.asarray(image) for image in processor.postprocess(decoded, output_type="pil")]

    def _autoencoded(self, vae: Any, pixels: Any) -> Any:
        """Pass pixels, (batch, 3, height, width) in -1 to 1, through the autoencoder and back."""
        return self._decode(vae, vae.encode(pixels).latent_dist.mode())

    def _decode(self, vae: Any, latents: Any) -> Any:
        """Decode latents to (batch, 3, height, width) in -1 to 1."""
        return vae.decode(latents, return_dict=False)[0]

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


def load_pipeline(model: str, commit: str | None, kind: str, device: str, **options: Any) -> Any:
    """Load a pipeline from a folder or a pinned Hub id.

    Args:
        model: A folder, or a Hub id.
        commit: The commit of a Hub id.
        kind: The name of the class that the model's pipeline must have.
        device: "auto", or where the pipeline is put.
        options: Further arguments of `from_pretrained`.

    Raises:
        SafetyPairsError: There is no such model, or its pipeline is of another class.
    """
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging

    check_class(model, commit, PIPELINE, (kind,))
    where = pick_device(device)
    had_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        loaded = DiffusionPipeline.from_pretrained(model, revision=commit, dtype=pick_dtype(where), **options)
    finally:
        if had_bars:
            logging.enable_progress_bar()
    return loaded.to(where)


def _denoiser(pipeline: Any) -> Any:
    """Return the part of a pipeline that is called once in each step."""
    return getattr(pipeline, "transformer", None) or pipeline.unet


def _finish_in_float32(processor: Any) -> None:
    """Make a pipeline's image processor convert decoded images to levels in float32.

    It converts pixels to float32 before it normalises them, but scales decoded ones from -1..1 to 0..1 in the type of
    the weights. In bfloat16 that is off by up to half a level of 255.
    """
    finish = processor.postprocess
    processor.postprocess = lambda image, *args, **options: finish(image.float(), *args, **options)


def finished(answer: Pixels | Reject, before: Pixels, count: int) -> Edited | Reject:
    """Return an edit, made in a batch of `count`, in the image's own size; a Reject if it has only one colour."""
    if isinstance(answer, Reject):
        return answer
    if answer.max() == answer.min():
        return Reject("edit", "broken_output", f"every pixel of the edited image is {answer.max()}")
    return Edited(in_size_of(answer, before), count)


def fitting(pixels: Pixels, multiple: int, least: int) -> Size:
    """Return the nearest size whose sides are multiples of `multiple` and at least `least`."""
    height, width = pixels.shape[:2]
    return Size(*(max(round(side / multiple) * multiple, -(-least // multiple) * multiple) for side in (width, height)))


def resized(pixels: Pixels, size: Size) -> Any:
    """Return pixels as a PIL image of `size`, resized by Lanczos if needed."""
    from PIL import Image

    image = Image.fromarray(pixels)
    return image if image.size == tuple(size) else image.resize(size, Image.Resampling.LANCZOS)


def in_size_of(pixels: Pixels, like: Pixels) -> Pixels:
    """Return an image of the pipeline in the size of its original."""
    import numpy as np

    height, width = like.shape[:2]
    return np.asarray(resized(pixels, Size(width, height)))
