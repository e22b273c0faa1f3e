"""Pairs from real photographs, edited by Qwen-Image-Edit-2511, or by another of its family.

Command:   safetypairs build qwen_edit --out runs/qwen --pairs 1000 --set folder=my-photos/ --set license=CC-BY-4.0 \\
               --set editor_commit=SHA --set instructor_commit=SHA --set guard_commit=SHA
           with --set editor=Qwen/Qwen-Image-Edit --set plus=false for the first one, which edits in batches.
Models:    editor       Qwen/Qwen-Image-Edit-2511 (or -2509, by the same class), Apache-2.0
           the others   as in klein.py
Revisions: as in klein.py: a commit of each model is given by --set, and none is in this file.
Needs:     as in klein.py, and a GPU with 70 GB: the editor alone takes about 64 for an image of a megapixel.
Cost:      not measured by us. Published, on an H200: 17.8 s an image at 50 steps.
Expected:  as in klein.py.

Its other settings are those of `Settings` in safetypairs_hf/recipes/photographs.py.
"""

from __future__ import annotations

from safetypairs_hf.recipes import QwenEdit, QwenEditPlus, Recipe
from safetypairs_hf.recipes.photographs import Settings, editor_weights, with_settings


@with_settings
def recipe(
    shared: Settings,
    editor: str = "Qwen/Qwen-Image-Edit-2511",
    editor_commit: str | None = None,
    editor_license: str | None = None,
    plus: bool = True,
    steps: int = 40,
    guidance: float = 4.0,
    batch_size: int = 2,
    gpu_gb: float = 70.0,
) -> Recipe:
    """The recipe; its arguments, and those of `Settings`, are what `--set name=value` sets.

    `plus`: whether `editor` is of the Plus class, as 2509 and 2511 are; that takes one image a call, whatever
    `batch_size` is. `editor_license`: where `editor` is none of the three.
    """
    made = (
        QwenEditPlus(editor, editor_commit, steps, guidance, device=shared.device)
        if plus
        else QwenEdit(editor, editor_commit, steps, guidance, batch_size, device=shared.device)
    )
    weights = editor_weights("qwen-image-edit-plus" if plus else "qwen-image-edit", editor, editor_license)
    return shared.recipe(made, weights, gpu_gb)
