"""Pairs from real photographs, edited by FLUX.2-klein-4B: the default recipe where there is a GPU.

Command:   safetypairs build klein --out runs/klein --pairs 1000 --set folder=my-photos/ --set license=CC-BY-4.0 \\
               --set editor_commit=SHA --set instructor_commit=SHA --set guard_commit=SHA
           with --set dataset=org/name --set label_column=label --set labels=gun=O6,fire=O9 in place of a folder;
           with --set server=http://localhost:8000/v1 for a model behind vLLM or SGLang in place of one in process;
           with --set then=qwen-image-edit-plus --set then_commit=SHA for another editor from the second round on, or
           --set then_steps=8 for more steps of the same one.
Models:    editor       black-forest-labs/FLUX.2-klein-4B, Apache-2.0
           instructor   Qwen/Qwen2.5-VL-7B-Instruct, Apache-2.0; it is also the second judge, asked the policy question
           guard        google/shieldgemma-2-4b-it, by our policy texts; licence: Gemma terms of use
           Every judge is asked of the whole image and of the region. A judge that you set yourself should be no Gemma.
Revisions: a run is bound to one commit of each model. They are not in this file: look them up on the models' pages
           (Files, History) and give them. What is missing is said before anything is made. A folder needs none.
Needs:     pip install 'safetypairs-hf[gpu,grammar]' torchvision (--set grammar=false goes without the second extra); a
           GPU with 32 GB, which is the sum of the weights that are loaded at once (guard and second judge, in bfloat16:
           25 GB; the editor: 13 GB) and room to work, and not measured. --set gpu_gb=0 goes without that check.
Cost:      not measured.
Expected:  not measured. In the paper 23% of the edits succeeded. The thresholds are not tuned.

Its other settings are those of `Settings` in safetypairs_hf/recipes/photographs.py.
"""

from __future__ import annotations

from safetypairs_hf.recipes import Klein, Recipe
from safetypairs_hf.recipes.photographs import Settings, editor_weights, with_settings


@with_settings
def recipe(
    shared: Settings,
    editor: str = "black-forest-labs/FLUX.2-klein-4B",
    editor_commit: str | None = None,
    editor_license: str | None = None,
    steps: int = 4,
    batch_size: int = 8,
    text_layers: tuple[int, ...] = (9, 18, 27),
    attention: str = "auto",
    fp8: str = "off",
    compile_blocks: bool = False,
    release_text: bool = False,
    gpu_gb: float = 32.0,
) -> Recipe:
    """The recipe; its arguments, and those of `Settings`, are what `--set name=value` sets.

    `editor_license`: where `editor` is not the default. `text_layers`, `release_text`: see `Klein`. `attention`, `fp8`,
    `compile_blocks`: see `PipelineEditor`.
    """
    klein = Klein(
        editor,
        editor_commit,
        steps,
        batch_size=batch_size,
        text_layers=text_layers,
        release_text=release_text,
        device=shared.device,
        attention=attention,
        fp8=fp8,
        compile_blocks=compile_blocks,
    )
    return shared.recipe(klein, editor_weights("klein", editor, editor_license), gpu_gb)
