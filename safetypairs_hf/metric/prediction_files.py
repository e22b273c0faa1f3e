"""Read predictions from a Parquet, CSV or JSON Lines file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric.rows import KNOWN, columns_of_dicts

TEXT = ("pair_id", "category", "group", "control")


def read_predictions(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file's columns by name, in a form that `score` takes.

    Columns that the metric does not know are not read: their names are there, with None. The first line of a CSV file
    names the columns, an empty cell is None, and ids, categories and groups stay text, so that "007" is not 7.

    Args:
        path: A file whose suffix is .parquet, .csv, .jsonl or .ndjson.

    Raises:
        PairError: The file is missing, is empty, has another suffix, or cannot be read.
    """
    import pyarrow as pa

    path = Path(path)
    readers = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PairError(f"{path}: predictions are a .parquet, .csv or .jsonl file")
    if not path.is_file():
        raise PairError(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise PairError(f"{path}: no rows at all: the file is empty")
    try:
        return reader(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, PairError):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise PairError(f"{path}: cannot be read as {path.suffix[1:].lower()}: {reason}") from None


def _parquet(path: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        held = file.schema_arrow.names
        table = file.read(columns=[name for name in KNOWN if name in held])
    return {name: table.column(name) if name in KNOWN else None for name in held}


def _csv(path: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.csv as csv

    types = dict.fromkeys(TEXT, pa.string())
    table = csv.read_csv(
        path,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True),
    )
    twice = [name for name in KNOWN if table.column_names.count(name) > 1]
    if twice:
        raise PairError(f"{path}: the column {twice[0]} is there more than once; keep one")
    return {name: table.column(name) if name in KNOWN else None for name in table.column_names}


def _json_lines(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8-sig") as lines:
        columns, names = columns_of_dicts(_objects(path, lines))
    return {**dict.fromkeys(names), **columns}


def _objects(path: Path, lines: Iterable[str]) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:
                raise PairError(f"{path}: line {number} is not JSON; each line is one object, a row") from None


def as_list(column: Any) -> list[Any]:
    """Return a column of predictions as a list, or [] where there is none."""
    if column is None:
        return []
    return list(column.to_pylist() if hasattr(column, "to_pylist") else column)
