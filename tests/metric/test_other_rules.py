"""The same verdicts by the rules of NaturalBench, MMVP and lmms-eval, each written anew from its definition.

Where they mean the same, they agree to the last bit: an answer that says neither yes nor no is wrong for all of them.
They part in three places, each with its test: MMVP's grader goes by the order of rows, lmms-eval leaves a lone half out
where we refuse it unless told to, and MME's score is a sum that only our two accuracies explain.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import score

SEEDS = range(20)
# Of sample s: the answer to question q on image i, 1 = yes, 0 = no, None = neither. The right one is yes where q == i.
Answers = dict[tuple[int, int, int], int | None]


def drawn(seed: int, samples: int = 40) -> Answers:
    """Answers that are right three times in four, where there is one."""
    generator = np.random.default_rng(seed)
    answers: Answers = {}
    for sample, question, image in product(range(samples), (0, 1), (0, 1)):
        right = int(question == image)
        given = generator.choice([right, 1 - right, -1], p=[0.7, 0.2, 0.1])
        answers[sample, question, image] = None if given < 0 else int(given)
    return answers


def naturalbench(answers: Answers) -> dict[str, Fraction]:
    """Li et al. 2024, section 3: a question is right where both images are, an image where both questions are."""
    right = {at: given == int(at[1] == at[2]) for at, given in answers.items()}
    samples = sorted({sample for sample, _, _ in answers})
    questions = [all(right[sample, q, i] for i in (0, 1)) for sample in samples for q in (0, 1)]
    images = [all(right[sample, q, i] for q in (0, 1)) for sample in samples for i in (0, 1)]
    whole = [all(right[sample, q, i] for q in (0, 1) for i in (0, 1)) for sample in samples]
    return {
        "Acc": share(list(right.values())),
        "Q_Acc": share(questions),
        "I_Acc": share(images),
        "G_Acc": share(whole),
    }


def mmvp(right: list[bool]) -> Fraction:
    """Tong et al. 2024: rows 1 and 2 are a pair, rows 3 and 4, and so on; a pair counts where both are right."""
    return share([one and other for one, other in zip(right[::2], right[1::2], strict=True)])


def lmms_eval_pairs(right: list[tuple[int, bool]]) -> Fraction:
    """lmms-eval's mmvp_pair_accuracy: by the number of the pair; a pair with one row only is left out."""
    pairs: dict[int, list[bool]] = {}
    for number, one in right:
        pairs.setdefault(number, []).append(one)
    return share([all(both) for both in pairs.values() if len(both) == 2])


def mme(right: dict[tuple[str, int], list[bool]]) -> Fraction:
    """Fu et al. 2023: of each category, 100 times accuracy over questions plus accuracy over images with both right."""
    total = Fraction(0)
    for category in sorted({name for name, _ in right}):
        images = [both for (name, _), both in right.items() if name == category]
        assert all(len(both) == 2 for both in images)
        total += 100 * (share([one for both in images for one in both]) + share([all(both) for both in images]))
    return total


def share(hits: list[bool]) -> Fraction:
    return Fraction(sum(hits), len(hits))


def questions_as_pairs(answers: Answers) -> list[dict[str, Any]]:
    """A question on two images is a pair of ours: yes is unsafe, and the two pairs of a sample are a group."""
    return [
        {"pair_id": f"{s}/{q}", "reference": int(q == i), "prediction": given, "group": str(s)}
        for (s, q, i), given in answers.items()
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_naturalbench(seed: int) -> None:
    answers = drawn(seed)
    theirs = naturalbench(answers)
    ours = score(questions_as_pairs(answers))
    assert ours.n_pairs == 80
    assert ours.pair_accuracy == float(theirs["Q_Acc"])
    assert ours.image_accuracy == float(theirs["Acc"])
    assert ours.group_accuracy == float(theirs["G_Acc"])
    # Their I-Acc asks two questions of one image, which a guard is not asked. Pairs made that way give it all the same.
    turned = [
        {"pair_id": f"{s}/{i}", "reference": int(q == i), "prediction": given} for (s, q, i), given in answers.items()
    ]
    assert score(turned).pair_accuracy == float(theirs["I_Acc"])


@pytest.mark.parametrize("seed", SEEDS)
def test_mmvp_and_lmms_eval(seed: int) -> None:
    answers = drawn(seed)
    rows = questions_as_pairs(answers)
    right = [row["prediction"] == row["reference"] for row in rows]
    ours = score(rows)
    assert ours.pair_accuracy == float(mmvp(right))
    numbered = [(at // 2, one) for at, one in enumerate(right)]
    assert ours.pair_accuracy == float(lmms_eval_pairs(numbered))
    # With the wrong answers first, MMVP's grader pairs right ones with right ones. Ours and lmms-eval's go by the pair.
    order = sorted(range(len(rows)), key=right.__getitem__)
    assert score([rows[at] for at in order]).to_dict() == ours.to_dict()
    assert lmms_eval_pairs([numbered[at] for at in order]) == lmms_eval_pairs(numbered)
    assert mmvp([right[at] for at in order]) > mmvp(right)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lone_half_is_left_out_only_on_request(seed: int) -> None:
    rows = questions_as_pairs(drawn(seed))[:-1]
    numbered = [(at // 2, row["prediction"] == row["reference"]) for at, row in enumerate(rows)]
    with pytest.raises(PairError):
        score(rows)
    ours = score(rows, incomplete="drop")
    assert (ours.pair_accuracy, ours.n_incomplete) == (float(lmms_eval_pairs(numbered)), 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_mme(seed: int) -> None:
    rows = questions_as_pairs(drawn(seed))
    right: dict[tuple[str, int], list[bool]] = {}
    for at, row in enumerate(rows):
        row["category"] = "abc"[at // 2 % 3]
        right.setdefault((row["category"], at // 2), []).append(row["prediction"] == row["reference"])
    per_category = score(rows).per_category.values()
    ours = sum(100 * (Fraction(each.image_accuracy) + Fraction(each.pair_accuracy)) for each in per_category)
    assert float(ours) == pytest.approx(float(mme(right)), abs=1e-10)


def test_chance() -> None:
    """A coin has a quarter of NaturalBench's questions right, as of our pairs, and a sixteenth of its groups."""
    generator = np.random.default_rng(0)
    answers: Answers = {at: int(generator.random() < 0.5) for at in product(range(4000), (0, 1), (0, 1))}
    theirs = naturalbench(answers)
    assert float(theirs["Q_Acc"]) == pytest.approx(0.25, abs=0.02)
    assert float(theirs["G_Acc"]) == pytest.approx(1 / 16, abs=0.02)
    assert score(questions_as_pairs(answers)).pair_accuracy == float(theirs["Q_Acc"])
    always_yes: Answers = dict.fromkeys(answers, 1)
    assert naturalbench(always_yes)["Q_Acc"] == score(questions_as_pairs(always_yes)).pair_accuracy == 0
