"""Pair-consistent safety accuracy: figures of one guard (`score`), and of two on the same pairs (`compare`).

The names load on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safetypairs_hf.metric.comparing import PairComparison, compare
    from safetypairs_hf.metric.figures import Figures
    from safetypairs_hf.metric.files import read_predictions
    from safetypairs_hf.metric.scoring import PairScore, score

__all__ = ["Figures", "PairComparison", "PairScore", "compare", "metric_path", "read_predictions", "score"]

_HOME = {
    "Figures": "figures",
    "PairComparison": "comparing",
    "PairScore": "scoring",
    "compare": "comparing",
    "read_predictions": "files",
    "score": "scoring",
}


def metric_path() -> str:
    """The folder of the `evaluate` module, for `evaluate.load(metric_path())`; it can be pushed as a Space as it is."""
    return str(Path(__file__).parent / "pair_consistent_accuracy")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
