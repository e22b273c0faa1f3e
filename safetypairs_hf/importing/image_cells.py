"""Read the image of a table cell: the cell holds its bytes, a path, or a data URI."""

from __future__ import annotations

import base64
import binascii
import posixpath
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from safetypairs_hf.core.decoding import MOST_BYTES, UnusableError, read
from safetypairs_hf.core.file_names import find_seen

_DATA = "data:"


class Slice(NamedTuple):
    """A file inside a file: `size` bytes of `path`, starting at `offset`."""

    path: str
    offset: int
    size: int


class Files(NamedTuple):
    """The place of the files that cells name.

    No path may lead out of `root`: a folder, or the address of a dataset on the Hub; "" if cells may not name files.
    Paths are relative to `base`, which lies in `root`. With `anywhere`, a path may lead out of it, because the rows are
    objects of the caller.
    """

    root: str = ""
    base: str = ""
    anywhere: bool = False


def read_cell(cell: Any, files: Files) -> bytes:
    """Return the encoded image of a cell.

    Args:
        cell: Bytes; a dict with `bytes` or `path`, as `datasets` stores an image; a path; a data URI; or a Slice.

    Raises:
        UnusableError: The cell has no image, or names a file that does not exist or is outside the source.
    """
    if isinstance(cell, Slice):
        return _read_slice(cell)
    if isinstance(cell, dict):
        cell = cell.get("bytes") or cell.get("path")
    if cell is None or cell in (b"", ""):
        raise UnusableError("no_image", "the row has none")
    if isinstance(cell, bytes | bytearray | memoryview):
        return bytes(cell)
    if not isinstance(cell, str):
        raise UnusableError("no_image", f"the row has a {type(cell).__name__} in its place")
    if cell[:5].lower() == _DATA:
        return _from_uri(cell)
    return _read_file(cell, files)


def _read_slice(cell: Slice) -> bytes:
    if cell.size > MOST_BYTES:
        raise UnusableError("oversized", f"a file of {cell.size} bytes; at most {MOST_BYTES} are read")
    with Path(cell.path).open("rb") as file:
        file.seek(cell.offset)
        return file.read(cell.size)


def _from_uri(text: str) -> bytes:
    head, comma, body = text.partition(",")
    if not comma:
        raise UnusableError("broken", "a data URI without a comma")
    try:
        data = unquote_to_bytes(body)
        return base64.b64decode(data, validate=True) if head.lower().endswith(";base64") else data
    except (binascii.Error, ValueError) as error:
        raise UnusableError("broken", f"a data URI whose base64 is damaged: {error}") from None


def _read_file(name: str, files: Files) -> bytes:
    if files.anywhere:
        return _read_here(Path(files.base, name).expanduser(), name)
    if not files.root:
        raise UnusableError("missing_file", f"the row names {name[:200]!r}, and the source has no files")
    if "://" in files.root:
        return _read_there(name, files)
    path = Path(files.base, name)
    if "://" in name or "\0" in name or not path.resolve().is_relative_to(Path(files.root).resolve()):
        raise UnusableError("outside_source", f"the row names {name[:200]!r}, which is outside the source")
    return _read_here(path, name)


def _read_here(path: Path, name: str) -> bytes:
    try:
        path = find_seen(path)
        there = path.exists()
    except (OSError, ValueError):  # the name is too long, or has a zero byte
        there = False
    if not there:
        raise UnusableError("missing_file", f"the row names {name[:200]!r}, which is not there")
    return read(path)


def _read_there(name: str, files: Files) -> bytes:
    import fsspec

    address = name if name.startswith(f"{files.root}/") else f"{files.base}/{name}"
    scheme, _, rest = address.partition("://")
    address = f"{scheme}://{posixpath.normpath(rest)}"
    if "://" in rest or "::" in name or name.startswith("/") or not address.startswith(f"{files.root}/"):
        raise UnusableError("outside_source", f"the row names {name[:200]!r}, which is outside the source")
    try:
        with fsspec.open(address, "rb") as file:
            data = bytes(file.read(MOST_BYTES + 1))
    except FileNotFoundError:
        raise UnusableError("missing_file", f"the dataset has no file {name[:200]!r}") from None
    if len(data) > MOST_BYTES:
        raise UnusableError("oversized", f"a file of more than {MOST_BYTES} bytes")
    return data
