"""The inspect-ai task by `inspect eval`: from the entry point over HTTP to the figures of `score`."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai")

from answers import PAIRS, expected, publish_squares, word_of
from chat_api import ChatAPI, with_logprobs
from inspect_ai.log import read_eval_log, write_eval_log
from loopback import MODEL, answering, parts
from page_commands import run_block

import safetypairs_hf as sp
from safetypairs_hf.integrations.shared import flat

TASK = "safetypairs_hf/safetypairs"


def started(folder: Path, api: ChatAPI, words: tuple[str, ...], env: dict[str, str]) -> Any:
    options = ("--model", f"openai-api/loop/{MODEL}", "--display", "none", "--log-format", "json")
    return subprocess.run(
        [str(Path(sys.executable).with_name("inspect")), "eval", *words, *options, "--log-dir", str(folder / "logs")],
        env={**env, "LOOP_BASE_URL": api.url, "LOOP_API_KEY": "none"},
        cwd=folder,
        capture_output=True,
        text=True,
    )


def log_of(folder: Path, api: ChatAPI, *words: str) -> dict[str, Any]:
    (log,) = logs_of(folder, api, words, dict(os.environ))
    return log


def logs_of(folder: Path, api: ChatAPI, words: tuple[str, ...], env: dict[str, str]) -> list[dict[str, Any]]:
    """What `inspect eval` wrote of each task."""
    done = started(folder, api, words, env)
    assert done.returncode == 0, done.stdout + done.stderr
    logs = [json.loads(file.read_text()) for file in (folder / "logs").glob("*.json")]
    assert [log["status"] for log in logs] == ["success"] * len(logs), done.stdout + done.stderr
    return logs


def figures(log: dict[str, Any]) -> dict[str, float]:
    return {name: metric["value"] for name, metric in log["results"]["scores"][0]["metrics"].items()}


def test_the_figures_are_those_of_score(tmp_path: Path) -> None:
    data = publish_squares(tmp_path)
    with answering() as api:
        log = log_of(tmp_path, api, TASK, "-T", f"data={data}@1.0.0")
    score = sp.score(expected(sp.images(sp.load(data, version="1.0.0", split="test"))))
    assert figures(log) == flat(score)
    (written,) = (tmp_path / "logs").glob("*.json")
    archive = tmp_path / "log.eval"  # inspect's own format, which it writes unless asked for JSON
    write_eval_log(read_eval_log(str(written)), str(archive))
    assert sp.score(written) == sp.score(archive) == score
    assert 0 < figures(log)["abstention_rate"] < 1
    assert len(log["samples"]) == 2 * PAIRS
    assert not any("unsafe" in sample["id"] or "safe" in sample["id"] for sample in log["samples"])
    assert len(api.requests) == 2 * PAIRS
    assert all("Does the image show anything" in parts(body)[1]["text"] for body in api.requests)


def p_yes(image: Any) -> float:
    return 0.9 if word_of(image) == "Yes" else 0.3


def say_with_logprobs(image: Any) -> dict[str, Any]:
    yes = p_yes(image)
    return with_logprobs([[("Yes", math.log(yes)), (" no", math.log(1 - yes))]])


def test_log_probabilities_give_scores_and_pairs_limit_whole_pairs(tmp_path: Path) -> None:
    data = publish_squares(tmp_path)
    with answering(say_with_logprobs) as api:
        words = ("-T", f"data={data}", "-T", "pairs=3", "--logprobs", "--top-logprobs", "20")
        log = log_of(tmp_path, api, TASK, *words)
    assert {(body["logprobs"], body["top_logprobs"]) for body in api.requests} == {(True, 20)}
    kept = [sample["scores"]["pair_verdict"]["metadata"] for sample in log["samples"]]
    assert {round(each["score"], 12) for each in kept} == {0.9, 0.3}
    assert figures(log) == flat(sp.score(kept))
    assert figures(log)["n_pairs"] == 3
    assert "auroc" in figures(log)
    rows = sp.images(sp.load(data, split="test")).select(range(6))
    own = {(row["pair_id"], row["reference"]): round(p_yes(row["image"]), 12) for row in rows}
    assert {(each["pair_id"], each["reference"]): round(each["score"], 12) for each in kept} == own


def test_the_command_of_the_page_gives_a_file_of_predictions(tmp_path: Path) -> None:
    """docs/integrations.md, typed as it is there."""
    data = publish_squares(tmp_path)
    with answering(say_with_logprobs) as api:
        places = {"my-org/safetypairs@1.2.0": f"{data}@1.0.0", "http://localhost:8000/v1": api.url, "NAME": MODEL}
        run_block(0, __file__, tmp_path, {"INSPECT_DISPLAY": "none"}, places)
    (log,) = (tmp_path / "logs").glob("*.eval")
    assert sp.score(log).n_pairs == PAIRS
    assert len(api.requests) == 2 * PAIRS and api.requests[0]["top_logprobs"] == 20


def test_no_data_is_one_line(tmp_path: Path) -> None:
    with answering() as api:
        done = started(tmp_path, api, (TASK, "-T", "data=./nowhere"), dict(os.environ))
    assert done.returncode != 0
    assert "no folder ./nowhere" in done.stderr
