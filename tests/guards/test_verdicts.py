from __future__ import annotations

import math

import pytest

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.guards.verdicts import (
    answer_ids,
    from_log_probabilities,
    from_logits,
    question,
    says,
    weigh,
)


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        *[(token, True) for token in ("Yes", " yes", "YES", "\u2581Yes", "\u0120yes", "Yes.", '"Yes', "**Yes")],
        *[(token, False) for token in ("No", " no", "NO", "\u2581no", "\u0120No", "no,")],
        *[(token, None) for token in ("", " ", "not", "none", "yesterday", "Unsafe", "\u0120nope", "N", "\n")],
    ],
)
def test_says(token: str, answer: bool | None) -> None:
    assert says(token) is answer


def test_answer_ids() -> None:
    vocabulary = {"a": 0, "Yes": 5, "\u0120yes": 2, "No": 3, "\u2581NO": 7, "not": 9}
    assert answer_ids(vocabulary, "m") == ([2, 5], [3, 7])
    with pytest.raises(SafetyPairsError, match="tokenizer of m has no token for 'No'"):
        answer_ids({"yes": 1, "not": 2}, "m")


def test_weigh() -> None:
    assert weigh(0.375, 0.125, 0.1) == Verdict(0.75)
    assert weigh(0.06, 0.03, 0.1, "x") == Verdict(None, "no_verdict", "x")
    assert weigh(0.06, 0.04, 0.1) == Verdict(0.06 / 0.1)
    assert weigh(0.0, 0.0, 0.0) == Verdict(None, "no_verdict")
    assert weigh(math.nan, 0.1, 0.1) == Verdict(None, "broken_output")


def test_logits_by_hand() -> None:
    """Probabilities 1, 2, 3, 4 of 10; every spelling counts: yes 2 + 4, no 3."""
    import torch

    logits = torch.tensor([[1.0, 2.0, 3.0, 4.0]]).log() + torch.tensor([[5.0]])
    (found,) = from_logits(logits, [1, 3], [2], lambda ids: [f"t{number}" for number in ids], 0.5)
    assert found.p_unsafe == pytest.approx(6 / 9, abs=1e-7)
    assert found.raw == "'t3':0.4000 't2':0.3000 't1':0.2000 't0':0.1000"
    (found,) = from_logits(logits, [1], [0], lambda ids: list(map(str, ids)), 0.31)
    assert found[:2] == (None, "no_verdict")
    (found,) = from_logits(logits * math.nan, [1], [0], lambda ids: list(map(str, ids)), 0.1)
    assert found[:2] == (None, "broken_output")


def test_half_precision_keeps_its_digits() -> None:
    """Summed in float64: bfloat16 logits 0 and 8 are exact, a bfloat16 softmax of them is not."""
    import torch

    logits = torch.tensor([[0.0, 8.0]], dtype=torch.bfloat16)
    (found,) = from_logits(logits, [0], [1], lambda ids: list(map(str, ids)), 0.1)
    assert found.p_unsafe == pytest.approx(1 / (1 + math.exp(8)), rel=1e-12)


def test_log_probabilities_by_hand() -> None:
    top = [("Yes", math.log(0.5)), ("No", math.log(0.2)), (" yes", math.log(0.1)), ("Maybe", math.log(0.05))]
    found = from_log_probabilities(top, 0.1)
    assert found.p_unsafe == pytest.approx(0.6 / 0.8)
    assert found.raw.startswith("'Yes':0.5000 'No':0.2000")
    assert from_log_probabilities([("I", -0.1), ("Yes", -5.0)], 0.1).note == "no_verdict"
    assert from_log_probabilities([], 0.1).note == "no_verdict"


def test_the_question_holds_the_policy() -> None:
    assert "bare genitals" in question("nudity") and question("nudity").endswith("Answer with one word, Yes or No.")
    assert question("O4") == question("nudity") != question("hate")
