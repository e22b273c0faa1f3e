"""`images`: pairs as one row an image, for guards that look at images one at a time."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, TypeVar, cast

from safetypairs_hf.core.errors import SafetyPairsError

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, Features, IterableDataset

AnyData = TypeVar("AnyData")  # the kind that is given is the kind that comes back
_NEEDED = ("pair_id", "unsafe_image", "safe_image", "category", "group")
_MEMBERS = (("unsafe_image", 1), ("safe_image", 0))
_CONTROL = "control"  # a column of the config `controls` alone
_NULL_EDIT = "null_edit"  # whose safe member is none
_BATCH = 32  # pairs of images held at once while streaming


def images(ds: AnyData) -> AnyData:
    """One row an image of a published pair dataset, the two of a pair adjacent.

    `ds`: a Dataset, IterableDataset, or a dict of either. Columns that come back: `pair_id`, `image`, `reference` (1
    the unsafe member, 0 the safe one), `category` (its slug), `group`. Which member comes first is fixed by the pair's
    id, and for about half of the pairs it is the safe one, so that position tells nothing. No image is decoded or
    encoded; the rows of a Dataset refer to the bytes where they lie.

    Of the config `controls` the column `control` (its name) comes back too, and a null edit is one row alone.

    Raises SafetyPairsError where `ds` is no dataset, or lacks one of the columns.
    """
    import datasets

    if isinstance(ds, datasets.DatasetDict | datasets.IterableDatasetDict):
        return cast(AnyData, type(ds)({split: images(each) for split, each in ds.items()}))
    if isinstance(ds, datasets.Dataset):
        return cast(AnyData, _of_table(ds))
    if isinstance(ds, datasets.IterableDataset):
        return cast(AnyData, _of_stream(ds))
    raise SafetyPairsError(f"images takes a dataset of pairs (datasets.Dataset or the like), not {type(ds).__name__}")


def _of_table(ds: Dataset) -> Dataset:
    import datasets
    import numpy as np

    _check(ds.features)
    ds = ds.select_columns(_columns(ds.features)).with_format(None)
    if not len(ds):
        return datasets.Dataset.from_dict({name: [] for name in _features(ds.features)}, _features(ds.features))
    pair_ids, groups = ds["pair_id"][:], ds["group"][:]
    slugs = _slugs(ds.features, "category", ds["category"][:])
    controls = _slugs(ds.features, _CONTROL, ds[_CONTROL][:]) if _CONTROL in ds.features else []
    halves = []
    for column, reference in _MEMBERS:
        half = ds.select_columns(["pair_id", column]).rename_column(column, "image")
        of_half = {"reference": [reference] * len(ds), "category": slugs, "group": groups}
        for name, values in {**of_half, **({_CONTROL: controls} if controls else {})}.items():
            half = half.add_column(name, values)
        halves.append(half)
    first = np.array([safe_first(pair_id) for pair_id in pair_ids])
    rows = np.arange(len(ds))
    order = np.stack([rows + len(ds) * first, rows + len(ds) * ~first], axis=1)
    return datasets.concatenate_datasets(halves).select(order.ravel()[_there(order.ravel(), controls)])


def _of_stream(ds: IterableDataset) -> IterableDataset:
    features = ds.features
    if features is None:
        raise SafetyPairsError("images needs to know the columns of a stream; load it with sp.load or load_dataset")
    _check(features)
    return (
        ds.select_columns(_columns(features))
        .with_format("arrow")
        .map(
            _interleaved,
            batched=True,
            batch_size=_BATCH,
            remove_columns=[name for name in _columns(features) if name not in _features(features)],
            fn_kwargs={"names": features},
        )
        .with_format(None)
        .cast(_features(features))  # given to map instead, datasets 4.0 would leave the images encoded
    )


def _interleaved(table: pa.Table, names: Features) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    pair_ids = table["pair_id"].to_pylist()
    first = np.array([safe_first(pair_id) for pair_id in pair_ids], dtype=bool)
    rows, count = np.arange(len(pair_ids)), len(pair_ids)
    order = np.stack([rows + count * first, rows + count * ~first], axis=1).ravel()
    both = pa.chunked_array([chunk for column, _ in _MEMBERS for chunk in table[column].chunks])
    controls = _slugs(names, _CONTROL, table[_CONTROL].to_pylist()) if _CONTROL in names else []
    order = order[_there(order, controls)]
    of_pair = pa.array(order % count)
    return pa.table(
        {
            "pair_id": table["pair_id"].take(of_pair),
            "image": both.take(pa.array(order)),
            "reference": (order < count).astype("int64"),
            "category": pa.array(_slugs(names, "category", table["category"].to_pylist())).take(of_pair),
            "group": table["group"].take(of_pair),
            **({_CONTROL: pa.array(controls).take(of_pair)} if controls else {}),
        }
    )


def _columns(features: Features) -> list[str]:
    return [*_NEEDED, *([_CONTROL] if _CONTROL in features else [])]


def _there(order: Any, controls: list[str]) -> Any:
    """(n,) whether the image at each place of `order` (unsafe members first, then the safe ones) is one at all."""
    import numpy as np

    if not controls:
        return np.ones(len(order), dtype=bool)
    alone = np.array([control == _NULL_EDIT for control in controls])
    return ~((order >= len(alone)) & alone[order % len(alone)])


def _features(features: Features) -> Features:
    import datasets

    return datasets.Features(
        {
            "pair_id": features["pair_id"],
            "image": features["unsafe_image"],
            "reference": datasets.Value("int64"),
            "category": datasets.Value("string"),
            "group": features["group"],
            **({_CONTROL: datasets.Value("string")} if _CONTROL in features else {}),
        }
    )


def _check(features: Features) -> None:
    missing = [name for name in _NEEDED if name not in features]
    if missing:
        raise SafetyPairsError(
            f"no column {', '.join(missing)}; images takes a published dataset of pairs, columns whole"
        )


def _slugs(features: Features, column: str, values: list[Any]) -> list[str]:
    names = getattr(features[column], "names", None)
    return [names[number] for number in values] if names else values


def safe_first(pair_id: str) -> bool:
    """Whether the safe member of a pair comes before the unsafe one: by its id, for about half of the pairs."""
    return zlib.crc32(pair_id.encode()) % 2 == 1
