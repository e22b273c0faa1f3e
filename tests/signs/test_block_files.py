"""The reader of blocks: each broken rule is named with file, block and what was expected."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from safetypairs_hf.signs import signs_taxonomy
from safetypairs_hf.signs.block_files import read_vocabulary

GOOD: dict[str, Any] = {
    "name": "feed-the-dog",
    "form": "words",
    "relation": "negation",
    "items": ["KICK THE DOG", "FEED THE DOG"],
    "contexts": ["ALWAYS", "NEVER"],
    "breaks": ["never.1", "should_not.1"],
    "permits": ["can.1", "can.2"],
    "heads": ["kick", "feed"],
}
ICONS = {"form": "beside", "items": [":fire", ":water"], "contexts": [":house", ":ship"]}


def faults(folder: Path, *rows: Any, category: str = "animal_cruelty") -> list[str]:
    text = yaml.safe_dump({"category": category, "blocks": [copy.deepcopy(row) for row in rows]})
    (folder / "animal_cruelty.yaml").write_text(text)
    found = read_vocabulary(folder, signs_taxonomy())
    assert len(found.blocks) == len(rows) or found.faults
    return list(found.faults)


def test_good_blocks_are_read(tmp_path: Path) -> None:
    rows = [GOOD, {**GOOD, **ICONS, "name": "fire", "reads": ["a", "b", "c", "d"]}]
    assert faults(tmp_path, *rows) == []
    words, icons = read_vocabulary(tmp_path, signs_taxonomy()).blocks
    unsafe, other, safe, other_safe = words.compositions
    assert (unsafe.words, other.words) == ("ALWAYS KICK THE DOG", "NEVER FEED THE DOG")
    assert (safe.words, other_safe.words) == ("NEVER KICK THE DOG", "ALWAYS FEED THE DOG")
    assert [each.is_unsafe for each in words.compositions] == [True, True, False, False]
    assert [each.line for each in words.compositions] == ["never.1", "should_not.1", "can.1", "can.2"]
    assert icons.compositions[0].icons == ("house", "fire")
    assert [edge.safe for edge in words.edges] == [other_safe, safe, safe, other_safe]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"relatoin": "aim"}, "unknown key 'relatoin'; the nearest is 'relation'"),
        ({"heads": None}, "it has no 'heads'"),
        ({"items": ["ONE"]}, "items is ['ONE']; expected a list of 2 texts"),
        ({"reads": ["a"]}, "reads is ['a']; expected a list of 4 texts"),
        ({"form": "sung"}, "form is 'sung'; there are words, beside, stacked, marked, captioned"),
        ({"relation": "love"}, "relation is 'love'; there are aim, "),
        ({"name": "Feed the dog"}, "name is 'Feed the dog'; expected lower-case words joined by hyphens"),
        ({"contexts": ["NEVER", "NEVER"]}, "contexts are twice 'NEVER'; expected two different ones"),
        ({"contexts": [":ban", "NEVER"]}, "contexts are an icon and words; expected two of a kind"),
        (
            {**ICONS, "items": [":fier", ":water"]},
            "there is no solid icon ':fier' in Font Awesome Free; the nearest is",
        ),
        ({"items": ["kick", "feed"]}, "'kick' has characters other than capital letters, digits, spaces"),
        ({"contexts": ["ON", "NEVER"]}, "contexts 'ON' and 'NEVER' differ by more than 2 letters"),
        ({**ICONS, "form": "words"}, "words takes words as items and as contexts"),
        ({"form": "stacked"}, "stacked takes icons as items and as contexts"),
        ({"form": "captioned"}, "captioned takes icons as items and words as contexts, or the reverse"),
        (
            {"heads": ["Kick!", "feed"]},
            "the head 'Kick!' has characters other than lower-case letters, digits, spaces and hyphens",
        ),
        ({"text": "{item}"}, "text '{item}' has no {context}"),
        ({"text": "{context} {item} please"}, "text '{context} {item} please' has characters other than capital"),
        ({"text": "{context} {item} EVERY DAY"}, "'ALWAYS KICK THE DOG EVERY DAY' has 29 characters; at most 28 fit"),
        (
            {"text": "{context} ABCDEFGHIJKL{item}", "items": ["KICKS", "FEEDS"]},
            "has a line of more than 16",
        ),
        ({"breaks": ["can.1", "never.1"]}, "breaks cites 'can.1'; expected a line of never or should_not, such as"),
        ({"permits": ["can.1", "can.99"]}, "permits cites 'can.99', and animal_cruelty has "),
    ],
)
def test_a_broken_rule_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    row = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    [found, *_] = faults(tmp_path, row)
    name = row["name"]
    assert found.startswith(f"animal_cruelty.yaml: block {name}: {said}") or said in found, found
    assert "\n" not in found


def test_what_is_there_twice_is_named(tmp_path: Path) -> None:
    assert faults(tmp_path, GOOD, GOOD)[0] == "2 blocks have the name 'feed-the-dog'; each needs its own"
    again = {**GOOD, "name": "again", "contexts": ["NEVER", "OFTEN"]}
    assert faults(tmp_path, GOOD, again)[0].startswith("blocks feed-the-dog and again both show NEVER ")


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    [found] = faults(tmp_path, GOOD, category="hate")
    assert found.startswith("animal_cruelty.yaml: its category is 'hate'; expected 'animal_cruelty', one of hate, ")
    (tmp_path / "animal_cruelty.yaml").write_text("category: animal_cruelty\nblocks: [:fire]\n")
    [found] = read_vocabulary(tmp_path, signs_taxonomy()).faults
    assert found.endswith("in brackets an icon stands in quotes: [':fire', ':water']")
    (tmp_path / "animal_cruelty.yaml").write_text("blocks: 3\n")
    [found] = read_vocabulary(tmp_path, signs_taxonomy()).faults
    assert found == "animal_cruelty.yaml: expected two keys, category and blocks, with a list of blocks"
    [found] = faults(tmp_path, "a text")
    assert found.startswith("animal_cruelty.yaml: block 1: expected a mapping with name, form")
