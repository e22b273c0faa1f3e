"""Policy pairs, from a twin of PolicyShiftBench to the figures of a served guard."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

pytest.importorskip("openai")
pytest.importorskip("transformers")

from policy_bench import by_image, by_policy, write_rows

import safetypairs_hf as sp
from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import PairError, RecipeError, SafetyPairsError
from safetypairs_hf.core.target_name import parse_place
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import store_of
from safetypairs_hf.evaluating.checking import told_together
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.models.chat import load_chat
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.takedown import takedown
from safetypairs_hf.testing.model_server import ModelServer, model_server
from safetypairs_hf.testing.tiny import chat_vlm
from safetypairs_hf.versions.verify import verify

# What docs/evaluating.md says to type.
PAGE = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text()
COMMANDS = re.findall(r"^\$ (safetypairs .*)", PAGE.split("\n## Policy pairs\n")[1].split("\n## ")[0], re.MULTILINE)


def run(*words: object) -> str:
    result = CliRunner().invoke(group, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_twin_of_policy_shift_bench_goes_from_import_to_a_served_guards_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, folder, out = write_rows(tmp_path / "bench.parquet"), tmp_path / "policies", tmp_path / "out"
    (tmp_path / "mine.py").write_text(
        inspect.getsource(by_policy).replace("def by_policy(image: Any", "def guard(image")
    )
    monkeypatch.chdir(tmp_path)
    said, _, _, told = (run(*shlex.split(line)[1:]) for line in COMMANDS)
    assert "a row is an image under a policy" in said
    assert "\npair accuracy           1.0000 " in told and "|split:policy_pairs/test|n:8|" in told
    # Of each image every unsafe row with every safe one: 2 x 1 of the red, 1 x 2 of the green, of two images each.
    assert "8 pairs in" in said
    with pytest.raises(RecipeError, match="no column 'section'"):  # what has other names is asked for
        sp.import_pairs([{"image": b"", "label": "true", "policy": "a"}], tmp_path / "no", layout="policyshiftbench")
    with pytest.raises(RecipeError, match="leave judges out"):
        sp.import_pairs(str(source), tmp_path / "no", layout="policyshiftbench", judges=(by_policy,))

    assert 'my_guard(row["image"], row["policy"])' in (folder / "README.md").read_text()
    ds = sp.load(str(folder), "1.0.0", "policy_pairs")
    held = [row for split in ds.values() for row in split]
    assert len(held) == 8 and len({row["group"] for row in held}) == 4
    assert set(held[0]) == {
        *("pair_id", "category", "image", "unsafe_policy", "safe_policy", "source", "group", "introduced")
    }
    with pytest.raises(SafetyPairsError, match="has no config 'default'; there are policy_pairs"):
        sp.load(str(folder), "1.0.0")
    store = store_of(parse_place(str(folder)))
    assert verify(store).problems == []

    split = max(ds, key=lambda name: len(ds[name]))
    data, count = f"{folder}@1.0.0", len(ds[split])
    with model_server(ModelServer(load_chat(str(chat_vlm.sees_red(tmp_path / "model")), None, "cpu"))) as address:
        asked = ("--set", f"url={address}", "--set", "model=small")
        words = ("--data", data, "--config", "policy_pairs", "--split", split, "--out", f"{out}.parquet", "--json")
        figures = json.loads(run("evaluate", "server", *asked, *words))
    # It looks at the image alone, so it says the same of both members: no pair is right, and half of the answers are.
    assert figures["n_pairs"] == count and figures["pair_accuracy"] == 0.0 and figures["image_accuracy"] == 0.5
    assert figures["n_groups"] == len({row["group"] for row in ds[split]})
    written = pq.read_table(f"{out}.parquet").to_pylist()
    assert {len({row["policy"] for row in written if row["pair_id"] == each["pair_id"]}) for each in written} == {2}
    assert {len({row["sha256"] for row in written if row["pair_id"] == each["pair_id"]}) for each in written} == {1}
    scored = json.loads(run("score", f"{out}.parquet", "--data", data, "--json"))
    assert scored["pair_accuracy"] == 0.0 and f"policy_pairs/{split}" in scored["signature"]

    follows = sp.evaluate(by_policy, data, f"{out}-policy.parquet", split=split, configs=["policy_pairs"])
    assert follows.pair_accuracy == 1.0
    blind = sp.evaluate(by_image, data, f"{out}-blind.parquet", split=split, configs=["policy_pairs"])
    assert blind.pair_accuracy == 0.0 and blind.abstention_rate == 1.0
    assert set(pq.read_table(f"{out}-blind.parquet")["note"].to_pylist()) == {"not_covered"}
    sp.evaluate(make_guard("colour-and-clutter", {}), "safetypairs", f"{out}-images.parquet", limit=4)
    with pytest.raises(PairError, match="one kind at a time"):
        told_together([f"{out}.parquet", f"{out}-images.parquet"])
    files = [f"{out}{name}.parquet" for name in ("-policy", "-blind", "-images")]
    page = json.loads(run("report", *files, "--out", tmp_path / "report.html", "--json"))
    assert [guard["name"].endswith("(policy pairs)") for guard in page["guards"]] == [False, True, True]
    assert any(f"{2 * count} of {2 * count} questions not_covered" in note for note in page["guards"][2]["notes"])

    group_of = ds[split][0]["group"]
    gone = [row["pair_id"] for row in held if row["group"] == group_of]
    with pytest.raises(SafetyPairsError, match="holds the same images too"):
        takedown(parse_target(str(folder)), gone[:1], "asked for", parse("2.0.0"))
    takedown(parse_target(str(folder)), gone, "asked for", parse("2.0.0"))
    assert verify(store).problems == []
