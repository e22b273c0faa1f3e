"""The `evaluate` module, really loaded: one interpreter for all of it, since its import takes seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from safetypairs_hf.metric import metric_path, score

from .examples import IMPORT_EVALUATE, SCORES, rows_of

LOAD = """
import json, sys
from safetypairs_hf.metric import metric_path
"""

ONE = """
from tests.metric.examples import SCORES, rows_of
rows = rows_of(SCORES, category={"a": "x", "b": "x"}, group={})
names = {"pair_id": "pair_id", "reference": "references", "score": "score"}
columns = {new: [row[old] for row in rows] for old, new in names.items()}
extra = {name: [row[name] for row in rows] for name in ("category", "group")}
out = {}

metric = evaluate.load(metric_path())
out["compute"] = metric.compute(**columns)
out["again"] = metric.compute(**columns, **extra, threshold=0.75, data="org/name@1.0.0")

for start in range(0, len(rows), 5):
    metric.add_batch(**{name: values[start : start + 5] for name, values in columns.items()})
out["add_batch"] = metric.compute()

for row in reversed(rows):
    metric.add(pair_id=row["pair_id"], reference=row["reference"], score=row["score"])
out["add"] = metric.compute()

memory = evaluate.load(metric_path(), keep_in_memory=True)
out["abstained"] = memory.compute(references=[1, 0], predictions=[None, 0], pair_id=[7, 7], score=[0.9, 0.1])

labelled = evaluate.load(metric_path())
yes = dict(references=["bad", "good"], predictions=["yes", "no"], pair_id=["p", "p"])
labels = {"bad": "unsafe", "good": "safe", "yes": "unsafe", "no": "safe"}
out["labelled"] = labelled.compute(**yes, labels=labels)

def said(call):
    try:
        call()
    except ValueError as error:
        return f"{type(error).__name__}: {error}"

fresh = lambda: evaluate.load(metric_path())
out["text"] = said(lambda: fresh().compute(references=[1, 0], predictions=["yes", "no"], pair_id=["p", "p"]))
out["half"] = said(lambda: fresh().compute(references=[1], predictions=[1], pair_id=["p"]))
out["neither"] = said(lambda: fresh().compute(references=[1, 0], pair_id=["p", "p"]))
out["unknown"] = said(lambda: fresh().add_batch(references=[1], predictions=[1], pair_id=["p"], weights=[1]))

def mixed():
    metric = fresh()
    metric.add_batch(references=[1], predictions=[1], pair_id=["p"])
    metric.add_batch(references=[0], score=[0.5], pair_id=["p"])
    metric.compute()
out["mixed"] = said(mixed)
print("RESULT" + json.dumps(out))
"""

SEVERAL = """
from tests.metric.examples import SCORES, rows_of
process = int(sys.argv[1])
metric = evaluate.load(metric_path(), num_process=2, process_id=process, experiment_id="two")
# The two images of each pair are in different processes.
for row in rows_of(SCORES):
    if row["reference"] == process:
        metric.add(pair_id=row["pair_id"], reference=row["reference"], score=row["score"])
print("RESULT" + json.dumps(metric.compute()))
"""


def start(code: str, home: Path, *arguments: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", IMPORT_EVALUATE + LOAD + code, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out.split("RESULT")[1])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hf_home")


@pytest.fixture(scope="module")
def one(home: Path) -> Any:
    pytest.importorskip("pyarrow")
    return result(start(ONE, home))


def test_compute_add_and_add_batch_give_what_score_gives(one: Any) -> None:
    expected = score(rows_of(SCORES)).to_dict()
    assert one["compute"] == expected
    assert one["add_batch"] == expected
    assert one["add"] == expected


def test_optional_columns_and_arguments_reach_score(one: Any) -> None:
    rows = rows_of(SCORES, category={"a": "x", "b": "x"}, group={})
    assert one["again"] == score(rows, threshold=0.75, data="org/name@1.0.0").to_dict()
    assert set(one["again"]["per_category"]) == {"other", "x"}


def test_an_abstention_is_not_a_missing_column(one: Any) -> None:
    assert one["abstained"]["abstained_rate"] == 1.0
    assert one["abstained"]["auroc"] is None


def test_labels_of_the_user_are_read(one: Any) -> None:
    assert one["labelled"]["pair_accuracy"] == 1.0


def test_mistakes_are_named(one: Any) -> None:
    assert one["text"].startswith("PairError: a prediction outside {0, 1, None}: 1 pair ('p')")
    assert one["half"].startswith("PairError: a missing half: 1 pair ('p')")
    assert one["neither"].startswith("PairError: a column that is not there: prediction or score")
    assert "weights" in one["unknown"]
    assert one["mixed"] == "PairError: predictions was given with 1 of 2 images; give all one"


@pytest.mark.thorough
def test_two_processes_that_hold_half_of_each_pair(home: Path, one: Any) -> None:
    processes = [start(SEVERAL, home, str(number)) for number in (0, 1)]
    first, second = (result(process) for process in processes)
    assert first == score(rows_of(SCORES)).to_dict()
    assert second is None


def test_the_folder_is_a_space() -> None:
    import yaml

    folder = Path(metric_path())
    assert (folder / f"{folder.name}.py").is_file()
    head = yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert head["sdk"] == "static"
    assert head["tags"] == ["evaluate", "metric"]
    assert (folder / "requirements.txt").read_text().strip() == "safetypairs-hf[evaluate]"
