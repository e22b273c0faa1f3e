"""Yield every image of training data: of a folder, of a file, or of a dataset on the Hub."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from safetypairs_hf.core.decoding import UnusableError, read, walk
from safetypairs_hf.core.errors import SafetyPairsError, in_a_line
from safetypairs_hf.core.hub import explained
from safetypairs_hf.core.target_name import is_hub_id

_SAVED = ("dataset_info.json", "dataset_dict.json")  # files that `save_to_disk` writes
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_ROWS = 16  # rows of a Parquet file in memory


def training_images(data: str) -> Iterator[tuple[str, bytes | UnusableError]]:
    """Yield each image with its name, or why it could not be read. An image in a file of rows is named by file and row.

    Args:
        data: An image; a Parquet file; a WebDataset tar; a folder of these, at any depth; a folder that `save_to_disk`
            wrote; or `org/name[@REVISION]` on the Hub, all splits of its default config, streamed.

    Raises:
        SafetyPairsError: It is none of these, or the Hub does not return it.
    """
    path = Path(data).expanduser()
    if path.is_dir() and any((path / name).is_file() for name in _SAVED):
        import datasets

        yield from _of_dataset(datasets.load_from_disk(path))
    elif path.is_dir():
        for file in walk(path):
            yield from _of_file(file, str(file.relative_to(path)))
    elif path.is_file():
        if path.suffix.lower() not in (*_SUFFIXES, ".parquet", ".tar"):
            raise SafetyPairsError(
                f"{data} is neither an image nor a .parquet or .tar file; name one, or a folder of them"
            )
        yield from _of_file(path, path.name)
    else:
        name, _, revision = data.removeprefix("hf://datasets/").partition("@")
        if not is_hub_id(name):
            raise SafetyPairsError(
                f"there is no {data}; name a folder, a .parquet or .tar file, or org/name on the Hub"
            )
        yield from _of_hub(name, revision or None)


def _of_file(file: Path, name: str) -> Iterator[tuple[str, bytes | UnusableError]]:
    suffix = file.suffix.lower()
    try:
        if suffix in _SUFFIXES:
            yield name, read(file)
        elif suffix == ".parquet":
            yield from _of_parquet(file, name)
        elif suffix == ".tar":
            with tarfile.open(file) as tar:
                for member in tar:
                    if member.isfile() and Path(member.name).suffix.lower() in _SUFFIXES:
                        content = tar.extractfile(member)
                        yield f"{name}, {member.name}", content.read() if content else b""
    except UnusableError as error:
        yield name, error
    except Exception as error:  # Arrow and tarfile may raise anything on invalid files
        yield name, UnusableError("broken", in_a_line(error))


def _of_parquet(file: Path, name: str) -> Iterator[tuple[str, bytes | UnusableError]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as parquet:
        start = 0
        for batch in parquet.iter_batches(_ROWS):
            for number, row in enumerate(batch.to_pylist(), start):
                yield from _of_row(row, f"{name}, row {number}")
            start += len(batch)


def _of_hub(name: str, revision: str | None) -> Iterator[tuple[str, bytes | UnusableError]]:
    import datasets

    try:
        with explained(name):
            found = datasets.load_dataset(name, revision=revision, streaming=True)
            yield from _of_dataset(found)
    except SafetyPairsError:
        raise
    except Exception as error:
        raise SafetyPairsError(f"{name} cannot be read: {in_a_line(error)}") from error


def _of_dataset(found: Any) -> Iterator[tuple[str, bytes | UnusableError]]:
    parts: Iterable[tuple[str, Any]] = found.items() if hasattr(found, "items") else [("", found)]
    for split, part in parts:
        for number, row in enumerate(_undecoded(part)):
            yield from _of_row(row, f"{split} row {number}".strip())


def _undecoded(part: Any) -> Any:
    import datasets

    if isinstance(part, datasets.IterableDataset):
        return part.decode(False)
    for column, feature in part.features.items():
        if isinstance(feature, datasets.Image):
            part = part.cast_column(column, datasets.Image(decode=False))
        elif isinstance(getattr(feature, "feature", None), datasets.Image):
            part = part.cast_column(column, type(feature)(datasets.Image(decode=False)))
    return part


def _of_row(value: Any, name: str) -> Iterator[tuple[str, bytes | UnusableError]]:
    """Yield the images anywhere in a row: bytes that start like an image file, and the cells of `datasets.Image`."""
    if isinstance(value, bytes):
        if value.startswith(_STARTS):
            yield name, value
    elif isinstance(value, dict):
        if set(value) == {"bytes", "path"} and value["bytes"] is None and value["path"]:
            yield name, UnusableError("a_path", "it names the path of an image instead of holding its bytes")
            return
        for key, inner in value.items():
            yield from _of_row(inner, name if key in ("bytes", "path") else f"{name}, {key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _of_row(inner, name if len(value) == 1 else f"{name} {number}")
