"""Make a folder that appears only when it is complete."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetypairs_hf.core.errors import SafetyPairsError


def refuse_existing(out: str | Path) -> None:
    """Raise SafetyPairsError if `out` exists."""
    folder = Path(out).expanduser()
    if folder.exists() or folder.is_symlink():
        raise SafetyPairsError(f"{out} exists; name a folder that does not")


@contextmanager
def new_folder(out: str | Path) -> Iterator[Path]:
    """Yield a temporary folder next to `out`. It becomes `out` at the end, or is removed after an error.

    Raises:
        SafetyPairsError: The folder cannot be written, or the block raised an OSError.
    """
    folder = Path(out).expanduser()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
        try:
            new.chmod(0o755)
            yield new
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise SafetyPairsError(f"cannot write {out}: {error.strerror or error}") from error
