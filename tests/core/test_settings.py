"""Settings as text: each kind of annotation, and the line for a wrong one."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Optional

import pytest

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.settings import check_names, parameters_of, read_setting


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("3", int, 3),
        ("1e-3", float, 0.001),
        ("True", bool, True),
        ("none", str, "none"),
        ("None", str | None, None),
        ("x", Optional[str], "x"),  # noqa: UP045
        ("none", int | None, None),
        ("4", int | None, 4),
        ("4", int | float, 4),
        ("4.5", int | float | None, 4.5),
        ("false", bool | None, False),
        ("ray", Literal["local", "ray"], "ray"),
        ("2", Literal[1, 2] | None, 2),
        ("a,b", tuple[str, ...], ("a", "b")),
        ("9,18", tuple[int, ...], (9, 18)),
        ("", tuple[int, ...], ()),
        ("a/b", Path, Path("a/b")),
        ("x", Any, "x"),
        ("x", inspect.Parameter.empty, "x"),
    ],
)
def test_a_text_is_read_by_its_annotation(text: str, annotation: Any, value: Any) -> None:
    found = read_setting("key", text, annotation)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "annotation", "message"),
    [
        ("many", int, "key=many: expected an int"),
        ("1.5", int | None, "key=1.5: expected an int"),
        ("long", float, "key=long: expected a float"),
        ("1", bool, "key=1: expected true or false"),
        ("slurm", Literal["local", "ray"], "key=slurm: expected one of local, ray"),
        ("9,x", tuple[int, ...], "key=9,x: expected int values with commas between them"),
        ("x", list[int], "key=x: a list[int] cannot be given as text"),
    ],
)
def test_a_text_that_is_no_such_value(text: str, annotation: Any, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_setting("key", text, annotation)
    assert str(caught.value) == message


@dataclass
class Settings:
    steps: int
    model: str | None = None


def test_what_a_function_or_a_dataclass_takes() -> None:
    assert parameters_of(Settings) == {"steps": int, "model": str | None}
    assert list(parameters_of(test_a_text_is_read_by_its_annotation)) == ["text", "annotation", "value"]

    def unreadable(steps: NotImported) -> None:  # type: ignore[name-defined]  # noqa: F821
        pass

    with pytest.raises(RecipeError, match=r"the annotations of .*unreadable cannot be read: name 'NotImported' is not"):
        parameters_of(unreadable)


def test_an_unknown_name_has_the_nearest() -> None:
    check_names({"steps": "1"}, parameters_of(Settings), "recipe 'x'")
    with pytest.raises(RecipeError) as caught:
        check_names(["stpes"], parameters_of(Settings), "recipe 'x'")
    assert str(caught.value) == "recipe 'x' has no setting 'stpes'; the nearest is 'steps'; it takes steps, model"
    with pytest.raises(RecipeError, match="guard 'y' has no setting 'zzz'; it takes none"):
        check_names(["zzz"], [], "guard 'y'")
