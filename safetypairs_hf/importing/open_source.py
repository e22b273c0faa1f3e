"""Open a SOURCE that a user typed, or Python objects."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safetypairs_hf.core.decoding import walk
from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.target_name import is_hub_id
from safetypairs_hf.importing.dataset_rows import dataset_rows, saved_rows
from safetypairs_hf.importing.hub_rows import hub_rows
from safetypairs_hf.importing.image_cells import Files
from safetypairs_hf.importing.listed_rows import folder_rows, tar_rows
from safetypairs_hf.importing.parquet_rows import ParquetFile, ParquetRows
from safetypairs_hf.importing.reading_plan import meanings
from safetypairs_hf.importing.source_rows import Rows
from safetypairs_hf.importing.split_names import split_in
from safetypairs_hf.importing.spooled_rows import stream_rows, table_rows

TABLES = (".parquet", ".csv", ".jsonl", ".tar")
_SAME = {".ndjson": ".jsonl", ".pq": ".parquet"}


def open_source(
    source: Any,
    *,
    subset: str = "",
    splits: Sequence[str] = (),
    labels: Mapping[str, str] = MappingProxyType({}),
    name: str = "",
    commit: str = "",
) -> Rows:
    """Return the rows of a source.

    Args:
        source: A folder, a file or a folder of files (Parquet, CSV, JSON Lines, WebDataset tar), a folder that
            `save_to_disk` wrote, `org/name` or `org/name@REVISION` on the Hub; a `datasets.Dataset`, a `DatasetDict`, a
            pandas table, or an iterable of dicts, whose images are PIL images, bytes or paths.
        subset, splits, labels: See ReadingPlan. A folder that is named like a label is no category.
        name: The name of the origin of its pairs; "" uses the id with its commit, or the name of the file or folder.
        commit: For a dataset on the Hub, the commit to read instead of the one that its revision points to now; ""
            reads the latter.

    Raises:
        RecipeError: There is no such source, or it cannot be read.
        HubUnavailable: There is no network, no such dataset, or no access to it.
    """
    if not isinstance(source, str | os.PathLike):
        return _from_objects(source, name, splits)
    text = os.fspath(source)
    named, path = dataset_of(source), Path(text).expanduser()
    if path.exists():
        if named is not None and not text.startswith("hf://"):
            raise SafetyPairsError(
                f"{text} is a folder here and could be a Hub id too; for the folder write ./{text}; for the dataset on "
                "the Hub run this in another folder"
            )
        return _from_disk(path, name or path.resolve().name, subset, splits, labels)
    if named is not None:
        return hub_rows(named[0], commit or named[1], subset, splits, name)
    raise RecipeError(
        f"there is no source {text!r}; give a folder, a .parquet, .csv, .jsonl or .tar file, or org/name on the Hub"
    )


def dataset_of(source: Any) -> tuple[str, str] | None:
    """Return the id and revision ("" if not given) of a dataset on the Hub; None if `source` does not name one."""
    if not isinstance(source, str):
        return None
    dataset, _, revision = source.removeprefix("hf://datasets/").rstrip("/").partition("@")
    return (dataset, revision) if is_hub_id(dataset) else None


def _from_disk(path: Path, name: str, subset: str, splits: Sequence[str], labels: Mapping[str, str]) -> Rows:
    if subset:
        raise RecipeError(f"a subset is named ({subset}), and {path} is no dataset on the Hub; leave it out")
    if path.is_dir() and ((path / "state.json").is_file() or (path / "dataset_dict.json").is_file()):
        return saved_rows(path, name, splits)
    if path.is_file():
        tables = {_suffix(path): [(path, path.name)]}
        if _suffix(path) not in TABLES:
            raise RecipeError(f"{path} is a {path.suffix or 'file without a suffix'}; expected {', '.join(TABLES)}")
        root = path.resolve().parent
    else:
        tables, root = _tables_in(path), path
        if not tables:
            return folder_rows(path, name, meanings(labels))
    if len(tables) > 1:
        raise RecipeError(
            f"{path} holds tables of several kinds ({', '.join(sorted(tables))}); name the one that is meant"
        )
    suffix, found = next(iter(tables.items()))
    if splits:
        found = [(each, label) for each, label in found if split_in(Path(label).parts) in splits]
        if not found:
            raise RecipeError(f"no file of {path} has one of the splits {', '.join(splits)} in its name")
    if suffix == ".tar":
        return tar_rows([each for each, _ in found], name, len(found) > 1)
    if suffix == ".parquet":
        files = Files(os.fspath(root))
        parts = (
            ParquetFile(
                os.fspath(each), label, split_in(Path(label).parts), files._replace(base=os.fspath(each.parent))
            )
            for each, label in found
        )
        return ParquetRows(name, tuple(parts))
    return table_rows(found, name, root)


def _tables_in(folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Return the tables below a folder by kind, each with its name in it. In a published version, only its pairs."""
    found: dict[str, list[tuple[Path, str]]] = {}
    is_version = (folder / "manifest.parquet").is_file() and (folder / "data").is_dir()
    for path in walk(folder / "data" if is_version else folder):
        relative = path.relative_to(folder)
        if _suffix(path) in TABLES and not any(part.startswith(".") for part in relative.parts):
            found.setdefault(_suffix(path), []).append((path, relative.as_posix()))
    return found


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return _SAME.get(suffix, suffix)


def _from_objects(source: Any, name: str, splits: Sequence[str]) -> Rows:
    place = Files(anywhere=True)
    if hasattr(source, "features") and hasattr(source, "with_format") and hasattr(source, "__len__"):
        return dataset_rows(source, name or "dataset", splits, place)
    if isinstance(source, dict) and source and all(hasattr(each, "with_format") for each in source.values()):
        if all(hasattr(each, "__len__") for each in source.values()):
            return dataset_rows(source, name or "dataset", splits, place)
        return stream_rows(((str(split), each) for split, each in source.items()), name or "dataset", place)
    if hasattr(source, "columns") and hasattr(source, "to_dict"):
        source = source.to_dict("records")  # a pandas table
    if not isinstance(source, Iterable) or isinstance(source, bytes | dict):
        raise RecipeError(
            f"the source is of type {type(source).__name__}; give a path, org/name, a Dataset or an iterable of dicts"
        )
    return stream_rows([("", source)], name or "objects", place)
