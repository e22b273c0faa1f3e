"""The identity of a run: guard, data and code. Runs with equal identities write equal bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.records import Judge
from safetypairs_hf.evaluating.data import Data
from safetypairs_hf.guards.user_guard import as_guard
from safetypairs_hf.taxonomy.nine import NINE

FORMAT = 1
_SHOWN = 3
_FIRST = ("guard.name", "guard.revision", "data.name")  # what a reader knows, before hashes


def identity_of(guard: Judge, data: Data, unit: int) -> dict[str, Any]:
    """Return the metadata of the predictions, as JSON values.

    Args:
        guard: Any judge. One that is not a Guard has to describe itself; see `user_guard.OwnObject`.
        data: The pairs.
        unit: The number of images in a work unit.

    Raises:
        SafetyPairsError: As for `Guard.identity`.
    """
    return {
        "format": FORMAT,
        "guard": as_guard(guard).under(data.taxonomy).identity(),
        "data": {
            "name": data.name,
            "configs": list(data.configs),
            "split": data.split,
            "limit": data.limit,
            "pairs": data.n_pairs,
            "images": data.digest(),
            **({} if data.taxonomy == NINE else {"taxonomy": data.taxonomy.name}),
            **({"categories": list(data.categories)} if data.categories else {}),
        },
        "unit": unit,
        "code": code_version(),
    }


def code_version() -> str:
    try:
        return version("safetypairs-hf")
    except PackageNotFoundError:  # a checkout on the path that is not installed
        return "unknown"


def check_same(was: Mapping[str, Any], now: Mapping[str, Any], where: str) -> None:
    """Raise RunError if `where` belongs to another run. The message says what differs."""
    before, after = dict(_flat(was)), dict(_flat(now))
    by_name = sorted({*before, *after}, key=lambda key: (key not in _FIRST, key))
    different = [key for key in by_name if before.get(key) != after.get(key)]
    if different:
        told = "; ".join(f"{key} was {before.get(key)!r} and is {after.get(key)!r}" for key in different[:_SHOWN])
        more = f"; and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
        raise RunError(f"{where} belongs to another run: {told}{more}; name another --out, or start over with --fresh")


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
