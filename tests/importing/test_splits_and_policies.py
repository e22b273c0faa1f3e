"""A source's own splits, groups and policies, and what judges say of its pairs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from own_pairs import encoded, files, ground, members, pairs_of

import safetypairs_hf as sp
from safetypairs_hf import taxonomy
from safetypairs_hf.building.run_reader import selected
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.near_duplicates import split_of
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.target_name import parse_place
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import store_of
from safetypairs_hf.importing.reading_plan import Said
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish


def row(number: int, **more: Any) -> dict[str, Any]:
    return dict(zip(("unsafe", "safe"), files(number), strict=True), id=str(number), **more)


def splits(run: Path) -> dict[str, str]:
    """Split by the id at the origin."""
    places = {each.entrant.identity.pair_id: each.split for each in selected(open_run(str(run)))}
    return {name: places[pair.identity.pair_id] for name, pair in pairs_of(run).items() if pair.identity}


def test_the_sources_split_is_kept_where_the_groups_allow_it(tmp_path: Path) -> None:
    stated = ["train", "test", "validation", "dev", "TEST", None]
    rows = [row(number, split=split) for number, split in enumerate(stated)]
    # The same scene as pair 0, a little darker: it looks like it, and goes where that is.
    rows.append(
        {"id": "like 0", "split": "test", "unsafe": encoded(members(0)[0] // 8 * 7), "safe": encoded(ground(90))}
    )
    done = sp.import_pairs(rows, tmp_path / "run", category="O6", said=Said(split_map={"dev": "test"}))
    found = splits(tmp_path / "run")
    pair = pairs_of(tmp_path / "run")["5"].identity
    assert pair
    assert found == {
        "0": "train",
        "1": "test",
        "2": "train",
        "3": "test",
        "4": "test",
        "5": split_of(pair.pair_id, 0.8),
        "like 0": "train",
    }
    assert done.moved == 1
    assert done.hints == ["1 pair lies in another split than in the source, because a group lies in one split"]
    assert done.splits == {"train": 3, "test": 4} if found["5"] == "test" else {"train": 4, "test": 3}


def test_the_sources_split_is_kept_in_a_version(tmp_path: Path) -> None:
    rows = [row(number, split="test" if number % 2 else "train") for number in range(4)]
    sp.import_pairs(rows, tmp_path / "run", category="O6")
    publish(open_run(str(tmp_path / "run")), parse_target(str(tmp_path / "set")), parse("1.0.0"))
    # Pair 2 is there in train; a source that has it in test adds the others of its own.
    more = [row(2, split="test"), row(8, split="test"), row(9, split="train")]
    sp.import_pairs(more, tmp_path / "more", category="O6")
    publish(open_run(str(tmp_path / "more")), parse_target(str(tmp_path / "set")), parse("1.1.0"))
    ids = {**pairs_of(tmp_path / "run"), **pairs_of(tmp_path / "more")}
    names = {pair.identity.pair_id: name for name, pair in ids.items() if pair.identity}
    edition = store_of(parse_place(str(tmp_path / "set"))).newest()
    assert edition is not None
    assert {names[each["pair_id"]]: each["split"] for each in edition.table.to_pylist()} == {
        "0": "train",
        "1": "test",
        "2": "train",
        "3": "test",
        "8": "test",
        "9": "train",
    }


def test_a_group_of_the_source_lies_in_one_split(tmp_path: Path) -> None:
    rows = [row(number, group="one" if number < 6 else "") for number in range(8)]
    sp.import_pairs(rows, tmp_path / "run", category="O6", test_fraction=0.5)
    groups = {each.group for each in selected(open_run(str(tmp_path / "run")))}
    assert len(groups) == 3


def test_a_pair_that_would_join_two_splits_is_left_out(tmp_path: Path) -> None:
    rows = [row(0, split="train", group="a"), row(1, split="test", group="b"), row(2, split="test", group="a")]
    rows.append({"id": "both", "group": "a", "unsafe": encoded(members(1)[0] // 8 * 7), "safe": files(3)[1]})
    done = sp.import_pairs(rows, tmp_path / "run", category="O6")
    assert done.rejected == {"bridges_two_splits": 1}
    assert splits(tmp_path / "run") == {"0": "train", "1": "test", "2": "train"}


def test_one_name_makes_no_splits(tmp_path: Path) -> None:
    """`datasets` calls what nobody divided train."""
    import datasets

    data = datasets.DatasetDict({"train": datasets.Dataset.from_list([row(number) for number in range(12)])})
    done = sp.import_pairs(data, tmp_path / "run", category="O6")
    assert done.splits["test"] > done.splits.get("train", 0)


POLICIES = ("L1: No weapons.\n- No guns.\n* No knives.", "L2: anything goes, but blood.", "")


def test_the_sources_own_policies_become_its_categories(tmp_path: Path) -> None:
    rows = [row(n, policy=POLICIES[n % 3], policy_name=("Test", "Strict & safe!", "x")[n % 3]) for n in range(6)]
    done = sp.import_pairs(rows, tmp_path / "run", name="lab set")
    made = taxonomy.read(tmp_path / "run" / "taxonomy.yaml")
    assert taxonomy.check(tmp_path / "run" / "taxonomy.yaml") == []
    assert made.name == "lab-set-policies@1.0"
    assert {each.slug: (each.name, each.scope, each.should_not) for each in made.categories} == {
        "policy_test": ("Test", "L1: No weapons.", ("No guns.", "No knives.")),
        "strict_safe": ("Strict & safe!", "L2: anything goes, but blood.", ("L2: anything goes, but blood.",)),
    }
    assert done.rejected == {"no_policy": 2}
    assert {name: pair.category for name, pair in pairs_of(tmp_path / "run").items()} == {
        "0": "policy_test",
        "3": "policy_test",
        "1": "strict_safe",
        "4": "strict_safe",
    }


def test_policies_without_a_name_of_their_own_are_known_by_their_text(tmp_path: Path) -> None:
    long = "Not this. " * 200
    rows = [
        row(0, policy="No guns.", policy_name="Same"),
        row(1, policy=long, policy_name="Same"),
        row(2, policy="Three"),
    ]
    sp.import_pairs(rows, tmp_path / "run")
    slugs = {f"policy_{hashlib.sha256(text.encode()).hexdigest()[:8]}" for text in ("No guns.", long.strip(), "Three")}
    made = taxonomy.read(tmp_path / "run" / "taxonomy.yaml")
    assert set(made.slugs) == slugs
    lines = {line for each in made.categories for line in (each.scope, *each.should_not)}
    assert max(map(len, lines)) <= 600


def test_more_than_fifty_texts_are_no_policies(tmp_path: Path) -> None:
    rows = [row(0, policy=f"Policy {number}") | {"id": str(number)} for number in range(51)]
    with pytest.raises(RecipeError, match="holds 51 distinct texts, and at most 50 become categories"):
        sp.import_pairs(rows, tmp_path / "run")


def test_a_taxonomy_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "id: mine\nversion: '1.0'\ncategories:\n"
        "- {slug: guns, name: Guns, scope: Guns., should_not: [Guns.], can: [Toys.]}\n"
        "- {slug: fire, name: Fire, scope: Fire., should_not: [Fire.], can: [Smoke.]}\n"
    )
    rows = [row(0, category="Guns"), row(1, category="blaze"), row(2, category="O6")]
    said = Said(category_map={"blaze": "fire"})
    done = sp.import_pairs(rows, tmp_path / "run", said=said, taxonomy=tmp_path / "mine.yaml")
    assert {name: pair.category for name, pair in pairs_of(tmp_path / "run").items()} == {"0": "guns", "1": "fire"}
    assert done.rejected == {"unknown_label": 1}


class Bright:
    """P(unsafe) is the mean of the blue channel."""

    name = "bright"

    def judge(self, images: Any, categories: Any, regions: Any) -> list[Verdict]:
        return [Verdict(float(image.pixels[..., 2].mean()) / 255) for image in images]


def shades(*pairs: tuple[int, int]) -> list[dict[str, Any]]:
    """Rows of grounds that are as blue as they say; each ground is another."""
    found = []
    for number, blues in enumerate(pairs):
        pictures = [ground(100 + number), ground(100 + number)]
        for pixels, blue in zip(pictures, blues, strict=True):
            pixels = pixels.copy()
            pixels[..., 2] = blue
            found.append(encoded(pixels))
    rows = zip(found[::2], found[1::2], strict=True)
    return [{"id": str(n), "unsafe": unsafe, "safe": safe} for n, (unsafe, safe) in enumerate(rows)]


def test_judges_reject_or_only_record(tmp_path: Path) -> None:
    rows = shades((204, 51), (51, 0), (204, 153), (0, 255))
    for mode, kept in (("reject", ["0"]), ("record", ["0", "1", "2", "3"])):
        done = sp.import_pairs(rows, tmp_path / mode, category="O6", judges=[Bright()], judging=mode)
        assert sorted(pairs_of(tmp_path / mode)) == kept
        assert (done.judged, done.inverted) == (4, 1)
        assert done.hints == []
    said = pairs_of(tmp_path / "record")["1"].judgements
    assert [tuple(each) for each in said] == [("bright", 0.2, 0.0)]


def test_a_hint_says_that_the_columns_may_be_swapped(tmp_path: Path) -> None:
    rows = shades((0, 204), (51, 204), (102, 255), (204, 51))
    done = sp.import_pairs(rows, tmp_path / "run", category="O6", judges=[Bright()])
    assert (done.pairs, done.judged, done.inverted) == (1, 4, 3)
    assert done.hints == [
        "the judges call 3 of 4 pairs inverted (the safe member more unsafe than the unsafe one): are the columns, or "
        "the labels, swapped?"
    ]
