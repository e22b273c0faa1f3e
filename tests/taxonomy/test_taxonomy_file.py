"""Reading a taxonomy: every fault is named, in a line of its own, and what is written is read again."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from safetypairs_hf import taxonomy
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_file import from_record, from_text, to_record, to_text

ROAD = (Path(__file__).parents[1] / "recipes" / "road.yaml").read_text()


def faults(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    found = taxonomy.check(file)
    assert all("\n" not in fault for fault in found)
    return found


def test_a_file_as_people_write_it(tmp_path: Path) -> None:
    assert faults(tmp_path, ROAD) == []
    road = taxonomy.read(tmp_path / "mine.yaml")
    assert (road.name, road.slugs) == ("road@1.0", ("fires", "blades", "litter"))
    assert [each.maps_to for each in road.categories] == ["disasters", "weapons_substances", ""]
    assert road.find("R1: anything").slug == road.find("fires on the road").slug == "fires"
    assert road.policy_id("litter", "sensitive") == "litter-sensitive@1.0"
    assert road.policy("blades") == (
        "Blades in the Car\nBlades that lie about in a car.\n\nAn image should not show:\n- a large knife on a seat\n\n"
        "An image can show:\n- a butter knife in a lunch box\n"
    )
    with pytest.raises(SafetyPairsError, match=r"no category 'liter'; the nearest is 'litter'; road@1\.0 has R1 fires"):
        road.find("liter")


def test_what_is_written_is_read_again() -> None:
    for made in (NINE, from_text(ROAD, "road")):
        assert from_text(to_text(made), "it") == made
        assert from_record(made.name, to_record(made)) == made
        assert yaml.safe_load(to_text(made)) == made.to_dict()
    assert to_record(NINE) is None and from_record(None, None) == NINE
    for name, record in (
        ("road@1.0", None),
        ("road@1.1", from_text(ROAD, "road").to_dict()),
        ("road@1.0", {"id": "x"}),
    ):
        with pytest.raises(ValueError, match="its taxonomy is"):
            from_record(name, record)


def test_values_are_the_text_that_stands_there(tmp_path: Path) -> None:
    assert faults(tmp_path, ROAD.replace("1.0", "1.10").replace("- a vehicle on fire", "- no")) == []
    road = taxonomy.read(tmp_path / "mine.yaml")
    assert (road.version, road.categories[0].should_not) == ("1.10", ("no",))


# What stands in ROAD and what stands there instead, and the fault that it is.
FAULTS = {
    ("id: road", "id: my road"): "id is 'my road'; expected letters, digits, '.', '_' and '-'",
    ("id: road\n", ""): "it has no 'id'",
    ("version: 1.0", "version: one"): "version is 'one'; expected two or three numbers such as 1.0",
    ("version: 1.0", "versoin: 1.0"): "it has an unknown key 'versoin'; the nearest is 'version'; there are id",
    ("slug: fires", "slug: Fires"): "category 1: slug is 'Fires'; expected lower-case letters, digits and '_'",
    ("slug: fires", "slug: train"): "train: slug is 'train', a reserved name of configs and splits; expected",
    ("slug: fires", "slug: litter"): "'litter' names the categories 1 and 3; each needs its own",
    ("code: R2", "code: r1"): "'R1' names the categories 1 and 2; each needs its own",
    ("name: Litter", "name: Blades"): "'blades' names the categories 2 and 3; each needs its own",
    ("name: Litter", "name: ''"): "litter: name is ''; expected some words",
    ("code: R2", "code: R 2"): "blades: code is 'R 2'; expected a short code such as 'O3'",
    ("maps_to: O9", "maps_to: disaster"): "fires: maps_to names no category 'disaster'; the nearest is 'disasters'",
    ("      - a full litter bin\n", ""): "litter: can is empty; a policy says what an image should not show",
    ("scope: Fire where", "scop: Fire where"): "fires has an unknown key 'scop'; the nearest is 'scope'",
    (
        "scope: Fire where people drive.",
        "scope: |\n      One.\n      Two.",
    ): "fires: scope is 'One.\\nTwo.\\n'; expected one",
    ("- a vehicle on fire", "- [a, b]"): "fires: should_not holds ['a', 'b']; expected a text",
    ("- a vehicle on fire", "- x\n      - x"): "fires: should_not holds 'x' twice",
    ("[plastic bag, crisp packet]", "[Плёнка]"): "litter: never_add holds 'Плёнка'; expected English words",
    ("  - slug: fires\n", "  - slug: fires\n    slug: fire\n"): "it, line 6, has the key 'slug' a second time",
    ("never: []", "never: &a []\n    can: *a"): "it uses an alias (*a); write the lines out",
    ("categories:", "categories: {"): "it, line 5, is no YAML: ",
}


@pytest.mark.parametrize(("change", "fault"), FAULTS.items())
def test_a_fault_is_named(tmp_path: Path, change: tuple[str, str], fault: str) -> None:
    assert change[0] in ROAD
    found = faults(tmp_path, ROAD.replace(*change, 1))
    assert [each for each in found if each.startswith(fault)], found
    with pytest.raises(
        SafetyPairsError, match=r"mine\.yaml is not a valid taxonomy: .*; see: safetypairs taxonomy check"
    ):
        taxonomy.read(tmp_path / "mine.yaml")


def test_all_faults_at_once(tmp_path: Path) -> None:
    text = ROAD.replace("maps_to: O9", "maps_to: fire").replace("slug: blades", "slug: bla des")
    assert len(faults(tmp_path, text.replace("version: 1.0", "version: 1"))) == 3
    with pytest.raises(SafetyPairsError, match="; and 1 more; see"):
        taxonomy.read(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    "text", ["", "a text", "[]", "id: x\nversion: 1.0\ncategories: []", "- 1", "\x00", "a: &a [*a]"]
)
def test_what_is_no_taxonomy_at_all(tmp_path: Path, text: str) -> None:
    assert len(faults(tmp_path, text)) == 1


def test_the_names_of_this_package_are_taken(tmp_path: Path) -> None:
    assert taxonomy.check("safetypairs@1.0") == [] and taxonomy.read("safetypairs@1.0") == NINE
    assert faults(tmp_path, to_text(NINE)) == []
    (fault,) = faults(tmp_path, to_text(NINE).replace("museum, a", "gallery, a"))
    assert fault.startswith("its name safetypairs@1.0 is that of a taxonomy in this package with other content")
    assert taxonomy.diff("safetypairs@1.0", tmp_path / "mine.yaml").step == "minor"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        SafetyPairsError, match=r"cannot read the taxonomy '.*x\.yaml': No such file or directory; give a"
    ):
        taxonomy.read(str(tmp_path / "x.yaml"))
    assert taxonomy.check(tmp_path) == ["it is a folder; give a file"]
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    assert "it is not UTF-8" in taxonomy.check(tmp_path / "latin.yaml")[0]
