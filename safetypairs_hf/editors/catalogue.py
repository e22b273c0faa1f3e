"""The editors by name, for use in recipes: `make_editor("kontext", model=FOLDER_OR_ID, steps=8)`."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.core.offer import Offer, OfferList, settings_of
from safetypairs_hf.core.settings import parameters_of
from safetypairs_hf.editors.base import PipelineEditor
from safetypairs_hf.editors.server_editor import ServerEditor
from safetypairs_hf.models.image_server import ImageServer

_TRUE_CFG = "true_cfg_scale"
_QWEN_PLUS = ("Qwen/Qwen-Image-Edit-2509", "Qwen/Qwen-Image-Edit-2511")


class Entry(NamedTuple):
    """An editor.

    Attributes:
        where: The dataclass in this package, as "module:Class".
        free: The models under the class's LICENSE whose output may be published without further consent.
        gpu_gb: The GPU memory that a build with it needs, in GB, or the judges' 25 if that is more; computed, and not
            measured.
        guidance: The request field of a server for the guidance; see `ServerEditor`.
    """

    where: str
    free: tuple[str, ...]
    gpu_gb: float
    guidance: str = "guidance_scale"


EDITORS: dict[str, Entry] = {
    "klein": Entry("klein:Klein", ("black-forest-labs/FLUX.2-klein-4B",), 32.0),
    "qwen-image-edit": Entry("qwen_edit:QwenEdit", ("Qwen/Qwen-Image-Edit",), 70.0, _TRUE_CFG),
    "qwen-image-edit-plus": Entry("qwen_edit:QwenEditPlus", _QWEN_PLUS, 70.0, _TRUE_CFG),
    "kontext": Entry("kontext:Kontext", (), 40.0),
    "instruct-pix2pix": Entry("instruct_pix2pix:InstructPix2Pix", (), 32.0),
}


def find_editor(name: str) -> Entry:
    """Return the entry of a name. Raises RecipeError if there is no editor of that name."""
    if name not in EDITORS:
        raise RecipeError(f"no editor {name!r}{hint(name, EDITORS)}; there are {', '.join(EDITORS)}")
    return EDITORS[name]


def editor_names() -> list[str]:
    """Return the names that make_editor takes, in the catalogue's order."""
    return list(EDITORS)


def list_editors() -> OfferList[Offer]:
    """Return the available editors, in the catalogue's order: a sequence that prints as a table."""
    return OfferList(tuple(map(editor_offer, EDITORS)))


def editor_offer(name: str) -> Offer:
    """Return the facts and settings of an editor, and how a recipe uses it.

    Raises:
        RecipeError: There is no editor of that name.
    """
    entry = find_editor(name)
    kind = _class(entry)
    about = (inspect.getdoc(inspect.getmodule(kind)) or "").partition("\n\n")[0].replace("\n", " ").rstrip(".")
    free = f"; publishable from {', '.join(entry.free)}" if entry.free else "; publish asks for --accept-license"
    facts = {
        "pipeline": f"{kind.PIPELINE} of diffusers",
        "license": f"{kind.LICENSE}{free}",
        "memory": f"a build with it needs {entry.gpu_gb:g} GB of a GPU (computed, not measured)",
    }
    own = {field.name for field in dataclasses.fields(kind)} - {"name", "holds_model"}
    settings = settings_of(kind, only=[each for each in parameters_of(kind) if each in own])
    return Offer(
        name, about, facts, settings, f"safetypairs build klein --out RUN --set then={name} --set then_commit=SHA"
    )


def make_editor(name: str, **settings: Any) -> PipelineEditor:
    """Make an editor by its name.

    Args:
        name: A name of `list_editors()`.
        **settings: Fields of the editor's class, such as `model`, `commit` or `steps`; None keeps the default.

    Returns:
        The editor. Its pipeline is loaded at the first edit.

    Raises:
        RecipeError: There is no editor of that name, or a setting has an invalid value.
    """
    made: PipelineEditor = _class(find_editor(name))(
        **{key: value for key, value in settings.items() if value is not None}
    )
    return made


def served(editor: PipelineEditor, server: ImageServer, negative_prompt: str = "", **settings: Any) -> ServerEditor:
    """Return the editor on a server: `server.model`, with the steps and the guidance of `editor`.

    Rows have the commit of `editor` as revision; the version on the server is not checked. A model that guides only
    with a negative prompt gets " ", as in this process.
    """
    field = find_editor(editor.name).guidance
    return ServerEditor(
        server,
        steps=editor.steps,
        guidance=getattr(editor, "guidance", None),
        guidance_field=field,
        negative_prompt=negative_prompt or (" " if field == _TRUE_CFG else ""),
        revision=editor.commit or "served",
        **settings,
    )


def license_of(name: str, model: str, stated: str | None) -> tuple[str, bool]:
    """Return the licence of an editor's weights, and whether their output may be published without further consent.

    Args:
        name: The editor's name.
        model: The weights, a folder or a Hub id.
        stated: The licence that the user states for weights that are not listed here. It does not free an editor whose
            own licence forbids publishing.
    """
    entry = find_editor(name)
    own = _class(entry).LICENSE
    if not entry.free:
        return stated or own, False
    if stated or model in entry.free:
        return stated or own, True
    return "not stated", False


def _class(entry: Entry) -> type[PipelineEditor]:
    module, _, kind = entry.where.partition(":")
    found: type[PipelineEditor] = getattr(importlib.import_module(f"safetypairs_hf.editors.{module}"), kind)
    return found
