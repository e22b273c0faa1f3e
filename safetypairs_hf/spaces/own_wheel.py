"""Pack the installed package as a wheel, because a Space cannot install a package that is not on an index."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from safetypairs_hf.core import resources
from safetypairs_hf.core.errors import SafetyPairsError

_PACKAGE = Path(__file__).parents[1]
_DATA = ("builders", "dataset_card", "loading_script", "embedded")
_WHEEL = "Wheel-Version: 1.0\nGenerator: safetypairs-hf\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_THEN = (2020, 1, 1, 0, 0, 0)  # a fixed date for all files, so that the same package gives the same bytes


def write_wheel(folder: Path, *, embedded: bool = True) -> Path:
    """Write this package, as it is installed or checked out, as a wheel into a folder.

    The layout follows the Binary Distribution Format 1.0 of the Python packaging specifications.

    Args:
        folder: The folder to write to.
        embedded: Whether to include the package's own dataset, which is nine tenths of its size.

    Returns:
        The wheel's path.

    Raises:
        SafetyPairsError: The package is not installed, so its metadata are missing.
    """
    ours = _distribution()
    stem = f"safetypairs_hf-{ours.version}"
    info = f"{stem}.dist-info"
    path = folder / f"{stem}-py3-none-any.whl"
    record = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*_package(embedded), *((f"{info}/{name}", content) for name, content in _metadata(ours))]:
            archive.writestr(zipfile.ZipInfo(name, _THEN), content, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}")
        lines = "\n".join([*record, f"{info}/RECORD,,", ""])
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", _THEN), lines, zipfile.ZIP_DEFLATED)
    return path


def dependencies() -> list[str]:
    """Return the dependencies of this package, without extras, as lines of a requirements file.

    Raises:
        SafetyPairsError: As for `write_wheel`.
    """
    return [line for line in _distribution().requires or () if ";" not in line]


def _distribution() -> Distribution:
    try:
        return distribution("safetypairs-hf")
    except PackageNotFoundError as error:
        raise SafetyPairsError("safetypairs-hf runs from a checkout; install it first: pip install -e .") from error


def _package(embedded: bool) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file of the package. A checkout's data outside the package go to `_data`."""
    yield from _files(_PACKAGE, "safetypairs_hf")
    for name in _DATA:
        if embedded or name != "embedded":
            yield from _files(resources.folder(name), f"safetypairs_hf/_data/{name}")


def _files(folder: Path, below: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not {"__pycache__", "_data"} & {*path.relative_to(folder).parts}:
            yield f"{below}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _metadata(ours: Distribution) -> Iterator[tuple[str, bytes]]:
    yield "WHEEL", _WHEEL.encode()
    for name in ("METADATA", "entry_points.txt", "licenses/LICENSE", "licenses/NOTICE"):
        if text := ours.read_text(name):
            yield name, text.encode()
