"""Descriptions of values: what each kind becomes, and what is refused."""

from __future__ import annotations

import functools
import hashlib
import json
import random
import threading
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import RecipeError

SOURCE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


class Colour(Enum):
    RED = "r"


@dataclass(frozen=True)
class Point:
    x: int
    y: tuple[float, ...] = (0.5,)
    cache: list[int] = field(default_factory=list, compare=False)


class Holder:
    """All that it has is public."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Named(Holder):
    name = "named"

    @cached_property
    def heavy(self) -> object:
        return object()


class Slotted:
    __slots__ = ("_hidden", "shown")
    revision = "2"

    def __init__(self) -> None:
        self.shown, self._hidden = 1, object()


def scaled(factor: float) -> Any:
    def scale(value: float, least: float = 0.0) -> float:
        return max(least, factor * value)

    return scale


@pytest.mark.parametrize(
    ("value", "described"),
    [
        (None, None),
        ((1, "a", [True]), [1, "a", [True]]),
        ({"a": Path("x") / "y", 2: Colour.RED}, {"a": "x/y", "2": "Colour.RED"}),
        ({"b", "a", "c"}, ["a", "b", "c"]),
        (frozenset({(2, "x"), (1, "y")}), [[1, "y"], [2, "x"]]),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array(7), 7),
        (b"ab", "b'ab'"),
        (Decimal("1.50"), "1.50"),
        (date(2026, 1, 2), "2026-01-02"),
        (np.dtype("uint8"), "uint8"),
        (Point(1), {"class": "Point", "x": 1, "y": [0.5]}),
        (Holder(b=Point(2), a=[1]), {"class": "Holder", "a": [1], "b": {"class": "Point", "x": 2, "y": [0.5]}}),
        (Named(z=1, _client=object()), {"class": "Named", "name": "named", "z": 1}),
        (Slotted(), {"class": "Slotted", "revision": "2", "shown": 1}),
        (Point, {"type": "Point", "source": SOURCE}),
        (int, {"type": "int", "module": "builtins"}),
        (len, {"function": "builtins.len"}),
        (scaled, {"function": "scaled", "source": SOURCE}),
        (
            scaled(2.0),
            {
                "function": "scaled.<locals>.scale",
                "source": SOURCE,
                "defaults": [0.0],
                "closure": {"factor": 2.0},
            },
        ),
        (
            functools.partial(scaled, factor=3),
            {"partial": {"function": "scaled", "source": SOURCE}, "args": [], "keywords": {"factor": 3}},
        ),
        (Named(z=1).__getattribute__("__class__"), {"type": "Named", "source": SOURCE}),
    ],
)
def test_what_each_kind_becomes(value: Any, described: Any) -> None:
    assert describe(value) == described
    assert json.loads(json.dumps(describe(value))) == json.loads(json.dumps(described))


def test_what_was_cached_is_no_attribute() -> None:
    named = Named(z=1)
    before = describe(named)
    _ = named.heavy
    assert describe(named) == before


def test_arrays_are_told_apart_by_their_values() -> None:
    one, other = describe(np.zeros((2, 3))), describe(np.full((2, 3), 1e-9))
    assert {**one, "sha256": ""} == {"class": "ndarray", "dtype": "float64", "shape": [2, 3], "sha256": ""}
    assert one["sha256"] == hashlib.sha256(bytes(48)).hexdigest() != other["sha256"]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (object(), "object is an object, "),
        (Named(client=object()), "Named.client is an object, "),
        (Point(1, (Holder(lock=threading.Lock()),)), r"Point.y\[0\].lock is a lock, "),  # type: ignore[arg-type]
        (Named(items={"a": (value for value in ())}), r"Named.items\['a'\] is a generator, "),
        (Named(dice=random.Random(0)), "Named.dice is a Random, "),
        (Named(helper=Holder(_hidden=1)), "Named.helper is a Holder, "),
        (Named(append=[].append), "Named.append is a builtin_function_or_method, "),
        (Named(array=np.array([object()])), "Named.array is a ndarray, "),
        (Named(keys={object(): 1}), "a key of Named.keys is an object, "),
    ],
)
def test_what_has_no_stable_description(value: Any, where: str) -> None:
    with pytest.raises(RecipeError, match=f"^{where}which has no description that is the same in every process; give"):
        describe(value)


def test_a_function_that_no_file_defines() -> None:
    typed: dict[str, Any] = {}
    exec("def guard(image): return 0.5", typed)
    unknown = "no file defines the function {}, so a run cannot tell whether it has changed; "
    with pytest.raises(RecipeError) as caught:
        describe(typed["guard"])
    assert str(caught.value) == unknown.format("guard") + (
        "save it in a file, or give it a revision, a text that you change with it: guard.revision = '1'"
    )
    with pytest.raises(RecipeError) as caught:
        describe(Named(typed=eval("lambda: 0")))
    assert str(caught.value) == (
        f"Named.typed: {unknown.format('<lambda>')}write it as a function with `def` in a file"
    )
    typed["guard"].revision = "1"
    assert describe(typed["guard"]) == {"function": "guard", "revision": "1"}


def test_an_object_that_holds_itself() -> None:
    named = Named()
    named.me = [named]  # type: ignore[attr-defined]
    with pytest.raises(RecipeError, match=r"^Named\.me\[0\] is a Named, which has no description"):
        describe(named)
