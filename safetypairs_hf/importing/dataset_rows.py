"""Read a `datasets.Dataset`, several of them by split, or a folder that `save_to_disk` wrote, as rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from safetypairs_hf.core.errors import RecipeError, in_a_line
from safetypairs_hf.importing.image_cells import Files
from safetypairs_hf.importing.source_rows import IMAGE, IMAGES, OTHER, SPLIT, TEXT, Column, top
from safetypairs_hf.importing.split_names import states_splits

if TYPE_CHECKING:
    from datasets import Dataset

_BATCH = 1024


@dataclass(frozen=True)
class DatasetRows:
    """The rows of datasets with the same columns, one dataset after another; each with the name of its split, or "".

    Images are not decoded: the cells hold the bytes of the files. See `Rows`.
    """

    origin: str
    parts: tuple[tuple[str, Dataset], ...]
    place: Files
    fingerprint: str = ""
    license: str = ""

    def __len__(self) -> int:
        return self._ends[-1]

    @cached_property
    def columns(self) -> dict[str, Column]:
        (_, first), *others = self.parts
        for split, other in others:
            if set(other.features) != set(first.features):
                raise RecipeError(
                    f"the split {split} of {self.origin} has other columns than the first; name one split"
                )
        found = {name: _column(feature) for name, feature in first.features.items()}
        return found | ({SPLIT: Column(TEXT)} if states_splits(split for split, _ in self.parts) else {})

    def name(self, number: int) -> str:
        part = bisect_right(self._ends, number) - 1
        row, split = number - self._ends[part], self.parts[part][0]
        return f"{split}/{row}" if split else f"row {row}"

    def texts(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        for part, (_, data) in enumerate(self._stored):
            for first in range(0, len(data), _BATCH):
                yield from self._rows(part, first, min(first + _BATCH, len(data)), columns)

    def take(self, number: int, columns: Sequence[str], lane: str) -> dict[str, Any]:
        part = bisect_right(self._ends, number) - 1
        row = number - self._ends[part]
        return next(self._rows(part, row, row + 1, columns))

    def files(self, number: int) -> Files:
        return self.place

    @cached_property
    def _stored(self) -> list[tuple[str, Dataset]]:
        """Return the datasets as they are stored, with nothing decoded."""
        return [(split, data.with_format("arrow")) for split, data in self.parts]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate((len(data) for _, data in self.parts), initial=0))

    def _rows(self, part: int, first: int, stop: int, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        wanted = list(dict.fromkeys(top(path, self.columns) for path in columns))
        split, data = self._stored[part]
        table = data[first:stop].select([name for name in wanted if name != SPLIT])
        for number, name in enumerate(table.column_names):
            if {path for path in columns if top(path, self.columns) == name} == {f"{name}.path"}:
                paths = [{"path": path} for path in pc.struct_field(table[name], "path").to_pylist()]
                table = table.set_column(number, name, pa.array(paths, pa.struct({"path": pa.string()})))
        names = {name: self.columns[name].labels for name in wanted if self.columns[name].labels}
        for row in table.to_pylist() or [{} for _ in range(stop - first)]:
            if SPLIT in wanted:
                row[SPLIT] = split
            for name, labels in names.items():
                number = row[name]
                row[name] = labels[number] if number is not None and 0 <= number < len(labels) else None
            yield row


def saved_rows(folder: Path, origin: str, splits: Sequence[str]) -> DatasetRows:
    """Read a folder that `save_to_disk` wrote. Raises RecipeError if it is damaged."""
    from datasets import load_from_disk

    try:
        found = load_from_disk(str(folder))
    except Exception as error:  # damage can raise any exception
        raise RecipeError(f"{folder} can't be read as what save_to_disk wrote: {in_a_line(error)}") from None
    return dataset_rows(found, origin, splits, Files(str(folder), str(folder)))


def dataset_rows(data: Any, origin: str, splits: Sequence[str], place: Files) -> DatasetRows:
    """Return the rows of a Dataset or a DatasetDict; if `splits` is not empty, only those splits of a DatasetDict.

    Raises:
        RecipeError: There is no such split.
    """
    if not isinstance(data, Mapping):
        if splits:
            raise RecipeError(f"splits are named ({', '.join(splits)}), and {origin} has none; leave them out")
        return DatasetRows(origin, (("", data),), place)
    for split in splits:
        if split not in data:
            raise RecipeError(f"{origin} has no split {split!r}; it has {', '.join(map(str, data))}")
    return DatasetRows(origin, tuple((str(split), data[split]) for split in splits or data), place)


def _column(feature: Any) -> Column:
    from datasets import ClassLabel, Image, Value

    if isinstance(feature, ClassLabel):
        return Column(TEXT, tuple(feature.names))
    if isinstance(feature, Image):
        return Column(IMAGE)
    if isinstance(feature, Value):
        return Column(IMAGE if feature.dtype in ("binary", "large_binary") else TEXT)
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    return Column(IMAGES if inner is not None and _column(inner).kind == IMAGE else OTHER)
