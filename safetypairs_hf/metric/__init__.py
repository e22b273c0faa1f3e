"""Pair-consistent safety accuracy: figures of one guard (`score`), of two on the same pairs (`compare`), of many.

The names load on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safetypairs_hf.metric.agreeing import Agreement, agreement
    from safetypairs_hf.metric.calibrating import Calibration, calibration
    from safetypairs_hf.metric.comparing import PairComparison, compare
    from safetypairs_hf.metric.comparing_many import ManyComparison, compare_many
    from safetypairs_hf.metric.failing import failures
    from safetypairs_hf.metric.figures import Figures
    from safetypairs_hf.metric.files import read_predictions
    from safetypairs_hf.metric.power import PowerTable, pairs_needed, power_table
    from safetypairs_hf.metric.scoring import PairScore, score
    from safetypairs_hf.metric.stability import PromptStability, ThresholdCurve, prompt_stability, threshold_curve

__all__ = [
    "Agreement",
    "Calibration",
    "Figures",
    "ManyComparison",
    "PairComparison",
    "PairScore",
    "PowerTable",
    "PromptStability",
    "ThresholdCurve",
    "agreement",
    "calibration",
    "compare",
    "compare_many",
    "failures",
    "metric_path",
    "pairs_needed",
    "power_table",
    "prompt_stability",
    "read_predictions",
    "score",
    "threshold_curve",
]

_HOME = {
    "Agreement": "agreeing",
    "Calibration": "calibrating",
    "Figures": "figures",
    "ManyComparison": "comparing_many",
    "PairComparison": "comparing",
    "PairScore": "scoring",
    "PowerTable": "power",
    "PromptStability": "stability",
    "ThresholdCurve": "stability",
    "agreement": "agreeing",
    "calibration": "calibrating",
    "compare": "comparing",
    "compare_many": "comparing_many",
    "failures": "failing",
    "pairs_needed": "power",
    "power_table": "power",
    "prompt_stability": "stability",
    "read_predictions": "files",
    "score": "scoring",
    "threshold_curve": "stability",
}


def metric_path() -> str:
    """The folder of the `evaluate` module, for `evaluate.load(metric_path())`; it can be pushed as a Space as it is."""
    return str(Path(__file__).parent / "pair_consistent_accuracy")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
