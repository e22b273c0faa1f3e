"""Load adapters of chat models, which `peft` and `safetypairs train` write: folders without the base weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError, in_a_line
from safetypairs_hf.core.foreign_text import ForeignTextError, parse_object, read_text, reading
from safetypairs_hf.core.hub import fetch
from safetypairs_hf.models.loading import MODEL, revision_of

CONFIG: Final = "adapter_config.json"


class Base(NamedTuple):
    """The base model of an adapter: a folder, or a Hub id with its commit."""

    model: str
    commit: str | None


def base_of(model: str, commit: str | None) -> Base | None:
    """Return the base of the adapter in a folder or Hub repo; None if it is a model with weights of its own.

    Raises:
        SafetyPairsError: The adapter names no base, or a base on the Hub without a commit, or the weights of its base
            folder have changed since the training.
    """
    if _file(model, commit, MODEL) is not None:
        return None
    file = _file(model, commit, CONFIG)
    if file is None:
        return None
    with reading(f"{model}/{CONFIG}", "expected the config of a peft adapter"):
        config = parse_object(read_text(file))
        base, revision = config.get("base_model_name_or_path"), config.get("revision")
        if not isinstance(base, str) or not base or not isinstance(revision, str | None):
            raise ForeignTextError("does not name the model that it is of")
    if not Path(base).is_dir():
        return Base(base, revision_of(base, revision))
    found = revision_of(base, None)
    if revision and revision != found:
        raise SafetyPairsError(f"{model} is an adapter of {base} as {revision}, and that folder is {found} now")
    return Base(base, None)


def adapted(loaded: Any, adapter: str, commit: str | None) -> Any:
    """Return a loaded model with an adapter merged into its weights.

    Raises:
        SafetyPairsError: Peft is missing, or the adapter is of another model.
    """
    try:
        import peft
    except ImportError as error:
        raise SafetyPairsError(f"{adapter} is an adapter, which needs peft; pip install peft") from error
    try:
        return peft.PeftModel.from_pretrained(loaded, adapter, revision=commit).merge_and_unload()
    except (RuntimeError, ValueError, KeyError) as error:
        raise SafetyPairsError(f"{adapter} does not fit the model that it names: {in_a_line(error)}") from error


def _file(model: str, commit: str | None, name: str) -> Path | None:
    if Path(model).is_dir():
        return path if (path := Path(model, name)).is_file() else None
    try:
        return fetch(model, name, commit, kind="model")
    except FileNotFoundError:
        return None
