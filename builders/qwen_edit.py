"""Pairs from real photographs, edited by Qwen-Image-Edit-2511, or by another of its family.

Command:   safetypairs build qwen_edit --out runs/qwen --pairs 1000 --set folder=my-photos/ --set license=CC-BY-4.0 \\
               --set editor_commit=SHA --set instructor_commit=SHA --set guard_commit=SHA
           with --set editor=Qwen/Qwen-Image-Edit --set plus=false for the first one, which edits in batches;
           with --set lora=lightx2v/Qwen-Image-Edit-2511-Lightning --set lora_commit=SHA --set lora_weight_name=FILE for
           4 steps without guidance, a twentieth of the work (not measured).
Models:    editor       Qwen/Qwen-Image-Edit-2511 (or -2509, by the same class), Apache-2.0
           the others   as in klein.py
Revisions: as in klein.py: a commit of each model is given by --set, and none is in this file.
Needs:     as in klein.py, and a GPU with 70 GB: the editor alone takes about 64 for an image of a megapixel.
Cost:      not measured by us. Published, on an H200: 17.8 s an image at 50 steps.
Expected:  as in klein.py.

Its other settings are those of `Settings` in safetypairs_hf/recipes/photographs.py.
"""

from __future__ import annotations

from typing import Any

from safetypairs_hf.recipes import QwenEdit, QwenEditPlus, Recipe, Weights
from safetypairs_hf.recipes.photographs import Settings, editor_weights, with_settings


@with_settings
def recipe(
    shared: Settings,
    editor: str = "Qwen/Qwen-Image-Edit-2511",
    editor_commit: str | None = None,
    editor_license: str | None = None,
    plus: bool = True,
    steps: int | None = None,
    guidance: float | None = None,
    batch_size: int = 2,
    lora: str | None = None,
    lora_commit: str | None = None,
    lora_weight_name: str | None = None,
    lora_license: str | None = None,
    attention: str = "auto",
    fp8: str = "off",
    compile_blocks: bool = False,
    gpu_gb: float = 70.0,
) -> Recipe:
    """The recipe; its arguments, and those of `Settings`, are what `--set name=value` sets.

    `steps` and `guidance` are 40 and 4 if they are not given; with `lora`, a LoRA for few steps, they are 4 and 1.
    `lora_license`: without it, as with a restricted one, `publish` refuses a public target. `lora`, `lora_commit`,
    `lora_weight_name`: see `QwenEditor`. `attention`, `fp8`, `compile_blocks`: see `PipelineEditor`.
    `plus`: whether `editor` is of the Plus class, as 2509 and 2511 are; that takes one image a call, whatever
    `batch_size` is. `editor_license`: where `editor` is none of the three.
    """
    steps = (40 if lora is None else 4) if steps is None else steps
    guidance = (4.0 if lora is None else 1.0) if guidance is None else guidance
    on: dict[str, Any] = {
        "device": shared.device,
        "lora": lora,
        "lora_commit": lora_commit,
        "lora_weight_name": lora_weight_name,
        "attention": attention,
        "fp8": fp8,
        "compile_blocks": compile_blocks,
    }
    made = (
        QwenEditPlus(editor, editor_commit, steps, guidance, **on)
        if plus
        else QwenEdit(editor, editor_commit, steps, guidance, batch_size, **on)
    )
    weights = editor_weights("qwen-image-edit-plus" if plus else "qwen-image-edit", editor, editor_license)
    of_lora = () if lora is None else (Weights(lora, lora_license or "not stated", lora_license is not None),)
    return shared.recipe(made, weights, gpu_gb, *of_lora)
