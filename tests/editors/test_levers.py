"""What makes editors faster changes no image beyond the bound of a batch, and depends on no batch-mate.

Through the real pipelines at small random weights, on a CPU. That blocks are compiled to machine code takes a minute an
editor, and is marked thorough; without it they are only traced.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_editors import BATCH_BOUND, KINDS, apart, edit, pictures

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.records import Edited, Instruction, Pixels
from safetypairs_hf.editors import levers
from safetypairs_hf.editors.instruct_pix2pix import InstructPix2Pix
from safetypairs_hf.editors.klein import Klein
from safetypairs_hf.editors.qwen_edit import QwenEdit
from safetypairs_hf.testing.tiny import editors as tiny

SEEDS = [5, 6, 8, 9]  # `edit` makes three prompts of them


@pytest.fixture(scope="module", params=KINDS)
def editor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    make, load = KINDS[request.param]
    return load(str(make(tmp_path_factory.mktemp("model") / request.param)))


def sharing(editor: Any, **changed: Any) -> Any:
    """The editor with other settings, and the same pipeline."""
    other = replace(editor, **changed)
    other.__dict__["pipeline"] = editor.pipeline
    return other


@contextmanager
def hooked(module: Any, hook: Any) -> Iterator[None]:
    handle = module.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def denoiser(editor: Any) -> Any:
    return editor.pipeline.unet if hasattr(editor.pipeline, "unet") else editor.pipeline.transformer


def stock(editor: Any, image: Pixels, prompt: str, seed: int) -> Pixels:
    """What the pipeline of diffusers makes of one image, with nothing of ours."""
    import torch
    from diffusers import DiffusionPipeline

    options = {"safety_checker": None} if editor.name == "instruct-pix2pix" else {}
    pipeline = DiffusionPipeline.from_pretrained(editor.model, **options)
    height, width = image.shape[:2]
    sized = {"height": height, "width": width, "guidance_scale": editor.guidance}
    if editor.name == "klein":
        settings = {**sized, "max_sequence_length": 64, "text_encoder_out_layers": (1,)}
    elif editor.name == "kontext":
        settings = {**sized, "max_sequence_length": 64, "max_area": width * height, "_auto_resize": False}
    else:
        settings = {"guidance_scale": editor.guidance, "image_guidance_scale": editor.image_guidance}
    made = pipeline(
        image=Image.fromarray(image),
        prompt=prompt,
        generator=torch.Generator("cpu").manual_seed(seed),
        num_inference_steps=editor.steps,
        **settings,
    )
    return np.asarray(made.images[0])


def test_one_image_is_what_the_stock_pipeline_makes_of_it(editor: Any) -> None:
    [image] = pictures((64, 64))
    [ours] = edit(editor, [image], [5])
    assert np.array_equal(ours.pixels, stock(editor, image.pixels, "Paint the red square green. 2", 5))


def test_a_prompt_is_embedded_once_and_by_itself(editor: Any) -> None:
    if editor.name == "instruct-pix2pix":
        pytest.skip("its pipeline embeds the prompts")
    images, seen = pictures(*[(64, 64)] * 4), []
    with hooked(editor.pipeline.text_encoder, lambda module, args: seen.append(1)):
        together = edit(editor, images, SEEDS)
    assert len(seen) == 2  # of four images with two prompts
    alone = [edit(editor, [image], [seed])[0] for image, seed in zip(images, SEEDS, strict=True)]
    assert max(apart(one.pixels, other.pixels) for one, other in zip(together, alone, strict=True)) <= BATCH_BOUND


def test_the_text_encoder_is_away_while_images_are_edited(editor: Any) -> None:
    if editor.name == "instruct-pix2pix":
        pytest.skip("it keeps its text encoder, which is small")
    images, away = pictures((64, 64), (96, 64)), []
    plain, frugal, seen = edit(editor, images, [1, 2]), replace(editor, release_text=True), []
    encoder = frugal.pipeline.text_encoder
    frugal.embed_prompts([Instruction("", f"Paint the red square green. {number}", None) for number in (1, 2, 1)])
    with (
        hooked(denoiser(frugal), lambda module, args: away.append(frugal.pipeline.text_encoder is None)),
        hooked(encoder, lambda module, args: seen.append(frugal.pipeline.text_encoder is encoder)),
    ):
        made = edit(frugal, images, [1, 2])
        assert not seen  # all was embedded when it was expected
        [other] = edit(frugal, images[:1], [3])
    assert all(away) and len(away) == 6 and seen == [True]
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(plain, made, strict=True))
    [alone] = edit(editor, images[:1], [3])
    assert np.array_equal(alone.pixels, other.pixels)


def test_a_batch_is_decoded_beside_the_next(editor: Any) -> None:
    images, threads = pictures((64, 64), (96, 64), (64, 64)), set()
    with hooked(editor.pipeline.vae.decoder, lambda module, args: threads.add(threading.current_thread())):
        beside = edit(editor, images, [1, 2, 3])
        assert len(threads) == 1 and threading.main_thread() not in threads
        at_once = edit(sharing(editor, decode_beside=False), images, [1, 2, 3])
        assert threading.main_thread() in threads
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(beside, at_once, strict=True))


def test_memory_that_runs_out_beside_the_denoiser_is_enough_without_it(editor: Any) -> None:
    """The first decoding fails, and so does the denoiser while there may be one: both are done again, as large."""
    import torch

    images, calls = pictures((64, 64), (64, 64), (96, 64)), {"decode": 0, "denoise": 0}
    whole = edit(editor, images, [1, 2, 3])

    def refuse(what: str, call: int) -> None:
        calls[what] += 1
        if calls[what] == call:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with (
        hooked(editor.pipeline.vae.decoder, lambda module, args: refuse("decode", 1)),
        hooked(denoiser(editor), lambda module, args: refuse("denoise", 1 + editor.steps)),
    ):
        made = edit(editor, images, [1, 2, 3])
    assert [answer.batch for answer in made] == [2, 2, 1] and calls["decode"] == 4
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(whole, made, strict=True))


def test_another_attention_is_within_the_bound(editor: Any) -> None:
    images = pictures(*[(64, 64)] * 4)
    plain, math = edit(editor, images, SEEDS), replace(editor, attention="_native_math")
    if editor.name == "instruct-pix2pix":
        with pytest.raises(SafetyPairsError, match="attention=_native_math: UNet2DConditionModel takes none; give att"):
            math.round_trip(images)
        return
    together = edit(math, images, SEEDS)
    alone = [edit(math, [image], [seed])[0] for image, seed in zip(images, SEEDS, strict=True)]
    for other in (plain, alone):
        assert max(apart(one.pixels, two.pixels) for one, two in zip(together, other, strict=True)) <= BATCH_BOUND
    assert math.levers == ("attention=_native_math",) and editor.levers == ()


def test_compiled_blocks_are_compiled_once_for_all_sizes(editor: Any) -> None:
    """Two graphs a kind of block, one for batches and one for single images, and not one more for another size."""
    if editor.name != "klein":
        pytest.skip("one editor stands for all")
    _compiled(editor, "eager", [slice(None)])


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_compiled_blocks_depend_on_no_order(editor: Any) -> None:
    if editor.name != "klein":
        pytest.skip("a compiler that takes minutes; one editor stands for all")
    first, second = _compiled(editor, "inductor", [slice(None), slice(None, None, -1)])
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(first, second, strict=True))


def _compiled(editor: Any, backend: str, orders: list[slice]) -> list[list[Edited]]:
    """Images of three sizes edited in each of the orders, each by an editor whose blocks are compiled anew."""
    import torch
    from torch._dynamo.utils import counters

    images, seeds = pictures((64, 64), (64, 64), (64, 64), (96, 64), (64, 128)), [1, 2, 3, 4, 5]
    plain, made = edit(editor, images, seeds), []
    for order in orders:
        torch._dynamo.reset()
        counters.clear()
        compiled = replace(editor, compile_blocks=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(levers, "COMPILER", backend)
            assert compiled._compiled
            graphs = counters["stats"]["unique_graphs"]
            assert graphs == (4 if editor.name in ("klein", "kontext") else graphs)
            with torch._dynamo.config.patch(error_on_recompile=True):
                made.append(edit(compiled, images[order], seeds[order])[order])
            assert counters["stats"]["unique_graphs"] == graphs
        assert [answer.batch for answer in made[-1]] == [3, 3, 3, 1, 1]
        assert max(apart(one.pixels, other.pixels) for one, other in zip(plain, made[-1], strict=True)) <= BATCH_BOUND
    return made


def test_what_the_card_decides() -> None:
    found = {name: levers.with_capability(*name)[1:] for name in ((0, 0), (8, 0), (8, 9), (9, 0), (10, 0), (12, 0))}
    assert found == {
        (0, 0): ("native", "off"),
        (8, 0): ("native", "off"),
        (8, 9): ("native", "rows"),
        (9, 0): ("_native_cudnn", "rows"),
        (10, 0): ("_native_cudnn", "rows"),
        (12, 0): ("_native_cudnn", "rows"),
    }
    assert levers.turned_on("auto", "auto", False, "cpu") == ()
    assert levers.turned_on("_native_math", "weights", True, "cpu") == (
        "attention=_native_math",
        "fp8=weights",
        "compile_blocks",
    )


def test_rows_name_no_lever_that_the_denoiser_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Hopper card, whose attention the denoiser of InstructPix2Pix leaves alone."""
    monkeypatch.setattr(levers, "card_of", lambda device: levers.with_capability(9, 0))
    assert Klein().levers == ("attention=_native_cudnn",)
    assert InstructPix2Pix(compile_blocks=True).levers == ("compile_blocks",)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"attention": "flash_9"}, "attention = 'flash_9'; expected one of auto, native, _native_cudnn"),
        ({"fp8": "yes"}, "fp8 = 'yes'; expected one of off, auto, rows, weights"),
    ],
)
def test_a_lever_that_there_is_not_is_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Klein(**settings)  # type: ignore[arg-type]


def test_attention_without_masks_is_not_for_padded_prompts() -> None:
    with pytest.raises(RecipeError, match=r"attention = '_flash_3' accepts no mask, but QwenImageEditPipeline masks"):
        QwenEdit(attention="_flash_3")


def test_attention_of_a_package_that_is_not_installed_is_one_line(tmp_path: Path) -> None:
    if importlib.util.find_spec("flash_attn_interface"):
        pytest.skip("it is installed here")
    editor = Klein(str(tiny.klein(tmp_path / "klein")), attention="_flash_3", device="cpu")
    with pytest.raises(SafetyPairsError, match=r"attention=_flash_3 cannot be used here: .*; give attention=native"):
        editor.round_trip(pictures((64, 64)))


def test_fp8_without_torchao_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchao", None)
    editor = Klein(str(tiny.klein(tmp_path / "klein")), fp8="weights", device="cpu")
    with pytest.raises(SafetyPairsError, match=r"fp8=weights needs torchao: pip install 'safetypairs-hf\[fp8\]'; or"):
        editor.round_trip(pictures((64, 64)))


def test_weights_in_fp8(editor: Any) -> None:
    """FP8 is another result, and it is the same one in a batch."""
    pytest.importorskip("torchao")
    if editor.name == "instruct-pix2pix":
        pytest.skip("its layers are too narrow")
    images = pictures(*[(64, 64)] * 4)
    plain, small = edit(editor, images, SEEDS), replace(editor, fp8="weights")
    together = edit(small, images, SEEDS)
    alone = [edit(small, [image], [seed])[0] for image, seed in zip(images, SEEDS, strict=True)]
    assert max(apart(one.pixels, two.pixels) for one, two in zip(together, alone, strict=True)) <= BATCH_BOUND
    assert any(not np.array_equal(one.pixels, two.pixels) for one, two in zip(plain, together, strict=True))
    with pytest.raises(SafetyPairsError, match=r"fp8=rows cannot be used here: .*; give fp8=weights or fp8=off"):
        replace(editor, fp8="rows").round_trip(images)
