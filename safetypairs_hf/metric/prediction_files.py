"""Read predictions from a file, a folder of shards, standard input or an address, in any format that is known."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from safetypairs_hf.core.errors import PairError, in_a_line
from safetypairs_hf.metric.column_values import all_null, printable
from safetypairs_hf.metric.containers import to_array
from safetypairs_hf.metric.file_formats import COMPRESSED, PARQUET, SUFFIXES, read_content, read_parquet
from safetypairs_hf.metric.rows import KNOWN

STDIN = "-"
MOST_SHARDS = 10_000


def read_predictions(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the columns of predictions by name, in a form that `score` takes.

    Columns that the metric does not know are not read, and known ones that are None in every row count as absent: their
    names are there, with None. In delimited text the first line names the columns, an empty cell is None, and ids,
    categories and groups stay text, so that "007" is not 7.

    Args:
        path: A file: Parquet, Arrow (file or stream), delimited text, JSON (an array of rows or an object of columns),
            JSON Lines, or a log of our own task by inspect-ai or lmms-eval; as it is or by gzip, bzip2, xz or zstd. Or
            a folder or glob pattern of such files, which are joined in the order of their names; a folder that
            `datasets` saved; "-" for standard input; or an address that fsspec opens, such as hf://, https://, zip://.

    Raises:
        PairError: There is no such file, it is empty, or it cannot be read; the shards differ in kind or in columns.
    """
    given = os.fspath(path)
    if given == STDIN:
        columns = _named("standard input", lambda: read_content(sys.stdin.buffer.read(), None))
    elif "://" in given:
        columns = _named(given, lambda: _of_address(given))
    else:
        columns = _of_path(Path(given))
    known = {name: to_array(name, values) for name, values in columns.items() if values is not None}
    return dict.fromkeys(columns) | {name: values for name, values in known.items() if not all_null(values)}


def as_list(column: Any) -> list[Any]:
    """Return a column of predictions as a list, or [] where there is none."""
    if column is None:
        return []
    return list(column.to_pylist() if hasattr(column, "to_pylist") else column)


def _named(name: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read, and name the file in whatever error any library raises."""
    kind = _kind(name)
    try:
        return read()
    except FileNotFoundError:
        raise PairError(f"{name}: there is no such file") from None
    except PairError as error:
        said = str(error)
        raise (error if said.startswith(f"{name}") else PairError(f"{name}: {said}")) from None
    except Exception as error:
        reason = in_a_line(error).partition(": ")[2] or type(error).__name__
        raise PairError(f"{name}: cannot be read{f' as {kind}' if kind else ''}: {printable(reason)}") from None


def _kind(name: str) -> str | None:
    """Return what the suffixes of a file's name or address say that it is; None where they say nothing."""
    suffixes = PurePosixPath(name.partition("::")[0].partition("?")[0].lower()).suffixes
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def _of_path(path: Path) -> dict[str, Any]:
    if path.is_dir():
        return _of_folder(path)
    if not path.exists() and any(letter in path.name for letter in "*?["):
        found = sorted(each for each in path.parent.glob(path.name) if each.is_file())
        return _of_shards(str(path), [(str(each), partial(_of_file, each)) for each in found])
    return _named(str(path), lambda: _of_file(path))


def _of_file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        if file.read(len(PARQUET)) == PARQUET:
            return read_parquet(path)
        file.seek(0)
        return read_content(file.read(), _kind(path.name))


def _of_folder(folder: Path) -> dict[str, Any]:
    if (folder / "dataset_dict.json").is_file():  # a DatasetDict that `datasets` saved
        splits = _names(folder / "dataset_dict.json", "splits")
        if len(splits) != 1:
            raise PairError(
                f"{folder}: a DatasetDict of {len(splits)} splits; give one: {folder / (splits or ['?'])[0]}"
            )
        return _of_folder(folder / splits[0])
    if (folder / "state.json").is_file():  # a Dataset that `datasets` saved
        files = [folder / name for name in _names(folder / "state.json", "_data_files")]
    else:
        files = _shards(folder)
    return _of_shards(str(folder), [(str(each), partial(_of_file, each)) for each in files])


def _names(file: Path, key: str) -> list[str]:
    try:
        held = json.loads(file.read_text("utf-8"))[key]
        return [str(Path(each["filename"] if isinstance(each, dict) else each).name) for each in held]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PairError(f"{file}: cannot be read as what `datasets` saves: {in_a_line(error)}") from None


def _shards(folder: Path) -> list[Path]:
    """Return the files of predictions in a folder, or in its folders where it has none itself."""
    for pattern in ("*", "*/*"):
        found = []
        for path in folder.glob(pattern):
            if not path.name.startswith((".", "_")) and _kind(path.name) and path.is_file():
                found.append(path)
            if len(found) > MOST_SHARDS:
                raise PairError(f"{folder}: more than {MOST_SHARDS} files; give a folder of predictions alone")
        if found:
            return sorted(found)
    return []


def _of_address(url: str) -> dict[str, Any]:
    import fsspec

    system, path = fsspec.core.url_to_fs(url)
    if any(letter in path for letter in "*[") or (_kind(url) is None and system.isdir(path)):
        paths = sorted(system.glob(path) if any(letter in path for letter in "*[") else system.find(path, maxdepth=2))
        paths = [each for each in paths if _kind(each)]
        return _of_shards(url, [(each, partial(_of_opened, system, each, _kind(each))) for each in paths])
    return _of_opened(system, path, _kind(url))


def _of_opened(system: Any, path: str, kind: str | None) -> dict[str, Any]:
    with system.open(path, "rb") as file:
        head = file.read(len(PARQUET))
        if head == PARQUET:
            file.seek(0)
            return read_parquet(file)
        return read_content(head + file.read(), kind)


def _of_shards(name: str, shards: list[tuple[str, Callable[[], dict[str, Any]]]]) -> dict[str, Any]:
    """Join the columns of files of one kind and with the same known columns."""
    if not shards:
        raise PairError(f"{name}: there is no file of predictions in it ({', '.join(SUFFIXES)})")
    kinds: dict[str | None, str] = {}
    for shard, _ in shards:
        kinds.setdefault(_kind(shard), shard)
    if len(kinds) > 1:
        raise PairError(f"{name}: shards are of one kind, and {' and '.join(kinds.values())} are not; give one of them")
    read = [(shard, _named(shard, opened)) for shard, opened in shards]
    first, columns = read[0]
    for shard, others in read[1:]:
        differ = sorted(set(KNOWN) & (columns.keys() ^ others.keys()))
        if differ:
            raise PairError(
                f"{shard}: the column {differ[0]} is {'' if differ[0] in others else 'not '}in it, and "
                f"{'not ' if differ[0] in others else ''}in {first}; give all shards the same columns"
            )
    joined = {column: _joined(column, [each[column] for _, each in read]) for column in columns if column in KNOWN}
    return dict.fromkeys(columns) | joined


def _joined(name: str, columns: Iterable[Any]) -> Any:
    import pyarrow as pa

    arrays = [to_array(name, values) for values in columns]
    if not any(isinstance(each, list) for each in arrays):
        try:
            parts = [pa.table({name: each}) for each in arrays]
            return pa.concat_tables(parts, promote_options="permissive").column(name)
        except pa.ArrowException:
            pass
    return [value for each in arrays for value in (each if isinstance(each, list) else each.to_pylist())]
