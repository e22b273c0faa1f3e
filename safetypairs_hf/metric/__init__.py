"""Pair-consistent safety accuracy: figures of one guard (`score`), of two (`compare`) or more on the same pairs.

Names are imported on first use, so that importing this package loads neither numpy nor Arrow.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safetypairs_hf.metric.agreement import Agreement as Agreement
    from safetypairs_hf.metric.agreement import PromptStability as PromptStability
    from safetypairs_hf.metric.agreement import agreement as agreement
    from safetypairs_hf.metric.agreement import prompt_stability as prompt_stability
    from safetypairs_hf.metric.calibration import Calibration as Calibration
    from safetypairs_hf.metric.calibration import ThresholdCurve as ThresholdCurve
    from safetypairs_hf.metric.calibration import calibration as calibration
    from safetypairs_hf.metric.calibration import threshold_curve as threshold_curve
    from safetypairs_hf.metric.compare import PairComparison as PairComparison
    from safetypairs_hf.metric.compare import compare as compare
    from safetypairs_hf.metric.compare_many import ManyComparison as ManyComparison
    from safetypairs_hf.metric.compare_many import compare_many as compare_many
    from safetypairs_hf.metric.figures import Figures as Figures
    from safetypairs_hf.metric.power import PowerTable as PowerTable
    from safetypairs_hf.metric.power import pairs_needed as pairs_needed
    from safetypairs_hf.metric.power import power_table as power_table
    from safetypairs_hf.metric.prediction_files import read_predictions as read_predictions
    from safetypairs_hf.metric.score import PairScore as PairScore
    from safetypairs_hf.metric.score import failures as failures
    from safetypairs_hf.metric.score import score as score

_WHERE = {
    "Agreement": "agreement",
    "Calibration": "calibration",
    "Figures": "figures",
    "ManyComparison": "compare_many",
    "PairComparison": "compare",
    "PairScore": "score",
    "PowerTable": "power",
    "PromptStability": "agreement",
    "ThresholdCurve": "calibration",
    "agreement": "agreement",
    "calibration": "calibration",
    "compare": "compare",
    "compare_many": "compare_many",
    "failures": "score",
    "pairs_needed": "power",
    "power_table": "power",
    "prompt_stability": "agreement",
    "read_predictions": "prediction_files",
    "score": "score",
    "threshold_curve": "calibration",
}
__all__ = sorted([*_WHERE, "metric_path"])


def metric_path() -> str:
    """Return the folder of the `evaluate` module, for `evaluate.load(metric_path())`. It can be uploaded as a Space."""
    return str(Path(__file__).parent / "pair_consistent_accuracy")


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """Keep names such as `score` for the functions, because their modules have the same names."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Python sets each module as an attribute of its package once the module is loaded.
        if name in _WHERE and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
