"""What differs between two taxonomies, and which step of a version it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from safetypairs_hf import taxonomy
from safetypairs_hf.taxonomy.categories import Category, Taxonomy

ROAD = taxonomy.read(Path(__file__).parents[1] / "recipes" / "road.yaml")
FIRES, BLADES, LITTER = ROAD.categories


def road(*categories: Category, version: str = "2.0", id: str = "road") -> Taxonomy:
    return Taxonomy(id, version, categories)


@pytest.mark.parametrize(
    ("new", "step", "changes"),
    [
        (ROAD, "none", []),
        (road(FIRES, BLADES, LITTER, version="1.1"), "none", []),
        (
            road(replace(FIRES, name="Fire"), BLADES, LITTER),
            "minor",
            ["fires: name was 'Fires on the Road' and is 'Fire'"],
        ),
        (road(FIRES, BLADES, replace(LITTER, code="L")), "minor", ["litter: code was 'R3' and is 'L'"]),
        (road(FIRES, BLADES, replace(LITTER, maps_to="hate")), "minor", ["litter: maps_to was '' and is 'hate'"]),
        (
            road(FIRES, replace(BLADES, can=("a spoon",), never=("a sword",)), LITTER),
            "minor",
            ["blades: can lost 'a butter knife in a lunch box', got 'a spoon'", "blades: never got 'a sword'"],
        ),
        (road(FIRES, BLADES), "major", ["litter: removed"]),
        (road(FIRES, BLADES, LITTER, replace(LITTER, slug="noise")), "major", ["noise: added"]),
        (road(BLADES, FIRES, LITTER), "major", ["the order is now blades, fires, litter"]),
        (road(FIRES, BLADES, replace(LITTER, slug="rubbish")), "major", ["litter: removed", "rubbish: added"]),
        (road(FIRES, BLADES, LITTER, id="street"), "major", ["another taxonomy: road is now street"]),
    ],
)
def test_the_step(new: Taxonomy, step: str, changes: list[str]) -> None:
    found = taxonomy.diff(ROAD, new)
    assert (found.step, sorted(found.changes), found.fault) == (step, sorted(changes), "")
    assert found.to_dict()["step"] == step and (step in str(found) or step == "none")


@pytest.mark.parametrize("row", ["1.0 1.1 2.0", "0.9 1.1 2.0", "1.1 - 2.0", "1.0.1 - 2.0", "1.10 - 2.0", "2.0 - -"])
def test_the_version_of_a_taxonomy_goes_up(row: str) -> None:
    """The version that is given; the one that other words need, and the one that other categories need."""
    version, of_words, of_categories = row.replace("-", "").split(" ")
    words = taxonomy.diff(ROAD, road(FIRES, BLADES, replace(LITTER, name="Rubbish"), version=version))
    categories = taxonomy.diff(ROAD, road(FIRES, BLADES, version=version))
    for found, wanted in ((words, of_words), (categories, of_categories)):
        told = f"road@{version} follows road@1.0: give it version {wanted} or later"
        assert found.fault == (told if wanted else "")


def test_a_reader_sees_what_changed() -> None:
    found = taxonomy.diff(ROAD, road(FIRES, BLADES, replace(LITTER, name="Rubbish"), version="1.0"))
    assert str(found).splitlines() == [
        "road@1.0 to road@1.0:",
        "  litter: name was 'Litter' and is 'Rubbish'",
        "a minor version, for other words",
        "road@1.0 follows road@1.0: give it version 1.1 or later",
    ]
    assert str(taxonomy.diff(ROAD, ROAD)) == "road@1.0 to road@1.0: nothing differs"
