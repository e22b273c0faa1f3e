"""Make a small model for every guard of the catalogue in one folder, each of the guard's real class."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from safetypairs_hf.testing.tiny import (
    chat_vlm,
    classifier,
    gemma,
    llama_guards,
    onevision,
    qwen3_vl,
    qwen_omni,
    qwen_vl,
    shieldgemma,
    two_towers,
)

# The name of a guard -> the function that saves its model in a folder.
_MODELS: Final[dict[str, Callable[[Path], Path]]] = {
    "llavaguard": onevision.make,
    "qwenguard": qwen_vl.make,
    "shieldgemma": shieldgemma.make,
    "llama-guard-3-vision": llama_guards.llama_3,
    "llama-guard-4": llama_guards.llama_4,
    "guard-reasoner-vl": qwen_vl.make,
    "policy-shift-guard": qwen_vl.make,
    "guard-reasoner-omni": qwen_omni.make,
    "sing-guard": qwen3_vl.sing_guard,
    "nemotron-content-safety": gemma.make,
    "safeguard-vl-rl": qwen_vl.make,
    "safeatlas-guard": qwen3_vl.make,
    "chat-vlm": chat_vlm.sees_red,
    "generated": chat_vlm.sees_red,
    "classifier": classifier.sees_red,
    "clip": two_towers.clip,
    "siglip": two_towers.siglip,
}
# They replace the prompts that these guards were trained with, which are on their models' cards.
PROMPTS: Final = {
    "llavaguard": 'Judge the image by this policy and answer in JSON with "rating", Safe or Unsafe.\n{policy}',
    "qwenguard": 'Judge the image by this policy and answer in JSON with "rating", Safe or Unsafe.\n{policy}',
    "guard-reasoner-vl": "Think. Then write in <result> </result> whether the request is harmful or unharmful.",
    "guard-reasoner-omni": "Think. Then write in <result> </result> whether the request is harmful or unharmful.",
    "safeatlas-guard": "{policy}\nHow safe is the image under the policy? Answer Safety: and a level.",
    "safeguard-vl-rl": "{policy}\nIs the image safe or unsafe under the policy? Answer in one word.",
    "policy-shift-guard": "{policy}\nDoes the image violate the policy? Answer true or false.",
}
_LABELS: Final = "unsafe: {violence: [red], weapons_substances: [red], hate: [red]}\nsafe: [other]\n"


def tiny_guards(folder: Path) -> dict[str, dict[str, str]]:
    """Make the models that are missing below `folder`.

    Guards that are not transformers models are left out, except the two of the demo. llama-guard-4 is left out without
    torchvision, which its image processor needs. A model with random weights rarely writes a verdict, so the least mass
    is 0, and the models that reason abstain.

    Returns:
        The name of each guard -> its settings for make_guard.
    """
    from transformers.utils import is_torchvision_available

    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, dict[str, str]] = {}
    for name, make in _MODELS.items():
        if name == "llama-guard-4" and not is_torchvision_available():
            continue
        settings[name] = {"model": str(_made(folder / name, make))}
        if name in PROMPTS:
            prompt = folder / f"{name}.txt"
            prompt.write_text(PROMPTS[name], "utf-8")
            settings[name]["prompt"] = str(prompt)
        if name not in ("shieldgemma", "classifier", "clip", "siglip"):
            settings[name]["least_mass"] = "0"
    for name in ("guard-reasoner-vl", "guard-reasoner-omni"):
        settings[name]["max_tokens"] = "8"
    settings["safeatlas-guard"]["levels"] = "safe core,safe edge,between,unsafe edge,unsafe core"
    settings["generated"]["max_tokens"] = "1"
    labels = folder / "labels.yaml"
    labels.write_text(_LABELS, "utf-8")
    settings["classifier"]["labels"] = str(labels)
    return settings | {"knows-some-items": {}, "colour-and-clutter": {}}


def _made(folder: Path, make: Callable[[Path], Path]) -> Path:
    """Run `make` if the folder is missing. The folder appears by a rename, so an interrupted run starts again."""
    if not folder.is_dir():
        half = folder.with_name(f"{folder.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        make(half).rename(folder)
    return folder
