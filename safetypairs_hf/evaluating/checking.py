"""Predictions beside the data that they are on: what does not fit is refused, what the file lacks is filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import HubUnavailable, PairError, SafetyPairsError
from safetypairs_hf.core.target_name import parse_target_name, recorded_name
from safetypairs_hf.evaluating.prediction_file import predictions_of, read_run, told_by

if TYPE_CHECKING:
    from safetypairs_hf.core.version import Version
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.taxonomy.categories import Taxonomy

_SHOWN = 5
_FROM_DATA = ("category", "group")


@dataclass(frozen=True)
class Checked:
    """Columns of predictions as `score` takes them, with category and group from the data where the file had none.

    `told`: data, split and fidelity for the signature.
    """

    columns: dict[str, Any]
    told: dict[str, Any]


def check_data(path: str | Path, data: str) -> Checked:
    """Predictions against `data`, TARGET[@VERSION].

    Raises:
        PairError: see `check_edition`.
        HubUnavailable: the version cannot be read, so a signature must not name it.
        SafetyPairsError: as `open_named` does.
    """
    from safetypairs_hf.dataset.store.open_store import store_of

    told = told_by(path)
    name = parse_target_name(data)
    if told.get("data") and name.version:
        _refuse_version(path, told["data"], name.version, str(name))
    try:
        edition = store_of(name).open(name.version)
    except HubUnavailable as error:
        raise HubUnavailable(f"{path} was not checked against {name}: {error}; or score without --data") from error
    return check_edition(path, edition)


def check_edition(path: str | Path, edition: Edition) -> Checked:
    """Predictions against a version.

    Raises:
        PairError: the file says that it is on another version; it has pairs that the version does not hold, or in other
            categories; or it was on other images, or on a pair's images the other way round (`evaluate` writes which).
    """
    from safetypairs_hf.evaluating.benchmark import check_images
    from safetypairs_hf.metric.prediction_files import as_list

    told = told_by(path)
    if told.get("data"):
        _refuse_version(path, told["data"], edition.version, edition.name)
    columns = predictions_of(path)
    ids = [str(each) for each in as_list(columns.get("pair_id"))]
    table = edition.table.select(["pair_id", "split", *_FROM_DATA]).to_pylist()
    held = {row["pair_id"]: row for row in table}
    strange = sorted(set(ids) - set(held))
    if strange:
        raise PairError(
            f"{path}: {len(strange)} of {len(set(ids))} pairs are not in {edition.name} ({_some(strange)}); "
            "give the version that the guard was run on: --data TARGET@X.Y.Z"
        )
    _refuse_categories(path, ids, as_list(columns.get("category")), held, edition)
    if read_run(path) is not None:
        check_images(path, edition)
    splits = {held[each]["split"] for each in ids}
    if len(splits) == 1:
        told = {"split": splits.pop()} | told
    filled = {name: [held[each][name] for each in ids] for name in _FROM_DATA if columns.get(name) is None}
    return Checked(columns | filled, told | {"data": edition.name})


def told_together(paths: Sequence[str | Path]) -> dict[str, Any]:
    """Data and split for the signature of a comparison, as far as the files that `evaluate` wrote say them.

    Raises PairError where two of them were shown different images as the same member of a pair.
    """
    runs = [(path, run) for path in paths if (run := read_run(path)) is not None]
    shown: dict[tuple[str, int], tuple[str, str | Path]] = {}
    if len({run["data"]["images"] for _, run in runs}) > 1:
        for path, _ in runs:
            _refuse_images(path, shown)
    found = {}
    for key in ("data", "split"):
        values = {told_by(path).get(key) for path in paths} - {None}
        if values:
            found[key] = "+".join(sorted(map(str, values)))
    return found


def _refuse_version(path: str | Path, told: str, version: Version, data: str) -> None:
    if recorded_name(told).version != version:
        raise PairError(f"{path} has predictions on {told}, not on {data}; give --data {told}, or evaluate on {data}")


def _refuse_categories(
    path: str | Path, ids: list[str], given: list[Any], held: dict[str, Any], edition: Edition
) -> None:
    """A category in the words of the user's own is let be; one of the taxonomy's has to be the pair's."""
    ours = {name: _slug(name, edition.taxonomy) for name in set(given)}
    rows = zip(ids, given, strict=False)
    other = sorted({pair_id for pair_id, name in rows if ours[name] not in (None, held[pair_id]["category"])})
    if other:
        raise PairError(
            f"{path}: {len(other)} pairs are in another category than in {edition.name} ({_some(other)}); leave the "
            "column category out, and it is taken from the data"
        )


def _slug(name: Any, taxonomy: Taxonomy) -> str | None:
    try:
        return None if name is None else taxonomy.find(str(name)).slug
    except SafetyPairsError:
        return None


def _refuse_images(path: str | Path, shown: dict[tuple[str, int], tuple[str, str | Path]]) -> None:
    import pyarrow.parquet as pq

    if "control" in pq.read_schema(path).names:
        return
    other: dict[str, str | Path] = {}
    for row in pq.read_table(path, columns=["pair_id", "reference", "sha256"]).to_pylist():
        known, where = shown.setdefault((row["pair_id"], row["reference"]), (row["sha256"], path))
        if known != row["sha256"]:
            other[row["pair_id"]] = where
    if other:
        raise PairError(
            f"{path} and {next(iter(other.values()))} were shown different images of {len(other)} pairs "
            f"({_some(sorted(other))}); evaluate both on one version"
        )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:_SHOWN])) + (", ..." if len(ids) > _SHOWN else "")
