"""Pairs from real photographs, edited by FLUX.1-Kontext-dev: a gated model for non-commercial use.

Command:   safetypairs build kontext --out runs/kontext --pairs 1000 --set folder=my-photos/ --set license=CC-BY-4.0 \\
               --set editor_commit=SHA --set instructor_commit=SHA --set guard_commit=SHA
Models:    editor       black-forest-labs/FLUX.1-Kontext-dev, FLUX.1 [dev] Non-Commercial License; ask for access on its
                        page, and log in (HF_TOKEN)
           the others   as in klein.py
Licence:   because of the editor's, what this makes is not published in public before --accept-license, which the card
           then records.
Revisions: as in klein.py: a commit of each model is given by --set, and none is in this file.
Needs:     as in klein.py, and a GPU with 40 GB: the editor's weights take 34.
Expected:  as in klein.py, cost and yield are not measured.

Its other settings are those of `Settings` in safetypairs_hf/recipes/photographs.py.
"""

from __future__ import annotations

from safetypairs_hf.recipes import Kontext, Recipe
from safetypairs_hf.recipes.photographs import Settings, editor_weights, with_settings


@with_settings
def recipe(
    shared: Settings,
    editor: str = "black-forest-labs/FLUX.1-Kontext-dev",
    editor_commit: str | None = None,
    steps: int = 28,
    guidance: float = 2.5,
    batch_size: int = 4,
    max_sequence_length: int = 512,
    attention: str = "auto",
    fp8: str = "off",
    compile_blocks: bool = False,
    release_text: bool = False,
    gpu_gb: float = 40.0,
) -> Recipe:
    """The recipe; its arguments, and those of `Settings`, are what `--set name=value` sets.

    `release_text`: see `Kontext`. `attention`, `fp8`, `compile_blocks`: see `PipelineEditor`.
    """
    made = Kontext(
        editor,
        editor_commit,
        steps,
        guidance,
        batch_size,
        max_sequence_length,
        release_text,
        device=shared.device,
        attention=attention,
        fp8=fp8,
        compile_blocks=compile_blocks,
    )
    return shared.recipe(made, editor_weights("kontext", editor, None), gpu_gb)
