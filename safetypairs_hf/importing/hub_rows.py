"""Read a dataset on the Hub as rows, at a pinned commit: Parquet files in place, other forms by streaming them once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.decoding import MOST_BYTES
from safetypairs_hf.core.errors import RecipeError, SafetyPairsError, printable
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.hub import explained
from safetypairs_hf.importing.image_cells import Files
from safetypairs_hf.importing.parquet_rows import ParquetFile, ParquetRows
from safetypairs_hf.importing.source_rows import Rows
from safetypairs_hf.importing.spooled_rows import stream_rows
from safetypairs_hf.sources.pinned_dataset import look_up, open_builder, stream

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo


def hub_rows(dataset: str, revision: str, subset: str, splits: Sequence[str], name: str = "") -> Rows:
    """Return the rows of a dataset on the Hub.

    Args:
        dataset: `org/name`; HF_ENDPOINT and the usual token are used.
        revision: A branch, a tag or a commit; "" is main. It is resolved to a commit once.
        subset: The configuration; "" if the dataset has only one.
        splits: The splits to read, in order; () reads all.
        name: The name of the origin of the rows; "" uses the id with the commit.

    Raises:
        RecipeError: There is no such revision, subset or split, or no data that `datasets` can read.
        HubUnavailable: There is no network, no such dataset, or no access to it.
    """
    commit, info = look_up(dataset, revision or "main")
    builder = _builder(dataset, subset, commit)
    files = builder.config.data_files or {}
    known = [str(split) for split in files]
    for split in splits:
        if split not in known:
            raise RecipeError(f"{dataset} has no split {split!r}; it has {', '.join(known)}")
    origin, place = name or f"{dataset}@{commit}", f"hf://datasets/{dataset}@{commit}"
    chosen = list(splits or known)
    if type(builder).__module__.endswith(".parquet.parquet"):
        parts = []
        for split in chosen:
            for path in map(str, files[split]):
                name = path.removeprefix(f"{place}/")
                base = f"{place}/{PurePosixPath(name).parent}".removesuffix("/.")
                parts.append(ParquetFile(path, name, split, Files(place, base)))
        return ParquetRows(origin, tuple(parts), commit, _license(info))
    streams = ((split, _stream(builder, dataset, split, place)) for split in chosen)
    return stream_rows(streams, origin, Files(place, place), commit, _license(info))


def _license(info: DatasetInfo) -> str:
    """Return the licence that a dataset card names; "" if it names none."""
    card: Any = info.card_data
    said = card.get("license") if card is not None else None
    said = said[0] if isinstance(said, list) and len(said) == 1 else said
    return said if isinstance(said, str) and said not in ("other", "unknown") else ""


def _builder(dataset: str, subset: str, commit: str) -> Any:
    try:
        return open_builder(dataset, subset or None, commit)
    except SafetyPairsError:
        raise
    except Exception as error:  # `datasets` can raise anything on an invalid card or file
        raise RecipeError(_explain(dataset, subset, printable(error))) from error


def _explain(dataset: str, subset: str, text: str) -> str:
    """Return a message that says what to type when `datasets` cannot open a dataset."""
    known = re.search(r"available configs: \[(.*?)\]|Available: \[(.*?)\]", text)
    if known:
        asked = f"has no subset {subset!r}; it has" if subset else "has several subsets:"
        names = (known[1] or known[2]).replace("'", "")
        return f"{dataset} {asked} {names}; name one: --subset {names.partition(',')[0]}"
    if "gated" in text:
        return f"{dataset} is gated, and this token has no access; ask for it on its page, and log in: hf auth login"
    return f"{dataset} can't be read: {text[:300].rstrip('.')}"


def _stream(builder: Any, dataset: str, split: str, place: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a split with undecoded images. Image paths are those in the dataset, which is at `place`."""
    from datasets import Image

    if hasattr(builder.config, "drop_labels") and any(
        str(path).endswith(".zip") for path in builder.config.data_files[split]
    ):
        builder.config.drop_labels = True  # it would fail on an archive's folder as a label; the paths have the label
    with reading(f"{dataset}, split {split!r},", "", RecipeError), explained(dataset):
        data = stream(builder, split)
        for name, feature in data.features.items():
            if isinstance(feature, Image):
                data = data.cast_column(name, Image(decode=False))
        labels = {name: feature for name, feature in data.features.items() if hasattr(feature, "int2str")}
        for row in data:
            for name, value in row.items():
                if isinstance(value, dict) and isinstance(value.get("path"), str):
                    row[name] = _image(value, place)
            for name, feature in labels.items():
                row[name] = feature.int2str(row[name]) if row[name] is not None and row[name] >= 0 else None
            yield row


def _image(cell: dict[str, Any], place: str) -> dict[str, Any]:
    """Return an image with its path in the dataset. An image inside an archive is read now."""
    inner, _, outer = cell["path"].rpartition("::")
    name = outer.removeprefix(f"{place}/")
    if name == outer or not re.fullmatch("(?:zip|tar)://[^:]*", inner):
        return {**cell, "path": name if not inner else cell["path"]}
    if cell.get("bytes"):
        data = cell["bytes"]
    else:
        import fsspec

        with fsspec.open(cell["path"], "rb") as file:
            data = file.read(MOST_BYTES)
    return {"bytes": data, "path": f"{name}/{inner.partition('://')[2]}"}
