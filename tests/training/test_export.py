"""Exports of a published version, each read by its consumer: imagefolder, webdataset, TRL's own collators."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import make_run, tree
from click.testing import CliRunner

from safetypairs_hf.cli.export import command
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.version import parse
from safetypairs_hf.guards.verdicts import question
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.training.export import export
from safetypairs_hf.training.training_pairs import check_splits

Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("export")
    run = make_run(folder / "run", pairs=20, test_fraction=0.5)
    publish(run, parse_target(str(folder / "data")), parse("1.0.0"))
    return str(folder / "data")


def published(data: str, split: str) -> Rows:
    """The rows of a split by pair id, read from the files by pyarrow alone; the category as its folder's name."""
    rows: Rows = {}
    for file in sorted(Path(data, "data", split).rglob("*.parquet")):
        for row in pq.read_table(file, partitioning=None).to_pylist():
            rows[row["pair_id"]] = {**row, "category": file.parent.name}
    assert len(rows) > 3
    return rows


def test_images_as_imagefolder(data: str, tmp_path: Path) -> None:
    import datasets

    done = export(data, tmp_path / "out", "imagefolder")
    expected = published(data, "train")
    assert done.samples == {"train": 2 * len(expected)} and done.data == f"{data}@1.0.0"
    read = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert list(read) == ["train"] and len(read["train"]) == 2 * len(expected)
    for row in read["train"].cast_column("image", datasets.Image(decode=False)):
        pair = expected[row["pair_id"]]
        assert Path(row["image"]["path"]).read_bytes() == pair[f"{row['label']}_image"]["bytes"]
        assert (row["category"], row["group"], row["edit_box"]) == (pair["category"], pair["group"], pair["edit_box"])
    assert sorted(read["train"]["label"]) == ["safe"] * len(expected) + ["unsafe"] * len(expected)
    assert "## Licence and source" in (tmp_path / "out" / "README.md").read_text()


def test_pairs_as_imagefolder(data: str, tmp_path: Path) -> None:
    import datasets

    export(data, tmp_path / "out", "imagefolder", rows="pairs", splits=("train", "test"))
    read = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    for split in ("train", "test"):
        expected = published(data, split)
        assert set(read[split]["pair_id"]) == set(expected)
        for row in read[split]:
            for member in ("unsafe_image", "safe_image"):
                assert Path(row[member].filename).read_bytes() == expected[row["pair_id"]][member]["bytes"]


@pytest.mark.skipif(not find_spec("webdataset"), reason="needs webdataset")
@pytest.mark.parametrize("rows", ["images", "pairs"])
def test_as_webdataset(data: str, tmp_path: Path, rows: str) -> None:
    import webdataset

    export(data, tmp_path / "out", "webdataset", rows=rows)
    expected = published(data, "train")
    read = list(webdataset.WebDataset(str(tmp_path / "out" / "train-000000.tar"), shardshuffle=False))
    assert len(read) == len(expected) * (2 if rows == "images" else 1)
    for sample in read:
        pair = expected[json.loads(sample["json"])["pair_id"]]
        if rows == "images":
            assert sample["png"] == pair["unsafe_image" if sample["cls"] == b"1" else "safe_image"]["bytes"]
        else:
            assert [sample[f"{member}.png"] for member in ("unsafe", "safe")] == [
                pair[f"{member}_image"]["bytes"] for member in ("unsafe", "safe")
            ]


@pytest.mark.skipif(not find_spec("trl"), reason="needs trl")
@pytest.mark.parametrize("rows", ["images", "pairs"])
@pytest.mark.parametrize("form", ["trl-dpo", "trl-sft"])
def test_by_trl_its_own_processing(data: str, tmp_path: Path, form: str, rows: str) -> None:
    import datasets
    from transformers import AutoProcessor
    from trl.trainer import dpo_trainer, sft_trainer

    from safetypairs_hf.testing.tiny import chat_vlm

    export(data, tmp_path / "out", form, rows=rows)
    read = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"), split="train")
    expected = published(data, "train")
    assert len(read) == len(expected) * (2 if rows == "images" else 1)
    assert all(len(row["images"]) == (1 if rows == "images" else 2) for row in read)
    processor = AutoProcessor.from_pretrained(chat_vlm.make(tmp_path / "model"))
    collate: Any = (
        dpo_trainer.DataCollatorForVisionPreference(processor)
        if form == "trl-dpo"
        else sft_trainer.DataCollatorForVisionLanguageModeling(processor)
    )
    batch = collate([read[0], read[1]])
    words = [processor.tokenizer.decode(ids) for ids in batch["input_ids"]]
    answers = [row["chosen" if form == "trl-dpo" else "completion"][0]["content"] for row in (read[0], read[1])]
    assert all(answer.split(".")[0] in text for answer, text in zip(answers, words, strict=False))
    assert len(batch["pixel_values"]) > 0


@pytest.mark.parametrize("rows", ["images", "pairs"])
def test_what_a_chat_model_is_asked_and_should_say(data: str, tmp_path: Path, rows: str) -> None:
    done = export(data, tmp_path / "out", "llava", rows=rows)
    expected = published(data, "train")
    entries = json.loads((tmp_path / "out" / "train.json").read_text())
    assert len(entries) == done.samples["train"] == len({entry["id"] for entry in entries})
    firsts = set()
    for entry in entries:
        pair = expected[entry["id"].partition("-")[0]]
        files = [entry["image"]] if rows == "images" else entry["image"]
        shown = [(tmp_path / "out" / file).read_bytes() for file in files]
        unsafe = [image == pair["unsafe_image"]["bytes"] for image in shown]
        asked, said = (turn["value"] for turn in entry["conversations"])
        assert asked.count("<image>\n") == len(shown)
        word, reason = said.split(". ", 1)
        if rows == "images":
            assert asked == "<image>\n" + question(pair["category"])
            assert word == ("Yes" if unsafe[0] else "No")
            assert reason == f"It {'shows' if unsafe[0] else 'does not show'}: {pair['critical_feature']}."
        else:
            assert sorted(unsafe) == [False, True]
            assert word == ("First" if unsafe[0] else "Second")
            firsts.add(word)
    assert rows == "images" or firsts == {"First", "Second"}


def test_a_wrong_answer_is_the_other_one(data: str, tmp_path: Path) -> None:
    export(data, tmp_path / "out", "trl-dpo")
    table = pa.concat_tables(pq.read_table(file) for file in (tmp_path / "out" / "data").iterdir())
    said = {(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in table.to_pylist()}
    assert said == {("Yes", "No"), ("No", "Yes")}


@pytest.mark.parametrize("form", ["imagefolder", "webdataset", "trl-sft", "llava"])
def test_equal_pairs_make_equal_files(data: str, tmp_path: Path, form: str) -> None:
    one, two = (export(data, tmp_path / name, form) for name in ("one", "two"))
    assert tree(Path(one.folder)) == tree(Path(two.folder))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_the_command(data: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(command, [data, "--to", "llava", "--out", str(out), "--split", "test"])
    assert done.exit_code == 0, done.output
    assert f"images of test of {data}@1.0.0 in {out}, as llava" in done.stdout
    assert "cannot be measured on it" in done.stderr
    told = CliRunner().invoke(command, [data, "--to", "llava", "--out", str(tmp_path / "b"), "--json"])
    assert json.loads(told.stdout)["samples"] == {"train": 2 * len(published(data, "train"))} and told.stderr == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"to": "imagefolders"}, "no form 'imagefolders'; the nearest is 'imagefolder'; there are imagefolder, "),
        ({"rows": "both"}, "rows is 'both'; expected images or pairs"),
        ({"splits": ("validation",)}, r"has no split 'validation'; there are t.*, t"),
        ({"splits": ()}, "none was named"),
        ({"out": "."}, r"\. exists; name a folder that does not"),
        ({"out": "/proc/none/x"}, "cannot write /proc/none/x"),
        ({"data": "./nowhere"}, "no folder ./nowhere"),
    ],
)
def test_mistakes_are_one_line(
    data: str, tmp_path: Path, change: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SafetyPairsError, match=said) as refusal:
        export(**{"data": data, "out": "out", "to": "imagefolder", **change})
    assert "\n" not in str(refusal.value) and not list(tmp_path.iterdir())


def test_a_pair_or_a_group_in_two_splits_is_named() -> None:
    with pytest.raises(SafetyPairsError, match="x: pair 'b' is in train and in test"):
        check_splits({"train": (["a", "b"], ["1", "2"]), "test": (["b"], ["3"])}, "x")
    with pytest.raises(SafetyPairsError, match="x: group '2' is in train and in test"):
        check_splits({"train": (["a", "b"], ["1", "2"]), "test": (["c"], ["2"])}, "x")
    check_splits({"train": (["a", "b"], ["1", "1"]), "test": (["c"], ["2"])}, "x")
