"""The fit of a head, against scikit-learn used directly and on features whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.training.fit_head import fit_head


def drawn(pairs: int, width: int, signal: float, seed: int = 0) -> dict[str, Any]:
    """Pairs in families of two; the members share a scene, and the unsafe one has more of the first feature."""
    rng = np.random.default_rng(seed)
    scenes = np.repeat(rng.normal(size=(pairs, width)), 2, axis=0)
    unsafe = np.tile([1, 0], pairs)
    scenes[:, 0] += signal * unsafe
    categories = np.repeat(np.arange(pairs) % 3, 2)
    return {
        "features": scenes,
        "unsafe": unsafe,
        "categories": categories,
        "families": np.repeat([f"f{pair // 2}" for pair in range(pairs)], 2),
    }


@pytest.mark.parametrize(("pairs", "width"), [(40, 200), (60, 10)])
def test_a_linear_head_is_the_logistic_regression_of_its_setting(pairs: int, width: int) -> None:
    given = drawn(pairs, width, signal=3)
    fitted = fit_head(**given, seed=4)
    inputs = np.concatenate([StandardScaler().fit_transform(given["features"]), np.eye(3)[given["categories"]]], axis=1)
    direct = LogisticRegression(C=fitted.setting, class_weight="balanced", max_iter=5000, tol=1e-8)
    direct.fit(inputs, given["unsafe"])
    ours = fitted.weights.logits(given["features"], given["categories"].tolist())
    # The calibration is a line, so the two agree up to one.
    assert np.corrcoef(ours, direct.decision_function(inputs))[0, 1] > 0.9999
    losses = {}
    for setting in (1e-4, 1e-3, 1e-2, 1e-1):
        held = np.zeros(len(inputs))
        folds = GroupKFold(5, shuffle=True, random_state=4).split(inputs, given["unsafe"], given["families"])
        for shown, left in folds:
            model = LogisticRegression(C=setting, class_weight="balanced", max_iter=5000, tol=1e-8)
            held[left] = model.fit(inputs[shown], given["unsafe"][shown]).predict_proba(inputs[left])[:, 1]
        losses[setting] = log_loss(given["unsafe"], held)
    assert fitted.setting == min(losses, key=losses.__getitem__)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_it_learns_what_there_is_and_scores_are_calibrated(kind: str) -> None:
    fitted = fit_head(**drawn(150, 8, signal=4), kind=kind, folds=3)
    new = drawn(400, 8, signal=4, seed=1)
    said = 1 / (1 + np.exp(-fitted.weights.logits(new["features"], new["categories"].tolist())))
    assert ((said >= 0.5) == new["unsafe"]).mean() > 0.9
    for low, high in ((0.0, 0.3), (0.7, 1.0)):
        inside = (said >= low) & (said <= high)
        assert abs(said[inside].mean() - new["unsafe"][inside].mean()) < 0.08
    assert ((fitted.held_out >= 0.5) == np.tile([1, 0], 150)).mean() > 0.9


def test_what_is_known_of_a_family_alone_does_not_hold_on_others() -> None:
    """Each family has a feature of its own that gives its labels away, the other way round in every second one."""
    given = drawn(40, 40, signal=0)
    family = np.repeat(np.arange(40) // 2, 2)
    given["features"][:] = 0
    given["features"][np.arange(80), family] = np.where(given["unsafe"] == family % 2, 1, -1)
    fitted = fit_head(**given)
    right = (fitted.held_out >= 0.5) == given["unsafe"]
    assert right.mean() < 0.75  # a fit that had seen the family would have all
    assert abs(fitted.held_out - 0.5).max() < 0.2


def test_it_depends_on_the_seed_alone_and_knows_its_columns() -> None:
    given = drawn(20, 30, signal=2)
    first, again = (fit_head(**given, columns=9, kind="mlp", folds=2, seed=7) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first.weights.layers[0], again.weights.layers[0], strict=True))
    assert first.weights.layers[0][0].shape == (39, 64)
    assert np.isfinite(first.weights.logits(given["features"], [8] * 40)).all()


def test_bad_input() -> None:
    given = drawn(4, 3, signal=1)
    with pytest.raises(SafetyPairsError, match=r"^no head 'liner'; the nearest is 'linear'; there are linear, mlp$"):
        fit_head(**given, kind="liner")
    with pytest.raises(SafetyPairsError, match=r"^8 images of 1 family are too few to fit a head: it takes 2 families"):
        fit_head(**{**given, "families": ["f"] * 8})
    weights = fit_head(**given).weights
    with pytest.raises(
        SafetyPairsError, match=r"^the head takes 3 features and the backbone gives 5; take the backbone"
    ):
        weights.logits(np.zeros((1, 5)), [0])
