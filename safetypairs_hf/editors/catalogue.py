"""The editors by name, for a setting of a recipe: `make_editor("kontext", model=FOLDER_OR_ID, steps=8)`."""

from __future__ import annotations

import difflib
import importlib
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import RecipeError

_QWEN_PLUS = ("Qwen/Qwen-Image-Edit-2509", "Qwen/Qwen-Image-Edit-2511")


class Entry(NamedTuple):
    """An editor. `where`: the dataclass in this package, "module:Class".

    `free`: the models whose LICENSE, as the module has it, lets one publish what they draw. `gpu_gb`: the GPU memory
    that a build with it needs, in GB, the judges' 25 included where they are more; computed, and not measured.
    """

    where: str
    free: tuple[str, ...]
    gpu_gb: float


EDITORS: dict[str, Entry] = {
    "klein": Entry("klein:Klein", ("black-forest-labs/FLUX.2-klein-4B",), 32.0),
    "qwen-image-edit": Entry("qwen_edit:QwenEdit", ("Qwen/Qwen-Image-Edit",), 70.0),
    "qwen-image-edit-plus": Entry("qwen_edit:QwenEditPlus", _QWEN_PLUS, 70.0),
    "kontext": Entry("kontext:Kontext", (), 40.0),
    "instruct-pix2pix": Entry("instruct_pix2pix:InstructPix2Pix", (), 32.0),
}


def find_editor(name: str) -> Entry:
    """The entry of a name. Raises RecipeError for one that there is not."""
    if name not in EDITORS:
        near = difflib.get_close_matches(name, EDITORS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise RecipeError(f"no editor {name!r}; {hint}there are: {', '.join(EDITORS)}")
    return EDITORS[name]


def make_editor(name: str, **settings: Any) -> Any:
    """An editor by its name; a setting of None leaves the class's own default."""
    module, _, kind = find_editor(name).where.partition(":")
    found = getattr(importlib.import_module(f"safetypairs_hf.editors.{module}"), kind)
    return found(**{key: value for key, value in settings.items() if value is not None})


def license_of(name: str, model: str, stated: str | None) -> tuple[str, bool]:
    """The licence of an editor's weights, and whether one may publish what they draw without being asked.

    `stated`: what the user says of weights that are not known here; it doesn't free a family that forbids it.
    """
    entry = find_editor(name)
    own = str(importlib.import_module(f"safetypairs_hf.editors.{entry.where.partition(':')[0]}").LICENSE)
    if not entry.free:
        return stated or own, False
    if stated or model in entry.free:
        return stated or own, True
    return "not stated", False
