"""What becomes of a pair by its votes, and the figures of a review, on decisions that are counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from decided import decided, listed
from hypothesis import given, settings
from hypothesis import strategies as st

from safetypairs_hf.dataset.reviews import Said
from safetypairs_hf.metric.inference import wilson
from safetypairs_hf.reviewing.pair_status import agreement_of, pseudonyms, reject_reason, review_pairs, status_of
from safetypairs_hf.reviewing.raters import cohen_kappa
from safetypairs_hf.reviewing.review_figures import review_figures

A, B, C, D = (letter * 16 for letter in "abcd")


@pytest.mark.parametrize(
    ("votes", "status", "agreement"),
    [
        ("", "unreviewed", None),
        ("a", "accepted", None),
        ("r", "rejected", None),
        ("b", "borderline", None),
        ("aa", "accepted", 1.0),
        ("ar", "disputed", 0.0),
        ("aar", "accepted", 1 / 3),
        ("abr", "disputed", 0.0),
        ("aarr", "disputed", 1 / 3),
        ("rrrb", "rejected", 1 / 2),
    ],
)
def test_more_than_half_of_the_votes_make_a_status(votes: str, status: str, agreement: float | None) -> None:
    names = {"a": "accept", "r": "reject", "b": "borderline"}
    said = [names[vote] for vote in votes]
    assert status_of(said) == status
    assert agreement_of(said) == (None if agreement is None else pytest.approx(agreement))


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["accept", "reject", "borderline"]), min_size=2, max_size=7))
def test_agreement_is_the_share_of_pairs_of_reviewers_who_decided_alike(votes: list[str]) -> None:
    pairs = [(one, two) for place, one in enumerate(votes) for two in votes[:place]]
    assert agreement_of(votes) == pytest.approx(sum(one == two for one, two in pairs) / len(pairs))


def test_a_review_names_people_by_who_decided_first_and_never_by_name() -> None:
    made = [
        decided(A, "anna", "accept", time="2026-11-29T03:00:00+00:00"),
        decided(A, "zoe", "reject", "both", reason=" still\n unsafe ", time="2026-11-29T02:00:00+00:00"),
        decided(A, "bert", "skip", None),
        decided(B, "anna", "accept"),
        decided(B, "anna", "undo", None),
        decided(C, "bert", "reject", "safe", reason="artefact"),
        decided(C, "anna", "reject", None, reason="wrong_category"),
        decided(C, "zoe", "accept", None),
    ]
    assert pseudonyms(made) == {"anna": "R1", "bert": "R2", "zoe": "R3"}  # the first two by name: at the same moment
    found = review_pairs(made)
    assert list(found) == [A, C]
    assert found[A].decisions == (Said("R1", "accept", "", "unsafe"), Said("R3", "reject", "still unsafe", "both"))
    assert found[A].cell() == {"status": "disputed", "reviewers": 2, "agreement": 0.0}
    assert found[C].status == "rejected"
    assert reject_reason(found[C]) == "artefact"


def test_the_figures_of_a_small_review() -> None:
    pairs = [
        listed(A, "g1", (0.9, 0.1), (0.9, None)),
        listed(B, "g1", (0.9, 0.6), (0.2, 0.1)),
        listed(C, "g2", (0.4, 0.6), (0.9, 0.1), category="violence"),
        listed(D, "g3", (0.4, 0.4), (0.9, 0.1), category="violence"),
    ]
    made = [
        decided(A, "anna", "accept", "unsafe", seconds=1.0),
        decided(B, "anna", "reject", "both", seconds=2.0),
        decided(C, "anna", "accept", "unsafe", seconds=3.0),
        decided(A, "bert", "accept", "safe", seconds=4.0, time="2026-11-29T03:00:00+00:00"),
        decided(B, "bert", "accept", "both", seconds=5.0),
        decided(C, "bert", "accept", "neither", seconds=6.0),
        decided("f" * 16, "bert", "reject", "safe"),  # of another run
    ]
    found = review_figures(made, pairs)
    assert (found.reviewers, found.pairs) == (2, 3)
    assert found.statuses == {"accepted": 2, "rejected": 0, "borderline": 0, "disputed": 1, "unreviewed": 1}
    # D_o: one pair of four ratings apart, 2 of ordered ones; of values 5 accept, 1 reject: D_e = (36 - 26) / 5 = 2.
    assert found.decided.alpha.value == pytest.approx(1 - 2 / 2)
    # P = 2/3, P_e = (25 + 1) / 36.
    assert found.decided.fleiss.value == pytest.approx((2 / 3 - 26 / 36) / (1 - 26 / 36))
    assert [(a, b, kappa.items) for a, b, kappa in found.cohen] == [("R1", "R2", 3)]
    assert found.cohen[0][2].value == pytest.approx(0.0)
    assert found.named_unsafe[::3] == (pytest.approx(2 / 6), 6)
    assert found.named_unsafe.low is not None
    assert found.named_unsafe.low < wilson(2 / 6, 6)[0]  # the answers on a group are not independent
    assert found.seconds == (2.25, 3.5, 4.75)
    first, second = found.judges
    # judge0 says: A unsafe, B both, C safe; people: A unsafe, safe; B both, both; C unsafe, neither.
    assert (first[0], first[1].value, first[1].items) == ("judge0", pytest.approx(3 / 6), 6)
    people, judge = np.array([0, 1, 2, 2, 0, 3]), np.array([0, 0, 2, 2, 1, 1])
    assert first[2] == cohen_kappa(people, judge, 4, ["g1"] * 4 + ["g2"] * 2)
    # judge1 abstains on A, says of B neither and of C unsafe.
    assert (second[0], second[1].value, second[1].items) == ("judge1", pytest.approx(1 / 4), 4)
    assert {slug: each["pairs"] for slug, each in found.by_category.items()} == {"hate": 2, "violence": 1}
    assert found.by_category["violence"]["named_unsafe"][::3] == (0.5, 2)
    assert [(each["reviewer"], each["accept"], each["reject"], each["seconds"]) for each in found.people] == [
        ("R1", 2, 1, 2.0),
        ("R2", 3, 0, 5.0),
    ]
    values = json.loads(json.dumps(found.to_dict()))
    assert values["pairs"] == 3
    assert values["cohen"][0]["kappa"]["items"] == 3
    assert "anna" not in json.dumps(values)
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    assert "anna" not in text
    assert "Cohen's kappa R1, R2" in text


def test_a_review_without_decisions_has_figures_of_nothing() -> None:
    found = review_figures([], [listed(A, "g1", (0.9, 0.1))])
    assert (found.pairs, found.seconds, list(found.judges), found.cohen) == (0, None, [], [])
    assert found.named_unsafe == (None, None, None, 0)
    assert "nothing to compare" in str(found)
    json.dumps(found.to_dict())
