"""Spool sources that can be read only once (CSV, JSON Lines, a stream, objects) to a temporary Parquet file."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.foreign_text import csv_rows, json_lines, reading
from safetypairs_hf.importing.image_cells import Files
from safetypairs_hf.importing.parquet_rows import ParquetFile, ParquetRows
from safetypairs_hf.importing.source_rows import as_text
from safetypairs_hf.importing.split_names import split_in

_GROUP_ROWS, _GROUP_BYTES = 256, 32 << 20  # the largest row group
_LONGEST_FIELD = 1 << 30  # characters of a CSV field: a data URI is long
_CELL = pa.struct({"bytes": pa.large_binary(), "path": pa.string()})


def table_rows(paths: list[tuple[Path, str]], origin: str, root: Path) -> ParquetRows:
    """Return the rows of CSV and JSON Lines files, given as (path, name). The files that they name are in `root`.

    Raises:
        RecipeError: A file cannot be read, or has an invalid line.
    """
    folder = tempfile.TemporaryDirectory(prefix="safetypairs-import-")
    parts = []
    for number, (path, name) in enumerate(paths):
        spool = Path(folder.name, f"{number}.parquet")
        _write(spool, _read_table(path), name)
        files = Files(os.fspath(root), os.fspath(path.parent))
        parts.append(ParquetFile(os.fspath(spool), name, split_in(Path(name).parts), files))
    return ParquetRows(origin, tuple(parts), kept=folder)


def stream_rows(
    streams: Iterable[tuple[str, Iterable[Mapping[str, Any]]]],
    origin: str,
    place: Files,
    fingerprint: str = "",
    license: str = "",
) -> ParquetRows:
    """Return the rows of streams of dicts, each with the name of its split, or "". Cells may be PIL images.

    Raises:
        RecipeError: A row is not a dict.
    """
    folder = tempfile.TemporaryDirectory(prefix="safetypairs-import-")
    parts = []
    for number, (split, stream) in enumerate(streams):
        spool = Path(folder.name, f"{number}.parquet")
        _write(spool, stream, split or origin)
        parts.append(ParquetFile(os.fspath(spool), split or "row", split, place))
    return ParquetRows(origin, tuple(parts), fingerprint, license, folder)


def _read_table(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV or JSON Lines file; an empty CSV cell is None."""
    is_csv = path.suffix.lower() == ".csv"
    usual = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with (
            reading(str(path), "", RecipeError),
            path.open(encoding="utf-8-sig", newline="" if is_csv else "\n") as file,
        ):
            for _, row in csv_rows(file) if is_csv else json_lines(file):
                yield {name: value if value.strip() else None for name, value in row.items()} if is_csv else row
    finally:
        csv.field_size_limit(usual)


def _write(path: Path, rows: Iterable[Mapping[str, Any]], name: str) -> None:
    """Write rows with any columns. A column that first appears in a later row group makes it rewrite the file."""
    kinds: dict[str, pa.DataType] = {}
    groups: list[Path] = []
    waiting: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if not isinstance(row, Mapping):
            raise RecipeError(f"{name}: expected rows that are dicts, such as {{'unsafe': image, 'safe': image}}")
        cells = {str(key): _cell(value) for key, value in row.items()}
        for key, value in cells.items():
            kinds[key] = _joined(kinds.get(key), value)
        waiting.append(cells)
        size += sum(len(value["bytes"] or b"") for value in cells.values() if isinstance(value, dict))
        if len(waiting) >= _GROUP_ROWS or size >= _GROUP_BYTES:
            groups.append(_write_group(path, len(groups), waiting))
            waiting, size = [], 0
    groups.append(_write_group(path, len(groups), waiting))
    schema = pa.schema(kinds or {"row": pa.string()})
    with pq.ParquetWriter(path, schema, compression="NONE", use_dictionary=False, write_statistics=False) as writer:
        for group in groups:
            writer.write_table(_in_schema(pq.read_table(group), schema))
            group.unlink()


def _write_group(path: Path, number: int, rows: list[dict[str, Any]]) -> Path:
    kinds: dict[str, pa.DataType] = {}
    for row in rows:
        for key, value in row.items():
            kinds[key] = _joined(kinds.get(key), value)
    columns = {key: pa.array([_as(row.get(key), kind) for row in rows], kind) for key, kind in kinds.items()}
    group = path.with_suffix(f".{number}")
    pq.write_table(pa.table(columns), group, compression="NONE", use_dictionary=False, write_statistics=False)
    return group


def _in_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for wanted in schema:
        if wanted.name not in table.column_names:
            columns.append(pa.nulls(len(table), wanted.type))
        elif table.schema.field(wanted.name).type == wanted.type:
            columns.append(table[wanted.name])
        else:
            cells = [_as(value, wanted.type) for value in table[wanted.name].to_pylist()]
            columns.append(pa.array(cells, wanted.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _joined(kind: pa.DataType | None, value: Any) -> pa.DataType:
    """Return the type of a column that has held `kind` and now also holds `value`: text, unless one is an image."""
    return _CELL if kind == _CELL or isinstance(value, dict) else pa.string()


def _as(value: Any, kind: pa.DataType) -> Any:
    return {"bytes": None, "path": value} if kind == _CELL and isinstance(value, str) else value


def _cell(value: Any) -> Any:
    """Return a cell as it is stored: None, a text, or an image as {bytes, path}."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": bytes(value), "path": None}
    if isinstance(value, Mapping) and {"bytes", "path"} >= set(value) and isinstance(value.get("bytes"), bytes | None):
        return {"bytes": value.get("bytes"), "path": value.get("path")}
    if hasattr(value, "getexif") and hasattr(value, "save"):
        return {"bytes": _encoded(value), "path": None}
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, str | int | float):
        return as_text(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _encoded(image: Any) -> bytes:
    """Return a PIL image as PNG, upright; a mode that PNG does not support becomes RGB."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"):
        upright = upright.convert("RGB")
    buffer = io.BytesIO()
    profile = image.info.get("icc_profile")
    upright.save(buffer, format="PNG", compress_level=1, **({"icc_profile": profile} if profile else {}))
    return buffer.getvalue()
