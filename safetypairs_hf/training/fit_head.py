"""Fit a head on features: setting chosen by cross-validation over families, classes balanced, scores calibrated."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from safetypairs_hf.core.errors import SafetyPairsError, counted, verb
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.guards.head import HeadWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Integers = NDArray[np.int64]

HEADS: Final = ("linear", "mlp")
# The settings for cross-validation: the inverse penalty of a linear head, the penalty of a perceptron.
_SETTINGS: Final = {"linear": (1e-4, 1e-3, 1e-2, 1e-1), "mlp": (1e-3, 1e-1, 1e1)}
_HIDDEN: Final = 64
_LEAST_SLOPE: Final = 1e-3  # least slope of the calibration: uninformative scores keep their order, close to 0.5


@dataclass(frozen=True)
class FittedHead:
    """A head, the setting that cross-validation chose, and the scores of held-out images.

    `held_out`: (n,) calibrated P(unsafe) of each image, by a head fitted without the image's family.
    """

    weights: HeadWeights
    setting: float
    held_out: Numbers


def fit_head(
    features: Any,
    unsafe: Any,
    categories: Any,
    families: Any,
    *,
    columns: int | None = None,
    kind: str = "linear",
    folds: int = 5,
    seed: int = 0,
) -> FittedHead:
    """Fit a head.

    The setting with the least log loss on held-out families is chosen; of equal ones, the one with the stronger
    penalty. The held-out scores are calibrated by a logistic regression on the logit (Platt 1999), with balanced
    classes.

    Args:
        features: (n, width) features of images.
        unsafe: (n,) 1 for an unsafe image and 0 for a safe one.
        categories: (n,) the index of each image's category.
        families: (n,) the family of each image. Families are held out as a whole; both members of a pair have one.
        columns: The number of categories; by default, the largest index plus one.
        kind: "linear", a logistic regression; or "mlp", a perceptron with one hidden layer.
        folds: The number of parts of the cross-validation; fewer if there are fewer families.
        seed: The seed of the folds and of a perceptron's first weights.

    Raises:
        SafetyPairsError: There is no such kind, scikit-learn is missing, or there are fewer than 2 families or classes.
    """
    if kind not in HEADS:
        raise SafetyPairsError(f"no head {kind!r}{hint(kind, HEADS)}; there are {', '.join(HEADS)}")
    model_selection = _sklearn("model_selection")
    unsafe, families = np.asarray(unsafe, np.int64), np.asarray(families)
    different = len(set(families.tolist()))
    if different < 2 or len(set(unsafe.tolist())) < 2:
        raise SafetyPairsError(
            f"{counted(len(unsafe), 'image')} of {counted(different, 'family')} {verb(len(unsafe), 'is')} too few to "
            "fit a head: it takes 2 families, one to fit and one to check, with unsafe and safe images"
        )
    features = np.asarray(features, np.float64)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.where(deviation > 1e-6, deviation, 1.0)
    told = np.eye(columns or int(np.max(categories)) + 1)[np.asarray(categories)]
    inputs = np.concatenate([(features - mean) / scale, told], axis=1)
    # A penalised head lies in the span of its inputs, so it is fitted in that space, which is small if images are few.
    basis = _basis(inputs)
    inputs = inputs @ basis
    split = model_selection.GroupKFold(min(folds, different), shuffle=True, random_state=seed)
    parts = [part for part in split.split(inputs, unsafe, families) if len(set(unsafe[part[0]].tolist())) == 2]
    found = {setting: _held_out(inputs, unsafe, parts, kind, setting, seed) for setting in _ordered(kind)}
    setting = min(found, key=lambda each: round(_log_loss(found[each], unsafe), 6))
    slope, shift = _calibration(found[setting], unsafe)
    layers = _fit(inputs, unsafe, kind, setting, seed)
    layers[0] = (basis @ layers[0][0], layers[0][1])
    layers[-1] = (layers[-1][0] * slope, layers[-1][1] * slope + shift)
    return FittedHead(HeadWeights(mean, scale, tuple(layers)), setting, _logistic(found[setting] * slope + shift))


def _ordered(kind: str) -> list[float]:
    """Return the settings, with the strongest penalty first."""
    return sorted(_SETTINGS[kind], reverse=kind == "mlp")


def _basis(inputs: Numbers) -> Numbers:
    """Return (inputs, rank) orthonormal directions that span the rows; all directions if there are many rows."""
    rows, columns = inputs.shape
    if rows >= columns:
        return np.eye(columns)
    values, vectors = np.linalg.eigh(inputs @ inputs.T)
    kept = values > values[-1] * 1e-10
    return np.asarray(inputs.T @ vectors[:, kept] / np.sqrt(values[kept]))


def _held_out(inputs: Numbers, unsafe: Integers, parts: Any, kind: str, setting: float, seed: int) -> Numbers:
    """Return (n,) logits of each row, by a head fitted without the row's part."""
    logits = np.zeros(len(unsafe))
    for fitted, held in parts:
        layers = _fit(inputs[fitted], unsafe[fitted], kind, setting, seed)
        logits[held] = _forward(layers, inputs[held])
    return logits


def _fit(inputs: Numbers, unsafe: Integers, kind: str, setting: float, seed: int) -> list[tuple[Numbers, Numbers]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that stops early is compared like any other
        if kind == "linear":
            linear = _sklearn("linear_model").LogisticRegression(C=setting, class_weight="balanced", max_iter=300)
            linear.fit(inputs, unsafe)
            return [(linear.coef_.T, linear.intercept_)]
        share = unsafe.mean()
        weights = np.where(unsafe == 1, 0.5 / share, 0.5 / (1 - share))
        network = _sklearn("neural_network").MLPClassifier(
            (_HIDDEN,), alpha=setting, max_iter=200, learning_rate_init=3e-3, random_state=seed
        )
        network.fit(inputs, unsafe, sample_weight=weights)
        return list(zip(network.coefs_, network.intercepts_, strict=True))


def _forward(layers: list[tuple[Numbers, Numbers]], inputs: Numbers) -> Numbers:
    for number, (weights, bias) in enumerate(layers):
        inputs = inputs @ weights + bias
        if number < len(layers) - 1:
            inputs = np.maximum(inputs, 0)
    return inputs[:, 0]


def _calibration(logits: Numbers, unsafe: Integers) -> tuple[float, float]:
    fitted = _sklearn("linear_model").LogisticRegression(C=1e6, class_weight="balanced")
    spread = float(logits.std()) or 1.0
    fitted.fit(logits[:, None] / spread, unsafe)
    slope = max(float(fitted.coef_[0, 0]) / spread, _LEAST_SLOPE)
    return slope, float(fitted.intercept_[0])


def _log_loss(logits: Numbers, unsafe: Integers) -> float:
    signed = np.where(unsafe == 1, -logits, logits)
    return float(np.logaddexp(0, signed).mean())


def _logistic(logits: Numbers) -> Numbers:
    return np.asarray(0.5 * (1 + np.tanh(logits / 2)))


def _sklearn(part: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"sklearn.{part}")
    except ImportError as error:
        raise SafetyPairsError("training needs scikit-learn; pip install 'safetypairs-hf[train]'") from error
