"""The life of a relabel on a Hub, with the real clients: what docs/errata.md says to type, typed in its order."""

from __future__ import annotations

import json
import re
from pathlib import Path

from builds import make_run
from hub_fixtures import Hub, serve

PAGE = (Path(__file__).parents[2] / "docs" / "errata.md").read_text()
BLOCKS = re.findall(r"^```(csv|bash|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
IDS = ("0123456789abcdef", "89abcdef01234567", "fedcba9876543210")

# In one process, as each import of the clients takes seconds. The guard calls an image unsafe that has much red.
DRIVER = """
import contextlib, io, json, shlex
import numpy as np
import safetypairs_hf as sp
from safetypairs_hf.cli import group
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish

REPO = "my-org/safetypairs"


def red(image):
    pixels = np.asarray(image).astype(int)
    return float(((pixels[..., 0] > 230) & (pixels[..., 1] < 40) & (pixels[..., 2] < 40)).any())


publish(RunFolder("run"), parse_target(REPO), parse("1.0.0"), probe=False)
sp.evaluate(red, f"{REPO}@1.0.0", "guard.parquet", split="test")
test = [row for row in open_named(REPO).table.to_pylist() if row["split"] == "test"]
chosen = [row["pair_id"] for row in test if row["category"] != "violence"][:3]
first = {split: rows.to_list() for split, rows in sp.load(REPO, version="1.0.0").items()}
said, scored = [], None
for language, block in json.load(open("blocks.json")):
    for example, pair_id in zip(json.load(open("ids.json")), chosen):
        block = block.replace(example, pair_id)
    if language == "csv":
        open("undo.csv" if ",undo," in block else "errata.csv", "w").write(block)
    elif language == "python":
        exec(block)
        scored = globals().get("found")
    else:
        for line in block.strip().splitlines():
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                group.main(shlex.split(line)[1:], standalone_mode=False)
            said.append([line, out.getvalue()])
again = {split: rows.to_list() for split, rows in sp.load(REPO, version="1.0.0").items()}
third = {split: rows.to_list() for split, rows in sp.load(REPO, version="3.0.0").items()}


def by_id(splits):
    return {split: {row["pair_id"]: row for row in rows} for split, rows in splits.items()}


print(json.dumps({
    "said": said,
    "chosen": chosen,
    "old_is_as_it_was": first == again,
    "undone": [{**row, "category": 0, "policy": ""} == {**by_id(first)["test"][pair_id], "category": 0, "policy": ""}
               for pair_id, row in by_id(third)["test"].items()],
    "moved": [pair_id for pair_id, row in by_id(third)["test"].items()
              if row["category"] != by_id(first)["test"][pair_id]["category"]],
    "as_of": scored.as_of.to_dict(),
    "pair_accuracy": scored.pair_accuracy,
    "changed": [name for name, file in open_named(f"{REPO}@2.0.0").head["files"].items()
                if file != open_named(f"{REPO}@1.0.0").head["files"].get(name)],
    "sizes": [len(old["test"]), len(new["test"]), len(third["test"])],
}, default=str))
"""


def test_what_the_page_says_to_type(tmp_path: Path) -> None:
    work = tmp_path / "work"
    make_run(work / "run", pairs=12)
    (work / "blocks.json").write_text(json.dumps(BLOCKS))
    (work / "ids.json").write_text(json.dumps(IDS))
    (work / "driver.py").write_text(DRIVER)
    with serve(tmp_path / "hub", users={"alice": "hf_alice"}, orgs={"my-org": ["alice"]}) as server:
        told = json.loads(Hub(server, tmp_path / "home").run_python("import driver", cwd=work).splitlines()[-1])
        fetched = [entry.path for entry in server.log if entry.method == "GET" and "/data/" in entry.path]
    said = dict(told["said"])
    swapped, moved, dropped = told["chosen"]
    n = told["sizes"][0]
    relabel = "safetypairs relabel my-org/safetypairs errata.csv --version 2.0.0"
    assert said[f"{relabel} --dry-run"].startswith(
        "would be relabelled in 2.0.0 (last: 1.0.0): 2 pairs relabelled, 1 d"
    )
    assert said[relabel].endswith("/datasets/my-org/safetypairs (tag v2.0.0)\n")
    assert f"2.0.0  {dropped}  dropped from" in said["safetypairs diff my-org/safetypairs 1.0.0 2.0.0"]
    assert said["safetypairs verify my-org/safetypairs --version 2.0.0"].endswith(": ok; splits as in 1.0.0\n")
    assert told["old_is_as_it_was"]
    assert told["sizes"] == [n, n - 1, n]
    assert told["moved"] == [moved]  # that one was not undone
    assert all(told["undone"])

    # Who has 1.0.0 downloads of 2.0.0 what changed.
    first, second, *_ = dict.fromkeys(path.split("/")[5] for path in fetched)
    assert sorted(path.split("/", 6)[6] for path in fetched if second in path) == sorted(told["changed"])
    assert len(told["changed"]) < sum(first in path for path in fetched)

    # The guard is right on every pair of 1.0.0, so what is dropped changes nothing, and the swap costs one pair.
    as_of = told["as_of"]
    assert (as_of["pair_accuracy"], as_of["gone"], as_of["n_gone"], as_of["n_relabelled"]) == (1.0, 0.0, 1, 2)
    assert told["pair_accuracy"] == (n - 2) / (n - 1) == 1 + as_of["change"]
    assert [(each["pair_id"], each["correct_after"]) for each in as_of["pairs"] if each["how"] == "swapped"] == [
        (swapped, 0.0)
    ]
    score = "safetypairs score guard.parquet --data my-org/safetypairs@2.0.0"
    assert "1 with members swapped" in " ".join(said[score].split())
    assert f"  {swapped}  swapped, right to wrong: the red square is in the safe one" in said[f"{score} --as-of 1.0.0"]
