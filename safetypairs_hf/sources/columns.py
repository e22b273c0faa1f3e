"""Read a split of a Hub dataset as rows for a source, with any column names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetypairs_hf.core.decoding import MOST_BYTES
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.hub import explained, retried
from safetypairs_hf.sources.metadata import check_column
from safetypairs_hf.sources.pinned_dataset import open_builder, stream
from safetypairs_hf.sources.row_count import count_rows


class Names(NamedTuple):
    """The names of the columns by content. None if there is no such column; for `image`, None means the only one."""

    image: str | None
    label: str | None
    id: str | None
    license: str | None


class Row(NamedTuple):
    """A row of a dataset.

    Attributes:
        data: The encoded image; b"" if there is none.
        label: The label; None if there is none.
        id: The id; None if there is none.
        license: The licence; None if there is none.
        lost: Why a file that the row names cannot be read, or "".
    """

    data: bytes
    label: str | None
    id: str | None
    license: str | None
    lost: str = ""


@dataclass(frozen=True)
class Table:
    """Rows in the order of the split. Each iteration begins at the first row.

    Attributes:
        data: The split as `datasets` opened it.
        names: The names of the columns.
        rows: The number of rows; None if the dataset does not state it.
        labels: The names of a column of class labels.
        dataset: The id of the dataset.
        counted: Whether the rows were counted. If not, `rows` is the number on the dataset's card.
    """

    data: Any
    names: Names
    rows: int | None
    labels: tuple[str, ...]
    dataset: str
    counted: bool = True

    def __iter__(self) -> Iterator[Row]:
        for row in self.data:
            data, lost = _bytes(row[self.names.image], self.dataset)
            yield Row(data, self._label(row), _text(row, self.names.id), _text(row, self.names.license), lost)

    def _label(self, row: dict[str, Any]) -> str | None:
        text = _text(row, self.names.label)
        if text is None or not self.labels:
            return text
        number = int(text)
        return self.labels[number] if 0 <= number < len(self.labels) else None  # datasets uses -1 for "no label"


def open_table(
    dataset: str, config: str | None, split: str, commit: str, streaming: bool, names: Names, most: int | None = None
) -> Table:
    """Open a split at a commit. At most `most` rows will be used; None for all.

    Raises:
        RecipeError: There is no such config, split or column, no column of images, or several and none is named.
        HubUnavailable: The network is down, or the dataset does not exist or refuses access.
    """
    from datasets import ClassLabel, Image

    data, rows, counted = _data(dataset, config, split, commit, streaming, most)
    features = data.features
    for column in filter(None, names):
        check_column(column, features, f"{dataset}, split {split!r}")
    names = names._replace(image=names.image or _only_image(dataset, features))
    held = features[names.image]
    if isinstance(held, Image):
        data = data.cast_column(names.image, Image(decode=False))
    elif getattr(held, "dtype", "") not in ("binary", "large_binary"):
        raise RecipeError(
            f"the column {names.image!r} of {dataset} holds {_kind(held)}, no images; {_described(features)}"
        )
    data = data.select_columns(list(dict.fromkeys(filter(None, names))))
    label = features[names.label] if names.label else None
    return Table(data, names, rows, tuple(label.names) if isinstance(label, ClassLabel) else (), dataset, counted)


def _data(
    dataset: str, config: str | None, split: str, commit: str, streaming: bool, most: int | None
) -> tuple[Any, int | None, bool]:
    """Return the split from `datasets` with its features, and the result of `count_rows`."""
    with reading(f"{dataset}, split {split!r},", "", RecipeError), explained(dataset):
        builder = open_builder(dataset, config, commit)
        if not streaming:
            # The sizes on the card are not verified, because the rows are counted.
            retried(lambda: builder.download_and_prepare(verification_mode="no_checks"))
            data = builder.as_dataset(split)
            return data, len(data), True
        return stream(builder, split), *count_rows(builder, split, most)


def _only_image(dataset: str, features: Any) -> str:
    from datasets import Image

    found = [name for name, held in features.items() if isinstance(held, Image)]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise RecipeError(f"{dataset} has several columns of images ({', '.join(found)}); say which: image_column")
    raise RecipeError(
        f"{dataset} has no column of images; {_described(features)}. If one holds encoded files, name it: image_column"
    )


def _bytes(value: Any, dataset: str) -> tuple[bytes, str]:
    """Return the encoded image of a cell, or b"" and the reason why it has none."""
    if not isinstance(value, dict):
        return bytes(value or b""), ""
    if value.get("bytes"):
        return bytes(value["bytes"]), ""
    if not value.get("path"):
        return b"", ""
    if not _belongs_to(value["path"], dataset):
        return b"", f"the row names {value['path']!r}, which is no file of the dataset"
    import fsspec

    try:
        with fsspec.open(value["path"], "rb") as file:
            data = bytes(file.read(MOST_BYTES + 1))
    except FileNotFoundError:
        return b"", f"the dataset has no file {value['path'].rpartition('/')[2]}"
    return (data, "") if len(data) <= MOST_BYTES else (b"", f"a file of more than {MOST_BYTES} bytes")


def _belongs_to(path: str, dataset: str) -> bool:
    """Return whether a path is a file of the dataset. Any other path could be a private file of this machine."""
    from datasets import config
    from huggingface_hub import constants

    if "://" in path:
        return path.rpartition("::")[2].startswith(f"hf://datasets/{dataset}@")
    downloaded = f"{constants.HF_HUB_CACHE}/datasets--{dataset.replace('/', '--')}"
    roots = (downloaded, config.DOWNLOADED_DATASETS_PATH, config.EXTRACTED_DATASETS_PATH)
    return any(Path(path).resolve().is_relative_to(Path(root).resolve()) for root in roots)


def _text(row: dict[str, Any], column: str | None) -> str | None:
    value = None if column is None else row[column]
    return None if value is None or str(value).strip() == "" else str(value).strip()


def _described(features: Any) -> str:
    return "its columns are " + ", ".join(f"{name} ({_kind(held)})" for name, held in features.items())


def _kind(held: Any) -> str:
    return str(getattr(held, "dtype", "")) or type(held).__name__
