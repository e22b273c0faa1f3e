"""Ordered levels as a score: against each level token by token, in what it wrote, and in a server's alternatives."""

from __future__ import annotations

import math
from typing import Any

import pytest
from small_guards import BOUND, asked, by_hand, judge, pictures, shares, small

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import Picture
from safetypairs_hf.guards.chat_vlm import Written
from safetypairs_hf.models.chat_server import Reply, Token

NAMES = ("safe core", "safe edge", "between", "unsafe edge", "unsafe core")


def expected(guard: Any, image: Picture, before: str, scores: list[float]) -> float:
    """The score of the levels by their probabilities, each token by token."""
    each = [by_hand(guard, image, "violence", before, name, NAMES) for name in NAMES]
    return sum(share * score for share, score in zip(each, scores, strict=True)) / sum(each)


def test_the_score_is_what_its_levels_let_expect() -> None:
    guard, images = small("safeatlas-guard"), pictures(3)
    found = judge(guard, images)
    assert found[0].p_unsafe == pytest.approx(expected(guard, images[0], "Safety: ", [0, 0.25, 0.5, 0.75, 1]), rel=1e-4)
    assert type(guard.loaded.model).__name__ == "Qwen3VLForConditionalGeneration" and len(set(shares(found))) == 3
    assert shares(judge(small("safeatlas-guard", batch_size="1"), images)) == pytest.approx(shares(found), abs=BOUND)
    text = ",".join(f"{name}={score}" for name, score in zip(NAMES, (0, 0, 0.1, 0.9, 1), strict=True))
    own = small("safeatlas-guard", levels=text)
    assert judge(own, images)[0].p_unsafe == pytest.approx(
        expected(own, images[0], "Safety: ", [0, 0, 0.1, 0.9, 1]), rel=1e-4
    )


def test_the_level_that_it_wrote_is_weighed_where_it_stands() -> None:
    guard, images = small("safeatlas-guard"), pictures(2)
    before = "<think>Red.</think>\n**Safety:** "
    written = [Written(f"{before}unsafe edge\nCategories: none", True), Written("Safety: I do not", False)]
    found = guard.weighed(asked(guard, images, "violence"), written)
    assert found[0].p_unsafe == pytest.approx(
        expected(guard, images[0], before, [0, 0.25, 0.5, 0.75, 1]), abs=BOUND, rel=1e-4
    )
    assert found[0].raw == written[0].text and found[1] == (None, "cut_off", "Safety: I do not")


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Safety: safe core\nCategories: none", 0.0),
        ("Safety: **Unsafe_Core**\nCategories: violence", 1.0),
        ("safety: between", 0.5),
        ("Safety: safe core\nSafety: unsafe core", None),
        ("Safety: safe corel", None),
        ("The safety is high", None),
    ],
)
def test_levels_as_they_are_written(text: str, score: float | None) -> None:
    verdict = small("safeatlas-guard").verdict_of(Reply(text, "", text))
    assert verdict.p_unsafe == score and verdict.note == ("" if score is not None else "no_verdict")


def test_a_server_tells_other_levels_where_they_part() -> None:
    """`safe` is common to two levels, so it tells neither; `edge` after it does."""
    tops = (
        [("Safety", 1.0)],
        [(":", 1.0)],
        [(" safe", 0.6), (" unsafe", 0.1), (" between", 0.2)],
        [(" core", 0.7), (" edge", 0.3)],
        [("\n", 1.0)],
    )
    tokens = tuple(
        Token(top[0][0].encode(), tuple((text, math.log(share)) for text, share in top), math.log(top[0][1]))
        for top in tops
    )
    reply = Reply("Safety: safe core\n", "", "Safety: safe core\n", tokens=tokens)
    found = small("safeatlas-guard").verdict_of(reply)
    mass = 0.6 * 0.7 + 0.6 * 0.3 + 0.2
    assert found.p_unsafe == pytest.approx((0.25 * 0.6 * 0.3 + 0.5 * 0.2) / mass)
    alone = reply._replace(tokens=tuple(token._replace(top=token.top[:1]) for token in tokens))
    assert small("safeatlas-guard").verdict_of(alone).p_unsafe == 0.0


@pytest.mark.parametrize("levels", ["", "one", "a,a", "a=0,b", "a=1,b=0", "a=0,b=2", "a=x,b=1", "a=0.5,b=0.5"])
def test_levels_that_cannot_be(levels: str) -> None:
    with pytest.raises(RecipeError, match=r"levels = .*: expected the names of its levels, as its card has them"):
        small("safeatlas-guard", levels=levels)


def test_it_is_not_forced_to_one_of_two() -> None:
    with pytest.raises(RecipeError, match="forced = 'choice': its verdict is a level"):
        small("safeatlas-guard", url="http://127.0.0.1:9/v1", forced="choice")
    assert 0 < (judge(small("safeatlas-guard", fidelity="common"), pictures(1))[0].p_unsafe or 0) < 1
