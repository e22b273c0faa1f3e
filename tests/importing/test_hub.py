"""Pairs from datasets on the (local) Hub, by the real clients in processes whose Hub is that one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hub_fixtures import Hub, commands, hub  # noqa: F401
from own_pairs import files, pairs_of

from safetypairs_hf.core.run_folder import open_run

HERE = Path(__file__).parents[1]

PUSH = f"""
import sys; sys.path.insert(0, {str(HERE)!r})
import shutil
from pathlib import Path
import datasets
from huggingface_hub import HfApi
from own_pairs import files, lay

labels = datasets.ClassLabel(names=["safe", "unsafe"])
text = datasets.Value("string")
features = datasets.Features({{"image": datasets.Image(), "image_path": text, "safety_label": labels}})
rows = [
    {{"image": {{"bytes": data, "path": None}}, "image_path": f"x/{{number}}_{{word}}.png", "safety_label": label}}
    for number in range(6)
    for data, word, label in zip(files(number), ("unsafe", "safe"), (1, 0))
]
data = datasets.Dataset.from_list(rows, features=features)
data.push_to_hub("lab/gated", split="test", max_shard_size="20KB")
data.select(range(4)).push_to_hub("lab/several", "one", split="train")
data.select(range(4, 8)).push_to_hub("lab/several", "one", split="validation")
data.select(range(8, 12)).push_to_hub("lab/several", "two", split="test")
api = HfApi()
api.update_repo_settings("lab/gated", repo_type="dataset", gated="manual")
api.create_repo("lab/files", repo_type="dataset", private=True)
mine = lay(Path("mine"), range(6))
api.upload_folder(folder_path=mine, path_in_repo="train", repo_id="lab/files", repo_type="dataset")
shutil.make_archive("train", "zip", mine)
api.create_repo("lab/zipped", repo_type="dataset")
api.upload_file(path_or_fileobj="train.zip", path_in_repo="train.zip", repo_id="lab/zipped", repo_type="dataset")
card = b"---\\nlicense: cc-by-4.0\\n---\\n"
api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="lab/files", repo_type="dataset")
"""


def importing(source: str, out: str, *more: str) -> list[str]:
    return ["import", source, "--category", "O6", "--out", out, "--workers", "1", *more]


def test_pairs_come_from_the_hub_at_one_commit(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    work = tmp_path / "work"
    work.mkdir()
    hub.run_python(PUSH, cwd=work)
    said = commands(
        hub,
        work,
        importing("lab/gated", "gated"),
        importing("lab/several", "several"),
        importing("lab/several", "several", "--subset", "one", "--split-map", "validation=test"),
        importing("lab/several", "none", "--subset", "three"),
        importing("lab/several", "none", "--subset", "one", "--split", "dev"),
        importing("lab/gated@v9", "none"),
        importing("lab/files", "files"),
        importing("lab/zipped", "zipped"),
        ["publish", "gated", "lab/out", "--version", "1.0.0"],
    )
    assert [code for code, _ in said] == [0, 1, 0, 1, 1, 1, 0, 0, 1], said
    lines = [text.splitlines() for _, text in said]
    assert "6 pairs in gated (6 test)" in lines[0]
    assert lines[1] == ["lab/several has several subsets: one, two; name one: --subset one"]
    assert "4 pairs in several (2 test, 2 train)" in lines[2]
    assert lines[3][0].startswith("lab/several")
    assert "three" in lines[3][0]
    assert lines[4] == ["lab/several has no split 'dev'; it has train, validation"]
    assert lines[5] == ["lab/gated has no revision 'v9'; give a branch or a tag"]
    assert "licence: cc-by-4.0" in lines[6]
    assert "6 pairs in zipped (" in "".join(lines[7])
    assert lines[8][0].startswith("the licence of the imported pairs in gated")
    commit = json.loads((work / "files" / "recipe.json").read_text())["inputs"]
    pairs = pairs_of(work / "files")
    assert {pair.origin.dataset for pair in pairs.values()} == {f"lab/files@{commit}"}
    assert sorted(pairs) == [f"train/p00{number}" for number in range(6)]
    assert {pair.origin.license for pair in pairs.values()} == {"cc-by-4.0"}
    of_gated = {pair.identity.pair_id for pair in pairs_of(work / "gated").values() if pair.identity}
    assert of_gated == {pair.identity.pair_id for pair in pairs.values() if pair.identity}
    _check_moved(hub, work, commit)


def _check_moved(hub: Hub, work: Path, commit: str) -> None:  # noqa: F811
    """An import goes on at the commit that it was begun with, and says that its branch has moved."""
    for name, data in zip(("unsafe", "safe"), files(7), strict=True):
        path = f"train/{name}/p007.png"
        hub.api().upload_file(path_or_fileobj=data, path_in_repo=path, repo_id="lab/files", repo_type="dataset")
    before = open_run(str(work / "files")).read("select/part-00000.parquet")
    (work / "files" / "funnel.json").unlink()
    (work / "files" / "judge" / "part-00000.parquet").unlink()
    again, anew = commands(hub, work, importing("lab/files", "files"), importing("lab/files", "anew"))
    assert f"this run continues with {commit}" in again[1]
    assert open_run(str(work / "files")).read("select/part-00000.parquet") == before
    assert "7 pairs in anew" in anew[1]
    refused = commands(hub, work, importing("lab/gated", "x"), importing("lab/files", "x"), user=None)
    assert refused[0] == (
        1,
        "lab/gated is gated, and this token has no access; ask for it on its page, and log in: hf auth login",
    )
    assert refused[1][0] == 1
    assert "no dataset lab/files" in refused[1][1]


@pytest.mark.parametrize("name", ["lab/pairs", "lab/pairs@main"])
def test_a_folder_that_could_be_a_hub_id_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetypairs_hf as sp
    from safetypairs_hf.core.errors import SafetyPairsError

    (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SafetyPairsError, match=f"{name} is a folder here and could be a Hub id too"):
        sp.import_pairs(name, tmp_path / "run")
