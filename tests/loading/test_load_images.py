from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import datasets
import pytest
from published import publish, square

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.loading.images import images
from safetypairs_hf.loading.load import load

COLUMNS = ["pair_id", "image", "reference", "category", "group"]


@pytest.fixture
def pairs(tmp_path: Path) -> datasets.Dataset:
    publish(tmp_path / "pairs", "1.1.0")
    return load("./pairs", split="test", cache_dir=tmp_path)


def facts(rows: Any) -> list[tuple[Any, ...]]:
    """Of each row: pair, reference, category, and the pixel, whose green tells the member and red the pair's number."""
    return [(row["pair_id"], row["reference"], row["category"], row["image"].getpixel((0, 0))) for row in rows]


def test_two_rows_a_pair_adjacent_with_the_right_image(pairs: datasets.Dataset) -> None:
    found = images(pairs)
    assert found.column_names == COLUMNS
    assert isinstance(found.features["image"], datasets.Image)
    rows = facts(found)
    assert [rows[i][0] for i in range(0, 14, 2)] == [rows[i][0] for i in range(1, 14, 2)] == pairs["pair_id"][:]
    assert sorted(row[1:] for row in rows) == sorted(
        (reference, category, (number, 255 * reference, 0))
        for category, count in (("hate", 3), ("violence", 4))
        for number in range(count)
        for reference in (0, 1)
    )
    assert {rows[i][1] for i in range(0, 14, 2)} == {0, 1}  # position does not tell the member
    assert found["group"][:] == found["pair_id"][:]


def test_images_are_the_same_bytes(pairs: datasets.Dataset) -> None:
    raw = images(
        pairs.cast_column("unsafe_image", datasets.Image(decode=False)).cast_column(
            "safe_image", datasets.Image(decode=False)
        )
    )
    first = [row for row in raw if row["pair_id"] == pairs[2]["pair_id"]]
    assert {row["reference"]: row["image"]["bytes"] for row in first} == {1: square(2, 255), 0: square(2, 0)}


def test_a_selection_shows_no_bar(pairs: datasets.Dataset, capfd: pytest.CaptureFixture[str]) -> None:
    was_off = datasets.are_progress_bars_disabled()
    datasets.enable_progress_bars()
    try:
        list(pairs.select([3, 1]).map(lambda row: row, keep_in_memory=True))
        assert "2/2" in capfd.readouterr().err  # they are on
        assert len(images(pairs.select([3, 1]))) == 4
        assert (capfd.readouterr().err, datasets.are_progress_bars_disabled()) == ("", False)
    finally:
        if was_off:
            datasets.disable_progress_bars()


def test_order_of_a_pair_does_not_depend_on_the_order_of_pairs(pairs: datasets.Dataset) -> None:
    turned = images(pairs.select([6, 2, 0]))
    rows = facts(images(pairs))
    assert facts(turned) == [row for number in (6, 2, 0) for row in rows[2 * number : 2 * number + 2]]


def test_streams_and_dicts_come_back_as_what_they_were(tmp_path: Path, pairs: datasets.Dataset) -> None:
    stream = load("./pairs", split="test", streaming=True)
    assert isinstance(images(stream), datasets.IterableDataset)
    assert facts(images(stream)) == facts(images(pairs))
    assert list(images(stream).features) == COLUMNS
    both = images(load("./pairs", cache_dir=tmp_path))
    assert isinstance(both, datasets.DatasetDict)
    assert {split: len(rows) for split, rows in both.items()} == {"test": 14, "train": 2}
    streams = images(load("./pairs", streaming=True))
    assert isinstance(streams, datasets.IterableDatasetDict)
    assert facts(streams["train"]) == facts(both["train"])


def test_nothing_in_nothing_out(pairs: datasets.Dataset) -> None:
    assert images(pairs.select([])).column_names == COLUMNS
    assert len(images(pairs.select([]))) == 0


def test_formatted_rows_of_few_columns(pairs: datasets.Dataset) -> None:
    slim = pairs.remove_columns(["judges", "introduced"]).with_format("numpy")
    assert facts(images(slim)) == facts(images(pairs))


def test_what_is_no_pair_dataset(pairs: datasets.Dataset) -> None:
    with pytest.raises(
        SafetyPairsError, match="no column safe_image, group; images takes a published dataset of pairs"
    ):
        images(pairs.remove_columns(["safe_image", "group"]))
    with pytest.raises(SafetyPairsError, match=re.escape("not list")):
        images([])


def test_policy_pairs_have_one_image_and_two_policies_whole_and_streamed() -> None:
    features = datasets.Features(
        {
            "pair_id": datasets.Value("string"),
            "category": datasets.ClassLabel(names=["hate", "violence"]),
            "image": datasets.Image(),
            "unsafe_policy": datasets.Value("string"),
            "safe_policy": datasets.Value("string"),
            "group": datasets.Value("string"),
        }
    )
    rows = [
        {
            "pair_id": f"p{number}",
            "category": number % 2,
            "image": {"bytes": square(number, 255), "path": None},
            "unsafe_policy": ("hate@1.0", "violence@1.0")[number % 2],
            "safe_policy": ("violence@1.0", "hate@1.0")[number % 2],
            "group": f"g{number // 2}",
        }
        for number in range(40)  # more than are held at once
    ]
    pairs = datasets.Dataset.from_list(rows, features=features)
    whole, streamed = images(pairs), images(pairs.to_iterable_dataset())
    assert list(whole.features) == list(streamed.features) == [*COLUMNS, "policy"]
    assert facts(whole) == facts(streamed)
    for found in (list(whole), list(streamed)):
        slugs = ("hate", "violence")
        assert [(row["pair_id"], row["category"], row["group"]) for row in found] == [
            (f"p{n}", slugs[n % 2], f"g{n // 2}") for n in range(40) for _ in (1, 0)
        ]
        for row in found:
            assert row["policy"] == (row["category"] if row["reference"] else slugs[row["category"] == "hate"])
