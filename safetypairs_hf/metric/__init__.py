"""Pair-consistent safety accuracy: figures of one guard (`score`), of two on the same pairs (`compare`), of many."""

from __future__ import annotations

from pathlib import Path

from safetypairs_hf.metric.agreement import Agreement, agreement
from safetypairs_hf.metric.calibration import Calibration, calibration
from safetypairs_hf.metric.compare import PairComparison, compare
from safetypairs_hf.metric.compare_many import ManyComparison, compare_many
from safetypairs_hf.metric.failures import failures
from safetypairs_hf.metric.figures import Figures
from safetypairs_hf.metric.power import PowerTable, pairs_needed, power_table
from safetypairs_hf.metric.prediction_files import read_predictions
from safetypairs_hf.metric.score import PairScore, score
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


def metric_path() -> str:
    """The folder of the `evaluate` module, for `evaluate.load(metric_path())`; it can be pushed as a Space as it is."""
    return str(Path(__file__).parent / "pair_consistent_accuracy")
