"""What a run is of: the guard as it is set, the data, the code. Two runs with one identity give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from safetypairs_hf.core.errors import RunError, SafetyPairsError
from safetypairs_hf.core.records import Judge
from safetypairs_hf.evaluating.data import Data

FORMAT = 1
_SHOWN = 3


def identity_of(guard: Judge, data: Data, unit: int) -> dict[str, Any]:
    """What the metadata of the predictions hold, as JSON values.

    Raises:
        SafetyPairsError: the guard's weights have no revision to name, or it needs a GPU or a package that is missing.
    """
    from safetypairs_hf.core.description import describe
    from safetypairs_hf.guards.base import prompt_hash

    return {
        "format": FORMAT,
        "guard": {
            "name": guard.name,
            "revision": getattr(guard, "revision", ""),
            "settings": describe(guard),
            "prompt_hash": prompt_hash(guard),
            "fidelity": getattr(guard, "fidelity", None),
            "dtype": _dtype(guard),
            "seed": _seed(guard),
        },
        "data": {
            "name": data.name,
            "configs": list(data.configs),
            "split": data.split,
            "limit": data.limit,
            "pairs": data.n_pairs,
            "images": data.digest(),
        },
        "unit": unit,
        "code": code_version(),
    }


def code_version() -> str:
    try:
        return version("safetypairs-hf")
    except PackageNotFoundError:  # a checkout on the path that was never installed
        return "unknown"


def check_same(was: Mapping[str, Any], now: Mapping[str, Any], where: str) -> None:
    """Raise RunError where what `where` holds is of another run, saying what differs."""
    before, after = dict(_flat(was)), dict(_flat(now))
    different = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    if different:
        told = "; ".join(f"{key} was {before.get(key)!r} and is {after.get(key)!r}" for key in different[:_SHOWN])
        more = f"; and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
        raise RunError(f"{where} is of another run: {told}{more}; name another --out, or start over with --fresh")


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _part_with(guard: Any, name: str) -> Any:
    """The guard, or the one inside it, that has the attribute; None where none has."""
    while guard is not None and not hasattr(guard, name):
        guard = getattr(guard, "inner", None)
    return guard


def _seed(guard: Any) -> int | None:
    holder = _part_with(guard, "seed") or getattr(_part_with(guard, "server"), "server", None)
    return getattr(holder, "seed", None)


def _dtype(guard: Any) -> str | None:
    """The numbers that the weights are loaded as; None where there are none of torch."""
    holder = _part_with(guard, "device")
    if holder is None:
        return None
    from safetypairs_hf.models.loading import pick_device, pick_dtype

    try:
        import torch
    except ImportError as error:
        raise SafetyPairsError(f"{guard.name} needs PyTorch; pip install 'safetypairs-hf[gpu]'") from error
    if str(holder.device).startswith("cuda") and not torch.cuda.is_available():
        raise SafetyPairsError(
            f"{guard.name} is set to device={holder.device}, and PyTorch sees no GPU here; set device=cpu, or auto"
        )
    return str(pick_dtype(pick_device(holder.device))).removeprefix("torch.")
