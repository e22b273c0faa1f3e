"""What a file of predictions says of itself, in the metadata of its Parquet schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetypairs_hf.errors import HubUnavailable, PairError

_NAME, _RUN = b"guard", b"safetypairs"
_SHOWN = 5


def metadata_of(run: Mapping[str, Any]) -> dict[bytes, bytes]:
    """The metadata for an identity (see `identity_of`): the guard's name, and all of it as JSON."""
    return {_NAME: run["guard"]["name"].encode(), _RUN: json.dumps(run, sort_keys=True).encode()}


def read_run(path: Path) -> dict[str, Any] | None:
    """The identity of the run that wrote a file; None where `evaluate` did not write it, or it does not read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() != ".parquet" or not path.is_file():
        return None
    try:
        found = json.loads((pq.read_schema(path).metadata or {})[_RUN])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return None
    return found if isinstance(found, dict) and {"guard", "data"} <= set(found) else None


def shown_split(data: Mapping[str, Any]) -> str:
    """The split as a signature has it; other configs than the default are named before it."""
    configs = "+".join(data["configs"])
    return str(data["split"]) if configs == "default" else f"{configs}/{data['split']}"


def told_by(path: Path) -> dict[str, Any]:
    """What a file says for the signature of its figures, as `score` takes it; {} where `evaluate` did not write it."""
    run = read_run(path)
    if run is None:
        return {}
    data = run["data"]
    return {"data": data["name"], "split": shown_split(data), "fidelity": run["guard"]["fidelity"]}


def check_data(path: Path, data: str) -> str:
    """Check that predictions are on `data`, TARGET[@VERSION]; answers why that could not be looked up, or "".

    Raises:
        PairError: the file says that it is on another version, or has pairs that `data` does not hold.
        SafetyPairsError: as `open_named` does, but for a Hub that does not answer.
    """
    from safetypairs_hf.metric.files import read_predictions
    from safetypairs_hf.publishing.published import open_named

    run = read_run(path)
    told = run["data"]["name"] if run else None
    given_version = data.rpartition("@")[2] if "@" in data else ""
    if told and given_version and told.rpartition("@")[2] != given_version.removeprefix("v"):
        raise PairError(f"{path} has predictions on {told}, not on {data}; give --data {told}, or evaluate on {data}")
    try:
        edition = open_named(data)
    except HubUnavailable as error:
        return f"not checked against {data}: {error}"
    ids = {str(each) for each in _plain(read_predictions(path).get("pair_id"))}
    strange = sorted(ids - set(edition.table["pair_id"].to_pylist()))
    if strange:
        first = ", ".join(map(repr, strange[:_SHOWN])) + (", ..." if len(strange) > _SHOWN else "")
        raise PairError(
            f"{path}: {len(strange)} of {len(ids)} pairs are not in {edition.name} ({first}); "
            "give the version that the guard was run on: --data TARGET@X.Y.Z"
        )
    return ""


def _plain(column: Any) -> list[Any]:
    if column is None:
        return []
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)
