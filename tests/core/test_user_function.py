"""How a plain function is called, by the names of its parameters; and which functions are refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from safetypairs_hf.core.errors import RecipeError, UserCodeError
from safetypairs_hf.core.user_function import kind_of, name_of, revision_of, user_function

OFFERS = ("image", "category", "policy", "region")
ITEMS: dict[str, Callable[[int], Any]] = {
    "image": lambda number: f"i{number}",
    "category": lambda number: f"c{number}",
    "policy": lambda number: f"p{number}",
    "region": lambda number: None,
}


def text(answer: Any) -> str:
    if not isinstance(answer, str):
        raise TypeError("no text")
    return answer


class Called:
    def __call__(self, image: str, policy: str) -> str:
        return f"{image} {policy}"


def both(image: str, category: str = "own") -> str:
    return f"{image} {category}"


@functools.wraps(both)
def wrapped(*args: Any, **kwargs: Any) -> str:
    return both(*args, **kwargs)


@pytest.mark.parametrize(
    ("function", "answers"),
    [
        (lambda image: image, ["i0", "i1"]),
        (lambda x: x, ["i0", "i1"]),
        (lambda image, category: image + category, ["i0c0", "i1c1"]),
        (lambda x, y: x + y, ["i0c0", "i1c1"]),
        (lambda image, policy: image + policy, ["i0p0", "i1p1"]),
        (lambda image, at=0.5: f"{image} {at}", ["i0 0.5", "i1 0.5"]),
        (lambda image, *, policy, category: f"{policy} {category}", ["p0 c0", "p1 c1"]),
        (lambda image, slug, region: f"{slug} {region}", ["c0 None", "c1 None"]),
        (lambda image, *rest, **more: f"{rest} {more}", ["() {}", "() {}"]),
        (lambda images: images[::-1], ["i1", "i0"]),
        (lambda images, categories: [a + b for a, b in zip(images, categories, strict=True)], ["i0c0", "i1c1"]),
        (lambda images, policies: (a + b for a, b in zip(images, policies, strict=True)), ["i0p0", "i1p1"]),
        (both, ["i0 c0", "i1 c1"]),
        (wrapped, ["i0 c0", "i1 c1"]),
        (functools.partial(both, category="bound"), ["i0 bound", "i1 bound"]),
        (Called(), ["i0 p0", "i1 p1"]),
        (Called().__call__, ["i0 p0", "i1 p1"]),
        (str.upper, ["I0", "I1"]),
    ],
)
def test_what_a_function_is_given(function: Callable[..., Any], answers: list[str]) -> None:
    assert user_function(function, OFFERS).ask(ITEMS, ["a", "b"], text, "a text") == answers


def test_lists_by_a_setting() -> None:
    assert user_function(lambda pictures: pictures, OFFERS, True).ask(ITEMS, ["a"], text, "a text") == ["i0"]
    assert user_function(lambda images: images, OFFERS, False).ask(ITEMS, ["a"], text, "a text") == ["i0"]
    assert user_function(lambda images: 1 / 0, OFFERS).ask(ITEMS, [], text, "a text") == []


async def later(image: str) -> float:
    return 0.5


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: 1, r"its parameters are \(\); expected \(image\), \(image, category\)"),
        (lambda *args, **kwargs: 1, r"its parameters are \(\*args, \*\*kwargs\); expected \(image\), "),
        (lambda image, category, model: 1, "it needs 'model', which it is not given"),
        (lambda image, *, model: 1, "it needs 'model', which it is not given"),
        (lambda image, x, category: 1, "it needs 'x', which it is not given"),
        (lambda image, policy, x: 1, "it needs 'x', which it is not given"),
        (lambda category, image: 1, "its first parameter is 'category'"),
        (lambda image, categories: 1, "do not say whether it takes one image or lists"),
        (lambda images, category: 1, "do not say whether it takes one image or lists"),
        (lambda image, category, /: 1, "leave out the /"),
        (later, "it is async; expected a plain function"),
        (Called, "Called is a class; expected a function, or an object that can be called"),
    ],
)
def test_functions_that_are_refused(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        user_function(function, OFFERS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda image: 1 / 0, r"line \d+: ZeroDivisionError: division by zero; it was asked about a$"),
        (lambda image: exit(2), r"it called sys.exit\(2\); it was asked about a$"),
        (lambda image: 7, "it returned an int, 7; it was asked about a; expected a text$"),
        (lambda images: 7, "it returned an int, 7; it was asked about 2 images, the first of them a; expected a list"),
        (lambda images: "ab", "it returned a str, 'ab'; .*; expected a list"),
        (lambda images: {"a": 1, "b": 2}, "it returned a dict, {'a': 1, 'b': 2}; .*; expected a list"),
        (lambda images: ["x"], "it returned 1 answer; it was asked about 2 images, the first of them a; expected one"),
        (lambda images: ["x", None], "it returned None; it was asked about b; expected a text$"),
        (lambda images: (1 / 0 for _ in images), "ZeroDivisionError: division by zero; it was asked about 2 images"),
    ],
)
def test_what_goes_wrong_in_one(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(UserCodeError, match=said) as caught:
        user_function(function, OFFERS).ask(ITEMS, ["a", "b"], text, "a text")
    assert "test_user_function.py, line " in str(caught.value) and "\n" not in str(caught.value)


def test_names_revisions_and_kinds() -> None:
    assert [name_of(each) for each in (both, wrapped, functools.partial(both), Called())] == [
        "both",
        "both",
        "both",
        "Called",
    ]
    assert revision_of(both) == revision_of(both) != revision_of(wrapped) and len(revision_of(both)) == 16
    assert [kind_of(None), kind_of(object()), kind_of([0.5])] == ["None", "an object", "a list, [0.5]"]
    assert kind_of("x" * 999).startswith("a str, 'xxxxx") and len(kind_of("x" * 999)) < 60
    with pytest.raises(RecipeError, match="no description that is the same in every process"):
        revision_of(functools.partial(both, object()))
