"""`images`: pairs with one row per image, for guards that judge one image at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.dataset.policy_pair_rows import POLICIES, are_policy_pairs, slug_of

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, Features, IterableDataset

AnyData = TypeVar("AnyData")  # the type that is given is the type that is returned
_NEEDED = ("pair_id", "category", "group")
_MEMBERS = ("unsafe_image", "safe_image")
_POLICY = "policy"  # a column of the images of policy pairs only
_CONTROL = "control"  # a column of the config `controls` only
_NULL_EDIT = "null_edit"  # it has no safe member
_BATCH = 32  # pairs in memory at once while streaming


def images(ds: AnyData) -> AnyData:
    """Return a pair dataset with one row per image, the two images of a pair next to each other.

    Which member comes first depends on the pair's id alone, and for about half of the pairs it is the safe one, so
    position does not reveal the label. Images are neither decoded nor encoded again; the rows of a Dataset refer to
    the original bytes.

    For the config `policy_pairs`, both rows show the same image, and the column `policy` names the category by whose
    policy the row is to be judged.

    Args:
        ds: A Dataset or IterableDataset of pairs, or a dict of either, as `load` returns it.

    Returns:
        A dataset of the same type with the columns `pair_id`, `image`, `reference` (1 for the unsafe member, 0 for the
        safe one), `category` (its slug) and `group`. For the config `controls` there is also `control` (the kind of
        control), and a null edit is a single row.

    Raises:
        SafetyPairsError: `ds` is not a dataset, or lacks one of the columns.
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
    of_policies = are_policy_pairs(ds.features)
    halves = []
    with _without_bars():  # `add_column` copies rows that were selected
        for column, policy, reference in zip(_members(ds.features), POLICIES, (1, 0), strict=True):
            half = ds.select_columns(["pair_id", column])
            if column != "image":
                half = half.rename_column(column, "image")
            of_half = {"reference": [reference] * len(ds), "category": slugs, "group": groups}
            if of_policies:
                of_half[_POLICY] = list(map(slug_of, ds[policy][:]))
            for name, values in {**of_half, **({_CONTROL: controls} if controls else {})}.items():
                half = half.add_column(name, values)
            halves.append(half)
    first = np.array([safe_first(pair_id) for pair_id in pair_ids])
    rows = np.arange(len(ds))
    order = np.stack([rows + len(ds) * first, rows + len(ds) * ~first], axis=1)
    return datasets.concatenate_datasets(halves).select(order.ravel()[_there(order.ravel(), controls)])


@contextmanager
def _without_bars() -> Iterator[None]:
    """Show no progress bar of `datasets` for a step that a caller knows nothing of."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


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
    both = pa.chunked_array([chunk for column in _members(names) for chunk in table[column].chunks])
    controls = _slugs(names, _CONTROL, table[_CONTROL].to_pylist()) if _CONTROL in names else []
    order = order[_there(order, controls)]
    of_pair = pa.array(order % count)
    policies = (
        [slug_of(policy) for name in POLICIES for policy in table[name].to_pylist()] if are_policy_pairs(names) else []
    )
    return pa.table(
        {
            "pair_id": table["pair_id"].take(of_pair),
            "image": both.take(pa.array(order)),
            "reference": (order < count).astype("int64"),
            "category": pa.array(_slugs(names, "category", table["category"].to_pylist())).take(of_pair),
            "group": table["group"].take(of_pair),
            **({_CONTROL: pa.array(controls).take(of_pair)} if controls else {}),
            **({_POLICY: pa.array(policies).take(pa.array(order))} if policies else {}),
        }
    )


def _columns(features: Features) -> list[str]:
    others = POLICIES if are_policy_pairs(features) else (_CONTROL,)
    return [*dict.fromkeys((*_NEEDED, *_members(features))), *(name for name in others if name in features)]


def _members(features: Features) -> tuple[str, str]:
    """The columns of the unsafe and of the safe member; of policy pairs they are one."""
    return ("image", "image") if are_policy_pairs(features) else _MEMBERS


def _there(order: Any, controls: list[str]) -> Any:
    """Return (n,) whether there is an image at each place of `order` (unsafe members first, then the safe ones)."""
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
            "image": features[_members(features)[0]],
            "reference": datasets.Value("int64"),
            "category": datasets.Value("string"),
            "group": features["group"],
            **({_CONTROL: datasets.Value("string")} if _CONTROL in features else {}),
            **({_POLICY: datasets.Value("string")} if are_policy_pairs(features) else {}),
        }
    )


def _check(features: Features) -> None:
    missing = [name for name in (*_NEEDED[:1], *_members(features), *_NEEDED[1:]) if name not in features]
    if missing:
        raise SafetyPairsError(
            f"no column {', '.join(missing)}; images takes a published dataset of pairs, columns whole"
        )


def _slugs(features: Features, column: str, values: list[Any]) -> list[str]:
    names = getattr(features[column], "names", None)
    return [names[number] for number in values] if names else values


def safe_first(pair_id: str) -> bool:
    """Return whether the safe member of a pair comes first; its id decides, and it does for about half of the pairs."""
    return zlib.crc32(pair_id.encode()) % 2 == 1
