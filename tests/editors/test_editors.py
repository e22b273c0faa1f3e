"""The editors, through the real pipelines at small random weights."""

from __future__ import annotations

import re
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Edited, Instruction, Picture, Pixels, Reject
from safetypairs_hf.editors.base import Batch, PipelineEditor, Size
from safetypairs_hf.editors.catalogue import EDITORS, license_of
from safetypairs_hf.editors.instruct_pix2pix import InstructPix2Pix
from safetypairs_hf.editors.klein import Klein
from safetypairs_hf.editors.kontext import Kontext
from safetypairs_hf.sources.frame import Frame
from safetypairs_hf.testing.tiny import editors as tiny

KINDS: dict[str, tuple[Callable[..., Path], Callable[[str], Any]]] = {
    "klein": (tiny.klein, lambda f: Klein(f, steps=2, text_layers=(1,), max_sequence_length=64, device="cpu")),
    "kontext": (tiny.kontext, lambda f: Kontext(f, steps=2, max_sequence_length=64, device="cpu")),
    "instruct-pix2pix": (tiny.instruct_pix2pix, lambda f: InstructPix2Pix(f, steps=2, device="cpu")),
}
# What a pixel of an image may differ between a batch and a call of its own, in levels of 255.
BATCH_BOUND = 1


@pytest.fixture(scope="module", params=KINDS)
def editor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    make, load = KINDS[request.param]
    return load(str(make(tmp_path_factory.mktemp("model") / request.param)))


def pictures(*sizes: tuple[int, int]) -> list[Picture]:
    """Blocks of colour, of (width, height)."""
    made = []
    for number, (width, height) in enumerate(sizes):
        blocks = np.random.default_rng(number).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
        made.append(encode(np.kron(blocks, np.ones((8, 8, 1)))[:height, :width].astype(np.uint8)))
    return made


def edit(editor: Any, images: list[Picture], seeds: list[int]) -> list[Edited]:
    texts = [f"Paint the red square green. {number % 3}" for number in seeds]
    answers = editor.edit(images, [Instruction("", text, None) for text in texts], seeds)
    assert all(isinstance(answer, Edited) for answer in answers), answers
    return list(answers)


def apart(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


class StoppedError(Exception):
    """The denoiser has been called."""


def grid_of(editor: Any, *sizes: tuple[int, int]) -> list[tuple[int, int]]:
    """The (width, height) in patches that is drawn, and that of each reference; the denoiser itself does not run."""
    seen: list[tuple[int, int]] = []

    def stop(module: Any, args: tuple[Any, ...], kwargs: Any) -> None:
        if args:  # image and reference on top of each other
            seen.extend([tuple(args[0].shape[:1:-1])] * 2)
        elif "img_shapes" in kwargs:
            assert all(shapes == kwargs["img_shapes"][0] for shapes in kwargs["img_shapes"])
            seen.extend((width, height) for _, height, width in kwargs["img_shapes"][0])
        else:
            ids = kwargs["img_ids"].reshape(-1, *kwargs["img_ids"].shape[-2:])[0]
            assert len(ids) == kwargs["hidden_states"].shape[1]
            rows = ids[:, :3].numpy().astype(int)
            for first in np.unique(rows[:, 0]):
                of_one = rows[rows[:, 0] == first, 1:]
                height, width = of_one[-1] + 1
                assert np.array_equal(of_one, np.indices((height, width)).reshape(2, -1).T)
                seen.append((int(width), int(height)))
        raise StoppedError

    pipeline = editor.pipeline
    denoiser = pipeline.unet if hasattr(pipeline, "unet") else pipeline.transformer
    images = [plain(width, height) for width, height in sizes]
    hook = denoiser.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(StoppedError):
            patch.setattr(pipeline.vae, "encode", partial(shrunk, pipeline))
            editor.edit(images, [Instruction("", "Paint it.", None)] * len(images), [1] * len(images))
    finally:
        hook.remove()
    return seen


def shrunk(pipeline: Any, pixels: Any, **options: Any) -> Any:
    """Latents of the shape that the autoencoder makes, which is slow at a megapixel."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    step, config = pipeline.vae_scale_factor, pipeline.vae.config
    one = pixels[:, :1, ..., ::step, ::step]
    channels = 2 * (config.z_dim if "z_dim" in config else config.latent_channels)
    return SimpleNamespace(latent_dist=DiagonalGaussianDistribution(one.repeat_interleave(channels, dim=1)))


def plain(width: int, height: int) -> Picture:
    picture = Picture(b"")
    picture.__dict__["pixels"] = np.full((height, width, 3), 128, np.uint8)  # what is decoded when it is asked for
    return picture


def frames(*sizes: int) -> list[tuple[int, int]]:
    """What photographs of common and of extreme shapes are brought to."""
    shapes = [(1, 1), (5, 4), (4, 3), (3, 2), (9, 16), (3, 1)]
    return sorted({Frame(size).sides(100 * width, 100 * height) for size in sizes for width, height in shapes})


def test_the_reference_has_the_grid_of_what_is_drawn(editor: Any) -> None:
    patch = editor._multiple if editor.name != "instruct-pix2pix" else editor.pipeline.vae_scale_factor
    for width, height in [(1104, 960), *frames(512, 1280)]:
        assert grid_of(editor, (width, height)) == [(width // patch, height // patch)] * 2, (width, height)
    assert grid_of(editor, (1280, 1280), (1280, 1280))[0] == (1280 // patch, 1280 // patch)
    for size in ((1203, 977), (150, 1100), (10, 20), (1025, 1024)):
        drawn, reference = grid_of(editor, size)
        assert drawn == reference, size


def test_a_reference_on_another_grid_stops_the_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pipeline of klein does to images of more than a megapixel."""
    from diffusers.pipelines.flux2.image_processor import Flux2ImageProcessor

    klein = KINDS["klein"][1](str(tiny.klein(tmp_path / "model")))
    klein.pipeline.image_processor = Flux2ImageProcessor(vae_scale_factor=8)
    monkeypatch.setattr(klein.pipeline.vae, "encode", partial(shrunk, klein.pipeline))
    with pytest.raises(SafetyPairsError, match=r"Flux2KleinPipeline reads an image as 137 x 119 patches and draws 138"):
        klein.edit([plain(1104, 960)], [Instruction("", "Paint it.", None)], [1])


def test_an_edit_of_another_size_is_an_error(editor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(editor), "_drawn", lambda self, size: Size(size.width, 2 * size.height))
    with pytest.raises(SafetyPairsError, match=r"Pipeline drew .*; expected 64 x 128 pixels"):
        edit(editor, pictures((64, 64)), [1])


def test_an_instruction_that_would_be_cut_is_refused(editor: Any) -> None:
    images, long = pictures((64, 64), (64, 64)), "Paint the red square green. " * 20
    cut, whole = editor.edit(images, [Instruction("", text, None) for text in (long, "Paint it.")], [1, 2])
    most = 77 if editor.name == "instruct-pix2pix" else 64
    assert isinstance(cut, Reject) and cut[:2] == ("edit", "instruction_too_long") and not cut.final
    told = re.fullmatch(r"the instruction has (\d+) tokens, and the editor reads (\d+)", cut.detail)
    assert told and int(told[1]) > most and int(told[2]) == most
    [alone] = editor.edit(images[1:], [Instruction("", "Paint it.", None)], [2])
    assert np.array_equal(whole.pixels, alone.pixels)


def test_the_longest_instruction_that_is_taken_just_fits(editor: Any) -> None:
    """The encoder is given every word of it and all that comes with an instruction, and not so with a word more."""
    pipeline, given = editor.pipeline, []

    def look(module: Any, args: Any, kwargs: Any) -> None:
        ids = (args[0] if args else kwargs["input_ids"])[0].tolist()
        given.append(Counter(ids[: len(ids) - ids[::-1].index(padding) - 1] if padding == ids[-1] else ids))
        raise StoppedError

    second = "_2" if hasattr(pipeline, "text_encoder_2") else ""
    padding = getattr(pipeline, f"tokenizer{second}").pad_token_id
    fits = max(count for count in range(1, 80) if editor._cut("ab " * count) is None)
    hook = getattr(pipeline, f"text_encoder{second}").register_forward_pre_hook(look, with_kwargs=True)
    for count in (1, 2, fits, fits + 1):
        with pytest.raises(StoppedError):
            prompt, image = "ab " * count, Image.new("RGB", (64, 64))
            _ = editor._embeddings([prompt]) or editor._call(Batch([image], [prompt], [1], Size(64, 64)))
    hook.remove()
    one, two, longest, cut = given
    word = two - one
    assert [(longest - one)[token] for token in word] == [(fits - 1) * number for number in word.values()]
    assert [(cut - one)[token] for token in word] != [fits * number for number in word.values()] or not one <= cut


def test_pixels_are_normalised_before_they_are_cast(editor: Any) -> None:
    """In bfloat16: every level of 255 goes in as the value nearest to it, and comes out as the level nearest to it."""
    import torch

    half = replace(editor)
    half.pipeline.to(torch.bfloat16)
    vae, seen = half.pipeline.vae, []
    hooks = [
        vae.encoder.register_forward_pre_hook(lambda module, args: seen.append(args[0])),
        vae.decoder.register_forward_hook(lambda module, args, made: seen.append(made)),
    ]
    levels = np.arange(64 * 64 * 3).reshape(64, 64, 3) % 256
    picture = encode(levels.astype(np.uint8))
    came = [half.round_trip([picture])[0], edit(half, [picture], [1])[0].pixels]
    for hook in hooks:
        hook.remove()
    exact = torch.from_numpy(levels / 127.5 - 1).permute(2, 0, 1)[None].to(torch.bfloat16)
    assert len(seen) == 4 and all(torch.equal(each, exact) for each in seen[::2])
    for decoded, pixels in zip(seen[1::2], came, strict=True):
        shares = decoded.double().clamp(-1, 1).permute(0, 2, 3, 1)[0].numpy() / 2 + 0.5
        assert np.array_equal(pixels, (shares * 255).round().astype(np.uint8))


def test_a_batch_is_what_single_calls_are(editor: Any) -> None:
    images, seeds = pictures(*[(64, 64)] * 4), [5, 6, 7, 8]
    together = edit(editor, images, seeds)
    assert [answer.batch for answer in together] == [4] * 4
    alone = [edit(editor, [image], [seed])[0] for image, seed in zip(images, seeds, strict=True)]
    assert max(apart(one.pixels, other.pixels) for one, other in zip(together, alone, strict=True)) <= BATCH_BOUND
    assert apart(together[0].pixels, together[1].pixels) > 20


def test_every_prompt_has_its_own_image(editor: Any) -> None:
    """Another second image changes the second answer, and the first and third not at all."""
    first, second, third, other = pictures(*[(64, 64)] * 4)
    one = edit(editor, [first, second, third], [1, 1, 1])
    two = edit(editor, [first, other, third], [1, 1, 1])
    assert [apart(a.pixels, b.pixels) > 0 for a, b in zip(one, two, strict=True)] == [False, True, False]


def test_the_same_call_gives_the_same_bytes(editor: Any) -> None:
    images = pictures((64, 64), (96, 64), (64, 64))
    one, two = edit(editor, images, [1, 2, 3]), edit(editor, images, [1, 2, 3])
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, two, strict=True))
    assert [answer.batch for answer in one] == [2, 1, 2]


def test_any_size_comes_back_as_it_was(editor: Any) -> None:
    images = pictures((64, 64), (97, 71), (30, 130))
    shapes = [answer.pixels.shape for answer in edit(editor, images, [1, 2, 3])]
    assert shapes == [(64, 64, 3), (71, 97, 3), (130, 30, 3)]
    assert [pixels.shape for pixels in editor.round_trip(images)] == shapes


def test_the_round_trip_has_no_seed(editor: Any) -> None:
    images = pictures((64, 64), (64, 64))
    one, two = editor.round_trip(images), [editor.round_trip([image])[0] for image in images]
    assert all(apart(a, b) <= BATCH_BOUND for a, b in zip(one, two, strict=True))


def test_a_batch_that_does_not_fit_is_halved(editor: Any) -> None:
    """The model's own layer refuses batches of more than two, as a full GPU does."""
    import torch

    def refuse(module: Any, inputs: tuple[Any, ...]) -> None:
        if inputs[0].shape[0] > 2 * (3 if editor.name == "instruct-pix2pix" else 1):  # it triples for its guidance
            raise torch.OutOfMemoryError("CUDA out of memory")

    pipeline = editor.pipeline
    layer = pipeline.unet.conv_in if hasattr(pipeline, "unet") else pipeline.transformer.x_embedder
    images, seeds = pictures(*[(64, 64)] * 5), [1, 2, 3, 4, 5]
    whole = edit(editor, images, seeds)
    hook = layer.register_forward_pre_hook(refuse)
    try:
        halved = edit(editor, images, seeds)
    finally:
        hook.remove()
    assert [answer.batch for answer in halved] == [2, 2, 2, 2, 1]
    assert max(apart(one.pixels, other.pixels) for one, other in zip(whole, halved, strict=True)) <= BATCH_BOUND


def test_what_one_image_is_refused_for_leaves_the_others(editor: Any) -> None:
    def refuse(module: Any, inputs: tuple[Any, ...]) -> None:
        if any(float(image.mean()) > 0.9 for image in inputs[0]):
            raise ValueError("this image is too bright for the processor")

    images = [*pictures((64, 64), (64, 64)), encode(np.full((64, 64, 3), 255, np.uint8))]
    instructions = [Instruction("", "Paint it.", None)] * 3
    hook = editor.pipeline.vae.encoder.register_forward_pre_hook(refuse)
    try:
        first, second, bright = editor.edit(images, instructions, [1, 2, 3])
    finally:
        hook.remove()
    assert bright == Reject("edit", "refused_by_pipeline", "this image is too bright for the processor")
    assert isinstance(first, Edited) and isinstance(second, Edited)
    [alone] = editor.edit([images[1]], instructions[:1], [2])
    assert apart(alone.pixels, second.pixels) <= BATCH_BOUND


def test_a_released_model_comes_back(editor: Any) -> None:
    [before] = edit(editor, pictures((64, 64)), [1])
    held = weakref.ref(editor.pipeline)
    editor.release()
    assert held() is None
    [after] = edit(editor, pictures((64, 64)), [1])
    assert np.array_equal(before.pixels, after.pixels)


def test_a_folder_of_another_class_is_refused(editor: Any, tmp_path: Path) -> None:
    other = Kontext if editor.name == "klein" else Klein
    with pytest.raises(SafetyPairsError, match=r"holds .*Pipeline, and this needs .*Pipeline; name another"):
        other(editor.model, device="cpu").round_trip(pictures((64, 64)))
    with pytest.raises(SafetyPairsError, match=r"has no model_index.json: it is no model folder"):
        replace(editor, model=str(tmp_path)).round_trip(pictures((64, 64)))


def test_the_revision_names_the_weights(editor: Any) -> None:
    assert editor.revision.startswith("folder:")
    assert Klein(commit="0123abc").revision == "0123abc"
    with pytest.raises(SafetyPairsError, match="no revision is pinned"):
        _ = Klein().revision


def test_an_editor_of_ones_own_is_its_fields_and_one_call(tmp_path: Path) -> None:
    """What a recipe's author writes: the base does batches, sizes, seeds, rejects, round trips and release."""

    @dataclass(frozen=True)
    class Brighter(PipelineEditor):
        LICENSE = "openrail"
        PIPELINE = "StableDiffusionInstructPix2PixPipeline"

        steps: int = 1
        batch_size: int = 2
        name: str = "brighter"

        @property
        def _multiple(self) -> int:
            return 8

    brighter = Brighter(str(tiny.instruct_pix2pix(tmp_path / "model")))
    images = pictures((64, 64), (97, 71), (64, 64), (64, 64))
    answers = edit(brighter, images, [1, 2, 3, 4])
    assert [answer.pixels.shape for answer in answers] == [(64, 64, 3), (71, 97, 3), (64, 64, 3), (64, 64, 3)]
    assert [answer.batch for answer in answers] == [2, 1, 2, 1]
    assert [pixels.shape for pixels in brighter.round_trip(images)] == [answer.pixels.shape for answer in answers]
    assert brighter.revision.startswith("folder:")


def test_the_licence_is_of_the_class() -> None:
    assert {name: license_of(name, "org/other", None) for name in EDITORS} == {
        "klein": ("not stated", False),
        "qwen-image-edit": ("not stated", False),
        "qwen-image-edit-plus": ("not stated", False),
        "kontext": ("flux-1-dev-non-commercial-license", False),
        "instruct-pix2pix": ("unknown", False),
    }
    assert license_of("qwen-image-edit-plus", "Qwen/Qwen-Image-Edit-2511", None) == ("apache-2.0", True)
    assert license_of("klein", "org/other", "mit") == ("mit", True)
    assert license_of("kontext", "org/other", "mit") == ("mit", False)
