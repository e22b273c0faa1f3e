"""Check a model before its weights are loaded: class, device and revision."""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import os
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from safetypairs_hf.core.errors import SafetyPairsError, printable
from safetypairs_hf.core.foreign_text import parse_object, read_text, reading
from safetypairs_hf.core.hub import fetch

PIPELINE, MODEL = "model_index.json", "config.json"
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".msgpack", ".h5", ".gguf")


def check_class(model: str, revision: str | None, index: str, expected: Collection[str], kind: str = "") -> None:
    """Raise SafetyPairsError if `model` (a folder or a Hub id) has none of the `expected` classes.

    `index`: the file that names the class: PIPELINE for a diffusers pipeline, MODEL for a transformers model. `kind`:
    a name for the expected classes if they are too many to list.
    """
    config = _read(model, revision, index)
    named = config.get("_class_name") or config.get("architectures")
    found = [str(name) for name in (named if isinstance(named, list) else [named] if named else [])]
    if not set(found) & set(expected):
        raise SafetyPairsError(
            f"{model} holds {printable(' or '.join(found)) or 'no class'}, and this needs "
            f"{kind or ' or '.join(expected)}; name another model folder, or another recipe"
        )


def model_type(model: str, commit: str | None) -> str:
    """Return the `model_type` of a transformers model (a folder or a Hub id); "" if its config has none.

    Raises:
        SafetyPairsError: There is no such model.
    """
    return str(_read(model, commit, MODEL).get("model_type", ""))


def check_weights(model: str) -> None:
    """Raise SafetyPairsError if a folder holds no weights; the files of a Hub id are not checked."""
    folder = Path(model)
    if folder.is_dir() and not any(next(folder.rglob(f"*{ending}"), None) for ending in _WEIGHTS):
        raise SafetyPairsError(
            f"{model} holds no weights (no file *{', *'.join(_WEIGHTS)}); download it again, or name another folder"
        )


def check_packages(what: str, packages: Collection[str]) -> None:
    """Raise SafetyPairsError if a package is not installed. `what` names the part that needs it."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise SafetyPairsError(f"{what} needs the package {package}; pip install 'safetypairs-hf[gpu]'")


def revision_of(model: str, revision: str | None) -> str:
    """Return what identifies the weights: the pinned revision, or a hash of a local folder's files.

    Of a file larger than 64 MB, only the size and 64 blocks are hashed, because other weights differ everywhere.

    Raises:
        SafetyPairsError: It is a Hub id without a revision, whose weights can change at any time.
    """
    folder = Path(model)
    if folder.is_dir():
        digest = hashlib.sha256()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
            _read_into(digest, path)
        return f"folder:{digest.hexdigest()[:8]}"
    if not revision:
        raise SafetyPairsError(f"{model} is no folder here and no revision is pinned; set one: a commit of {model}")
    return revision


def pick_device(device: str) -> str:
    """Return "cuda" or "cpu" for "auto", depending on the machine; return any other name as it is."""
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def check_device(device: str) -> None:
    """Raise SafetyPairsError if PyTorch knows no such device, or it is a GPU that this machine lacks."""
    import torch

    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise SafetyPairsError(f"device is {device!r}; expected auto, cpu or cuda") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise SafetyPairsError(f"device is {device!r}, and PyTorch sees no GPU here; set device=cpu, or auto")


def pick_dtype(device: str) -> Any:
    """Return bfloat16 for a GPU, float32 for a CPU."""
    import torch

    return torch.float32 if device == "cpu" else torch.bfloat16


class HoldsWeights:
    """A part that loads the weights of `model`, identifies them, and frees them.

    A subclass is a dataclass with the fields `model`, a folder or a Hub id, and `commit`, the commit of a Hub id. A "~"
    at the start of a folder becomes the home folder when the object is made.
    """

    model: str
    commit: str | None
    # Names of the cached properties that `release` drops.
    holds: ClassVar[tuple[str, ...]] = ("loaded",)
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")

    def __post_init__(self) -> None:
        # As text: a Path would make "model" of "./model", and raise for a user that does not exist.
        object.__setattr__(self, "model", os.path.expanduser(self.model))  # noqa: PTH111

    @cached_property
    def revision(self) -> str:
        """Return what identifies the weights: the pinned commit, or a hash of a local folder's files.

        Raises:
            SafetyPairsError: The model is a Hub id and no commit is pinned.
        """
        return revision_of(self.model, self.commit)

    def check_model(self) -> None:
        """Check the model without loading it: packages, revision, access, class, and the weights of a folder.

        Raises:
            SafetyPairsError: It cannot be loaded. The device is not checked: the model may run on another machine.
        """
        check_packages(self.model, self.packages)
        _ = self.revision
        self._check_class()
        check_weights(self.model)

    def _check_class(self) -> None:
        """Raise SafetyPairsError if there is no such model, or it has another class."""
        _read(self.model, self.commit, MODEL)

    def release(self) -> None:
        """Free the loaded model and its memory; the next use loads it again."""
        let_go(self, *self.holds)


def let_go(holder: Any, *names: str) -> None:
    """Drop cached models by the names of their properties, and free their memory."""
    import torch

    for name in names:
        holder.__dict__.pop(name, None)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _read_into(digest: Any, path: Path) -> None:
    size, block = path.stat().st_size, 1 << 20
    step = block if size <= 64 * block else size // 64
    with path.open("rb") as file:
        for start in range(0, size, step):
            file.seek(start)
            digest.update(file.read(block))


def _read(model: str, revision: str | None, index: str) -> dict[str, Any]:
    path = Path(model) / index
    if not Path(model).is_dir():
        try:
            path = fetch(model, index, revision, kind="model")
        except FileNotFoundError as error:
            raise SafetyPairsError(f"{model} has no {index}: it is no such model") from error
    if not path.is_file():
        raise SafetyPairsError(f"{model} has no {index}: it is no model folder; name one that save_pretrained wrote")
    with reading(str(path), "download the model again"):
        return parse_object(read_text(path))
