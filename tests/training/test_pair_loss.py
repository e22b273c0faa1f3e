"""The pairwise loss and its mix with cross-entropy, against sums by hand."""

from __future__ import annotations

import math

import pytest

from safetypairs_hf.core.errors import SafetyPairsError

torch = pytest.importorskip("torch")

SCORES, LABELS = [2.0, -1.0, 0.5, 1.5, -3.0, -3.0], [1, 0, 0, 1, 1, 0]


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("temperature", [1.0, 0.5, 4.0])
@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
def test_the_sum_by_hand(mix: float, temperature: float) -> None:
    from safetypairs_hf.training.pair_loss import pair_loss

    gaps = [3.0, 1.0, 0.0]
    ranked = sum(-math.log(sigmoid(gap / temperature)) for gap in gaps) / 3
    entropy = sum(-math.log(sigmoid(s if label else -s)) for s, label in zip(SCORES, LABELS, strict=True)) / 6
    scores = torch.tensor(SCORES, dtype=torch.float64, requires_grad=True)
    found = pair_loss(scores, torch.tensor(LABELS), mix, temperature)
    assert found.item() == pytest.approx(mix * ranked + (1 - mix) * entropy, rel=1e-12)
    found.backward()
    assert scores.grad is not None and bool(torch.isfinite(scores.grad).all())


def test_it_teaches_an_order() -> None:
    from safetypairs_hf.training.pair_loss import pairwise_loss

    scores = torch.zeros(2, requires_grad=True)
    pairwise_loss(scores[:1], scores[1:]).backward()
    assert scores.grad is not None and scores.grad.tolist() == [-0.5, 0.5]


@pytest.mark.parametrize(
    ("scores", "labels", "options", "said"),
    [
        ([1.0, 2.0], [1, 1], {}, "rows 0 and 1 of the batch have the same label"),
        ([1.0, 2.0, 3.0, 4.0], [1, 0, 0, 0], {}, "rows 2 and 3"),
        ([1.0, 2.0, 3.0], [1, 0, 1], {}, r"scores of shape \(3,\)"),
        ([[1.0, 2.0]], [[1, 0]], {}, r"scores of shape \(1, 2\)"),
        ([], [], {}, r"scores of shape \(0,\)"),
        ([1.0, 2.0], [1, 0], {"mix": 1.5}, "mix is 1.5"),
        ([1.0, 2.0], [1, 0], {"temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_mistakes_are_one_line(scores: list[float], labels: list[int], options: dict[str, float], said: str) -> None:
    from safetypairs_hf.training.pair_loss import pair_loss

    with pytest.raises(SafetyPairsError, match=said):
        pair_loss(torch.tensor(scores), torch.tensor(labels), **options)
