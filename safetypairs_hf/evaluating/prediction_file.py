"""The metadata of a file of predictions, in its Parquet schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetypairs_hf.core.foreign_text import parse_json
from safetypairs_hf.dataset.policy_pair_rows import CONFIG

_NAME, _RUN = b"guard", b"safetypairs"


def metadata_of(run: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Return the metadata for an identity (see `identity_of`): the guard's name, and the whole identity as JSON."""
    return {_NAME: run["guard"]["name"].encode(), _RUN: json.dumps(run, sort_keys=True).encode()}


def read_run(path: str | Path) -> dict[str, Any] | None:
    """Return the identity of the run that wrote a file; None if `evaluate` did not write it, or it does not exist."""
    import pyarrow.parquet as pq

    path = Path(path)
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return None
    try:
        found = parse_json((pq.read_schema(path).metadata or {})[_RUN].decode(), strict=False)
        whole = {"name", "split", "configs"} <= set(found["data"]) and {"name", "fidelity"} <= set(found["guard"])
    except Exception:  # anybody may have written the file
        return None
    return found if whole else None


def shown_split(data: Mapping[str, Any]) -> str:
    """Return the split for a signature, with configs other than the default before it and categories after it."""
    configs, chosen = "+".join(data["configs"]), "+".join(data.get("categories", ()))
    split = str(data["split"]) if configs == "default" else f"{configs}/{data['split']}"
    return f"{split}/{chosen}" if chosen else split


def is_of_policies(path: str | Path) -> bool:
    """Return whether `evaluate` wrote the file for policy pairs."""
    run = read_run(path)
    return run is not None and CONFIG in run["data"]["configs"]


def told_by(path: str | Path) -> dict[str, Any]:
    """Return the arguments of `score` for the signature that a file states; {} if `evaluate` did not write it."""
    run = read_run(path)
    if run is None:
        return {}
    data = run["data"]
    return {"data": data["name"], "split": shown_split(data), "fidelity": run["guard"]["fidelity"]}


def predictions_of(path: str | Path) -> dict[str, Any]:
    """Read the columns of predictions for `score`. In a file of `evaluate`, all answers may be abstentions.

    Raises:
        PairError: As for `read_predictions`.
    """
    from safetypairs_hf.metric.prediction_files import read_predictions
    from safetypairs_hf.metric.rows import abstentions_written

    columns = read_predictions(path)
    return columns if read_run(path) is None else abstentions_written(columns)
