"""The text of messages: counts with their nouns and verbs."""

from __future__ import annotations

import pytest

from safetypairs_hf.core.errors import counted, verb


@pytest.mark.parametrize(
    ("n", "noun", "said"),
    [
        (0, "pair", "0 pairs"),
        (1, "pair", "1 pair"),
        (2, "pair", "2 pairs"),
        (1200, "failed image", "1,200 failed images"),
        (1, "category", "1 category"),
        (2, "category", "2 categories"),
        (2, "policy pair", "2 policy pairs"),
        (2, "day", "2 days"),
        (1, "person", "1 person"),
        (3, "person", "3 people"),
    ],
)
def test_a_number_and_its_noun(n: int, noun: str, said: str) -> None:
    assert counted(n, noun) == said


def test_a_verb_agrees_with_the_number() -> None:
    verbs = ("is", "was", "has", "does", "stays", "lies")
    assert [verb(1, each) for each in verbs] == list(verbs)
    for n in (0, 2):
        assert [verb(n, each) for each in verbs] == ["are", "were", "have", "do", "stay", "lie"]
