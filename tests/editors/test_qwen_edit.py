"""The Qwen editors, through the real pipelines at small random weights; each edit is of a megapixel, so there are few.

torchvision is not installed: the editors make the processor without its part for videos.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_editors import BATCH_BOUND, StoppedError, apart, edit, frames, grid_of, pictures, plain

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.editors.base import Size
from safetypairs_hf.editors.klein import Klein
from safetypairs_hf.editors.qwen_edit import QwenEdit, QwenEditPlus
from safetypairs_hf.testing.tiny import editors as tiny


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> QwenEdit:
    return QwenEdit(str(tiny.qwen_edit(tmp_path_factory.mktemp("model") / "qwen")), steps=1, device="cpu")


@pytest.fixture(scope="module")
def plus(tmp_path_factory: pytest.TempPathFactory) -> QwenEditPlus:
    return QwenEditPlus(str(tiny.qwen_edit_plus(tmp_path_factory.mktemp("model") / "plus")), steps=1, device="cpu")


def test_the_reference_has_the_grid_of_what_is_drawn(qwen: QwenEdit, plus: QwenEditPlus) -> None:
    for editor, sizes in ((qwen, frames(1280)), (plus, [(64, 64), (1104, 960), (1536, 512)])):
        for size in (*sizes, (1203, 977), (70, 1100), (10, 20)):
            drawn, reference = grid_of(editor, size)
            assert drawn == reference, size
            assert abs(drawn[0] * drawn[1] * 32**2 / 2**20 - 1) < 0.1  # about a megapixel


def test_the_text_encoder_sees_each_image_of_a_batch_as_it_sees_one(qwen: QwenEdit) -> None:
    """The pipeline itself hands the images of a list over as they came, and a single one at a megapixel."""
    from diffusers import QwenImageEditPipeline

    seen: list[Any] = []

    def look(module: Any, args: Any, kwargs: Any) -> None:
        seen.append(kwargs["image_grid_thw"].tolist())
        raise StoppedError

    pipeline = replace(qwen, guidance=1.0).pipeline
    pipeline.processor.image_processor.size = {"shortest_edge": 56**2, "longest_edge": 1024**2}  # as the real ones
    hook = pipeline.text_encoder.register_forward_pre_hook(look, with_kwargs=True)
    image = Image.fromarray(plain(96, 64).pixels)
    one = QwenImageEditPipeline(**pipeline.components)
    for call in (partial(one, image, "x"), partial(pipeline, [image] * 2, ["x"] * 2)):
        with pytest.raises(StoppedError):
            call(num_inference_steps=1)
    hook.remove()
    assert seen[1] == seen[0] * 2 and seen[0][0][1] > 50


def test_pixels_are_normalised_before_they_are_cast(qwen: QwenEdit, plus: QwenEditPlus) -> None:
    """In bfloat16, at both ends of the autoencoder, whose own work on a megapixel would be slow."""
    import torch

    half, seen = torch.bfloat16, []
    levels = np.arange(1024 * 1024 * 3).reshape(1024, 1024, 3) % 256
    picture = encode(levels.astype(np.uint8))
    exact = torch.from_numpy(levels / 127.5 - 1).permute(2, 0, 1)[None, :, None].to(half)
    ramp = torch.linspace(-1, 1, levels.size).reshape(exact.shape).to(half)  # between the levels, too
    shares = ramp.double()[0, :, 0].permute(1, 2, 0).numpy() / 2 + 0.5

    def stop(module: Any, args: Any) -> None:
        seen.append(args[0])
        raise StoppedError

    for editor in (replace(qwen), replace(plus)):
        editor.pipeline.to(half)
        hook = editor.pipeline.vae.encoder.register_forward_pre_hook(stop)
        for call in (lambda: editor.round_trip([picture]), lambda: edit(editor, [picture], [1])):  # noqa: B023
            with pytest.raises(StoppedError):
                call()
            assert torch.equal(seen.pop(), exact)
        hook.remove()
        decoder = SimpleNamespace(dtype=half, decode=lambda latents, return_dict: (latents,))
        drawn = editor._drawing(decoder, ramp, Size(1024, 1024))
        assert np.array_equal(drawn, (shares * 255).round().astype(np.uint8))


def test_a_batch_is_of_one_size_and_is_what_single_calls_are(qwen: QwenEdit) -> None:
    images, seeds = pictures((64, 64), (97, 71), (64, 64)), [5, 6, 9]
    together = edit(qwen, images, seeds)
    assert [answer.batch for answer in together] == [2, 1, 2]
    assert [answer.pixels.shape for answer in together] == [(64, 64, 3), (71, 97, 3), (64, 64, 3)]
    alone = [edit(qwen, [images[number]], [seeds[number]])[0] for number in (0, 2)]
    assert max(apart(together[2 * n].pixels, one.pixels) for n, one in enumerate(alone)) <= BATCH_BOUND
    # Each from its own image: the first one, with the last one's prompt and seed, becomes something else.
    [other] = edit(qwen, images[:1], seeds[2:])
    assert apart(other.pixels, together[2].pixels) > BATCH_BOUND


def test_guidance_guides(qwen: QwenEdit) -> None:
    """The pipeline ignores a guidance that comes without a negative prompt; ours always has one above 1."""
    images = pictures((64, 64))
    [guided], [plain] = edit(replace(qwen, guidance=50.0), images, [1]), edit(replace(qwen, guidance=1.0), images, [1])
    assert apart(guided.pixels, plain.pixels) > 0


def test_the_round_trip_is_in_the_images_own_sizes(qwen: QwenEdit, plus: QwenEditPlus) -> None:
    images = pictures((97, 71), (64, 64), (64, 64))
    together = qwen.round_trip(images)
    assert [pixels.shape for pixels in together] == [(71, 97, 3), (64, 64, 3), (64, 64, 3)]
    assert apart(together[1], together[2]) > 20
    [alone] = plus.round_trip(images[2:])  # the same weights, one by one
    assert apart(together[2], alone) <= BATCH_BOUND
    held = weakref.ref(qwen.pipeline)
    qwen.release()
    assert held() is None


def test_plus_answers_one_by_one(plus: QwenEditPlus) -> None:
    images = pictures((64, 64), (64, 64))
    together = edit(plus, images, [5, 6])
    assert [answer.batch for answer in together] == [1, 1]
    [second] = edit(plus, images[1:], [6])
    assert np.array_equal(together[1].pixels, second.pixels)
    assert apart(together[0].pixels, together[1].pixels) > 20


def test_a_folder_of_another_class_is_refused(qwen: QwenEdit, plus: QwenEditPlus, tmp_path: Path) -> None:
    image = pictures((64, 64))
    with pytest.raises(SafetyPairsError, match="holds QwenImageEditPlusPipeline, and this needs QwenImageEditPipeline"):
        QwenEdit(plus.model, device="cpu").round_trip(image)
    with pytest.raises(SafetyPairsError, match="holds QwenImageEditPipeline, and this needs QwenImageEditPlusPipeline"):
        QwenEditPlus(qwen.model, device="cpu").round_trip(image)
    with pytest.raises(SafetyPairsError, match="holds QwenImageEditPipeline, and this needs Flux2KleinPipeline"):
        Klein(qwen.model, device="cpu").round_trip(image)


def test_the_revision_names_the_weights(qwen: QwenEdit, plus: QwenEditPlus) -> None:
    assert qwen.revision.startswith("folder:") and plus.revision.startswith("folder:")
    assert QwenEdit(commit="0123abc").revision == "0123abc"
    for unpinned in (QwenEdit(), QwenEditPlus()):
        with pytest.raises(SafetyPairsError, match="no revision is pinned"):
            _ = unpinned.revision


def test_one_image_is_what_the_stock_pipeline_makes_of_it(qwen: QwenEdit) -> None:
    import torch
    from diffusers import QwenImageEditPipeline

    plainly, [image] = replace(qwen, guidance=1.0), pictures((64, 64))
    plainly.__dict__["pipeline"] = qwen.pipeline
    [ours] = edit(plainly, [image], [5])
    prompt, seed = "Paint the red square green. 2", torch.Generator("cpu").manual_seed(5)
    pipeline = QwenImageEditPipeline(**qwen.pipeline.components)
    made = pipeline(Image.fromarray(image.pixels), prompt, generator=seed, num_inference_steps=1, true_cfg_scale=1.0)
    assert np.array_equal(ours.pixels, np.asarray(made.images[0].resize((64, 64), Image.Resampling.LANCZOS)))


@pytest.fixture(scope="module")
def lora(qwen: QwenEdit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA of the small model, as diffusers writes one."""
    import torch
    from diffusers import QwenImageEditPipeline
    from diffusers.training_utils import _collate_lora_metadata
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    folder = tmp_path_factory.mktemp("model") / "lora"
    transformer = QwenEdit(qwen.model, device="cpu").pipeline.transformer
    torch.manual_seed(1)
    transformer.add_adapter(LoraConfig(r=2, lora_alpha=4, init_lora_weights=False, target_modules=["to_q", "to_out.0"]))
    QwenImageEditPipeline.save_lora_weights(
        folder,
        transformer_lora_layers=get_peft_model_state_dict(transformer),
        **_collate_lora_metadata({"transformer": transformer}),
    )
    return folder


def test_a_lora_for_few_steps_is_merged_and_sets_the_scheduler(qwen: QwenEdit, lora: Path) -> None:
    import math

    from safetensors.torch import load_file

    few = replace(qwen, lora=str(lora), guidance=1.0)
    images, seeds = pictures((64, 64), (64, 64)), [5, 6]
    together = edit(few, images, seeds)
    assert [answer.batch for answer in together] == [2, 2]
    [alone] = edit(few, images[1:], seeds[1:])
    assert apart(alone.pixels, together[1].pixels) <= BATCH_BOUND
    name = "transformer_blocks.0.attn.to_q"
    weights = {key: each.numpy() for key, each in load_file(lora / "pytorch_lora_weights.safetensors").items()}
    down, up = (weights[f"transformer.{name}.lora_{each}.weight"] for each in "AB")
    before, after = (each.pipeline.transformer.get_submodule(name).weight.detach().numpy() for each in (qwen, few))
    assert np.allclose(after, before + 2 * up @ down, atol=1e-6)  # alpha / rank is 2
    scheduler = few.pipeline.scheduler.config
    assert scheduler.base_shift == scheduler.max_shift == math.log(3)
    assert scheduler.use_dynamic_shifting and scheduler.shift_terminal is None
    folder, _, named = few.revision.partition(" + ")
    assert folder == qwen.revision and named.startswith(f"{lora} folder:")


def test_a_lora_that_cannot_be_used_is_one_line(qwen: QwenEdit, lora: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="guidance = 4: a LoRA for few steps is trained without guidance; give guid"):
        QwenEdit(lora=str(lora))
    with pytest.raises(RecipeError, match="lora_commit or lora_weight_name is given without lora; name the LoRA"):
        QwenEdit(lora_weight_name="4steps.safetensors")
    with pytest.raises(SafetyPairsError, match="no revision is pinned"):
        _ = replace(qwen, lora="lightx2v/Qwen-Image-Edit-2511-Lightning", guidance=1.0).revision
    with pytest.raises(SafetyPairsError, match=r"lora=.*/other does not load into \w+: "):
        replace(qwen, lora=str(tmp_path / "other"), guidance=1.0).round_trip(pictures((64, 64)))
    replace(qwen, lora=str(lora), guidance=1.0).check_model()
    (tmp_path / "empty").mkdir()
    with pytest.raises(SafetyPairsError, match=r"empty holds no weights"):
        replace(qwen, lora=str(tmp_path / "empty"), guidance=1.0).check_model()
