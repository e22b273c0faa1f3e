"""What there is, with its settings: names, defaults and texts are those of the code that takes them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

import safetypairs_hf as sp
from safetypairs_hf.building.recipe import find_recipe, recipe_names
from safetypairs_hf.building.recipe_offers import recipe_offer
from safetypairs_hf.core.nearest import nearest
from safetypairs_hf.core.offer import WIDTH, Offer, OfferList, Setting, folded, settings_of
from safetypairs_hf.core.settings import as_text, parameters_of, read_setting
from safetypairs_hf.core.tables import text_html
from safetypairs_hf.editors.catalogue import EDITORS, editor_offer, make_editor
from safetypairs_hf.guards.catalogue import GUARDS, guard_offer, guard_settings, make_guard


@dataclass
class Base:
    """A base.

    Args:
        model: a folder,
            or an id.
    """

    model: str


@dataclass
class Taker(Base):
    """It takes. `steps`: how many
    there are. `where`: "here".

    Args:
        sizes, ways: what
            both are.

    Raises:
        ValueError: never.
    """

    steps: int = 4
    where: str | None = None
    sizes: tuple[int, ...] = (9, 18)
    ways: Literal["one", "two"] = "one"
    on: bool = False


def test_settings_are_those_of_the_code() -> None:
    assert settings_of(Taker, steps=8) == (
        Setting("model", "text", "", True, "a folder, or an id."),
        Setting("steps", "a whole number", "8", False, "how many there are."),
        Setting("where", "text or none", "", False, '"here".'),
        Setting("sizes", "values with commas between them, each a whole number", "9,18", False, "what both are."),
        Setting("ways", "one or two", "one", False, "what both are."),
        Setting("on", "true or false", "false", False, ""),
    )


@pytest.mark.parametrize(("value", "kind"), [(None, str | None), (True, bool), ((1, 2), tuple[int, ...]), (0.5, float)])
def test_a_value_as_text_is_read_back(value: object, kind: object) -> None:
    assert read_setting("key", as_text(value), kind) == value


@pytest.mark.parametrize(
    "offer", [*sp.list_guards(), *sp.list_editors(), *sp.list_recipes()], ids=lambda each: each.name
)
def test_what_is_shown_fits_and_its_example_names_settings_that_there_are(offer: Offer) -> None:
    shown = str(offer)
    words = [line for line in shown.splitlines() if len(line) > WIDTH]
    assert not [line for line in words if len(max(line.split(), key=len)) < WIDTH - 10], shown
    assert "license" in offer.facts or offer.name in recipe_names()
    assert offer.about and not offer.about.endswith(".")
    of_recipe = offer.name in EDITORS and offer.name not in recipe_names()
    names = {each.name for each in (recipe_offer("klein") if offer.name in EDITORS else offer).settings}
    names |= {each.name for each in offer.settings}
    for command in offer.example.splitlines():
        asked = [
            word.partition("=")[0]
            for before, word in zip(shlex.split(command), shlex.split(command)[1:], strict=False)
            if before == "--set"
        ]
        assert set(asked) <= names, command
        assert of_recipe or offer.name in EDITORS or offer.name in command


def test_every_guard_is_shown_with_its_settings() -> None:
    for name in GUARDS:
        assert [each.name for each in guard_offer(name).settings] == guard_settings(name)
    assert next(each for each in guard_offer("qwenguard").settings if each.name == "model").default.startswith(
        "AIML-TUDA/Qwen"
    )


def test_every_editor_and_recipe_is_shown_with_its_settings() -> None:
    assert [each.name for each in sp.list_editors()] == list(EDITORS)
    steps = {each.name: each.default for each in editor_offer("klein").settings}
    assert (steps["steps"], steps["guidance"]) == ("4", "1.0")
    assert [each.name for each in sp.list_recipes()] == recipe_names()
    for name in recipe_names():
        takes = [each for each in parameters_of(find_recipe(name)[1]) if each != "taxonomy"]
        assert [each.name for each in recipe_offer(name).settings] == takes
    assert recipe_offer("icons").facts["cost"].startswith("about 30 pairs a second")


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    head = '"""Mine, for a test.\n\nCost:  little.\n"""\n'
    file.write_text(head + 'def recipe(pairs: int = 3) -> None:\n    """`pairs`: so many."""\n')
    offer = recipe_offer(str(file))
    assert (offer.name, offer.about, offer.facts) == ("mine", "Mine, for a test", {"cost": "little."})
    assert offer.settings == (Setting("pairs", "a whole number", "3", False, "so many."),)
    assert offer.example == f"safetypairs build {file} --out RUN"


def test_long_commands_are_broken_before_an_option() -> None:
    long = "safetypairs evaluate x " + " ".join(f"--set number{each}=value" for each in range(5))
    lines = folded(f"short\n{long}").splitlines()
    assert lines[0] == "short"
    assert all(len(line) <= WIDTH for line in lines)
    assert shlex.split(" ".join(line.removesuffix("\\") for line in lines[1:])) == shlex.split(long)
    assert all(line.endswith(" \\") for line in lines[1:-1])


def test_a_list_has_a_line_for_each() -> None:
    offers = OfferList((Offer("a", "first", {}, (), ""), Offer("longer", "second", {}, (), "")))
    assert str(offers) == repr(offers) == "a       first\nlonger  second"
    assert offers._repr_html_() == text_html(str(offers)) and str(OfferList(())) == ""
    assert len(offers) == 2 and [each.name for each in offers] == ["a", "longer"] and offers[-1].about == "second"


@pytest.mark.parametrize("every", [sp.list_guards, sp.list_editors, sp.list_recipes, sp.layouts])
def test_what_there_is_prints_as_a_table(every: Callable[[], Sequence[Any]]) -> None:
    lines = str(every()).splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [each.name for each in every()]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("cc", "colour-and-clutter"), ("llavagard", "llavaguard"), ("ksi", "knows-some-items"), ("zzz", None)],
)
def test_the_nearest_name(typed: str, meant: str | None) -> None:
    assert nearest(typed, GUARDS) == meant


def test_a_guard_by_its_name_takes_python_values() -> None:
    assert sp.guard("knows-some-items", share=0.25) == make_guard("knows-some-items", {"share": "0.25"})
    with pytest.raises(sp.SafetyPairsError, match="no setting 'shear'; the nearest is 'share'"):
        sp.guard("knows-some-items", shear=1)


@pytest.mark.parametrize("name", ["shieldgemma", "llama-guard-4", "chat-vlm", "generated", "head", "clip", "siglip"])
def test_a_model_folder_in_the_home_folder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    for given, meant in (("~/model", "/somewhere/model"), ("./model", "./model"), ("org/model", "org/model")):
        assert vars(sp.guard(name, model=given))["model"] == meant


@pytest.mark.parametrize("name", EDITORS)
def test_the_folder_of_an_editor_in_the_home_folder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert make_editor(name, model="~/model").model == "/somewhere/model"
