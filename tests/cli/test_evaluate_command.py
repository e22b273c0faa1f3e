"""`safetypairs evaluate`: a guard by name, its settings, the table and the JSON, and usage that is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from loading.published import publish
from moderation_api import moderated, moderation_api

from safetypairs_hf.cli.evaluate import command
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.metric import score

GREEN = "def judge(image, category):\n    return image.getpixel((0, 0))[1] / 255\n"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    Path("green.py").write_text(GREEN)
    return str(publish(Path("squares"), "1.1.0"))


def evaluated(*words: str) -> Result:
    return CliRunner().invoke(command, [*words, "--data", "squares@1.1.0", "--out", "out.parquet"])


def test_the_table_and_where_the_predictions_are() -> None:
    words = ("function", "--set", "function=green.py:judge", "--set", "revision=7", "--set", "fidelity=trained")
    done = evaluated(*words)
    assert done.exit_code == 0, done.output
    expected = score("out.parquet", data="squares@1.1.0", split="test", fidelity="trained")
    asked = "Asked as it was trained (fidelity: trained)."
    alone = "14 of 14 scores are exactly 0 or 1 (yes or no answers, or clipped scores), so\nfigures"
    assert (
        done.stdout
        == f"{expected}\n\n{asked}\n\n{alone} that need no threshold say little.\n\nPredictions: out.parquet\n"
    )
    assert done.stderr.startswith("safetypairs: judged 14 images in ") and done.stderr.endswith("the guard at work\n")
    again = evaluated(*words)
    assert (again.stdout, again.stderr) == (done.stdout, "")


def test_an_edited_function_is_another_guard() -> None:
    words = ("function", "--set", "function=green.py:judge")
    assert evaluated(*words).exit_code == 0
    before = Path("out.parquet").read_bytes()
    Path("green.py").write_text(GREEN.replace("/ 255", "/ 510"))  # of the same size, within the same second
    said = str(evaluated(*words).exception)
    assert said.startswith("out.parquet belongs to another run: guard.settings.content_hashes.green.py was '")
    assert said.endswith("'; name another --out, or start over with --fresh") and "\n" not in said
    assert Path("out.parquet").read_bytes() == before
    fresh = evaluated(*words, "--fresh")
    scores = pq.read_table("out.parquet")["score"].to_pylist()
    assert fresh.exit_code == 0 and max(scores) == 0.5
    Path("green.py").write_text(GREEN.replace("/ 255", "/ 510"))
    assert evaluated(*words).stderr == ""  # the same content again: nothing to do


def test_an_edited_script_is_another_guard() -> None:
    script = "import sys\nfor line in sys.stdin:\n    print('{\"p_unsafe\": 0.25}')\n"
    Path("mine.py").write_text(script)
    words = ("command", "--set", f"command={sys.executable} mine.py")
    assert evaluated(*words).exit_code == 0
    Path("mine.py").write_text(script.replace("0.25", "0.75"))
    said = str(evaluated(*words).exception)
    assert said.startswith("out.parquet belongs to another run: guard.settings.content_hashes.mine.py was '")


def test_json_with_a_limit_a_config_and_a_threshold() -> None:
    words = ("--set", "function=green.py:judge", "--config", "violence", "--limit", "3", "--threshold", "1", "--json")
    done = evaluated("function", *words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["n_pairs"], told["pair_accuracy"], list(told["per_category"])) == (3, 1.0, ["violence"])
    assert "|split:violence/test|n:3|ids:" in told["signature"] and "|threshold:1.0|" in told["signature"]
    assert (told["predictions"], told["run"]["guard"]["revision"]) == ("out.parquet", "own")
    assert told["abstentions"] == {"notes": {}, "not_covered": {}}


def test_what_a_function_prints_is_no_part_of_the_json() -> None:
    Path("loud.py").write_text(GREEN.replace("    return", "    print('seen')\n    return"))
    done = evaluated("function", "--set", "function=loud.py:judge", "--json")
    assert json.loads(done.stdout)["n_pairs"] == 7
    assert done.stderr.count("seen\n") == 14


def test_what_a_guard_does_not_cover_is_counted_apart() -> None:
    from chat_api import Reaction

    with moderation_api(lambda body, times: Reaction(moderated(violence=0.6))) as api:
        words = ("--set", f"url={api.url}", "--set", "api_key_env=", "--set", "retries=0")
        done = evaluated("omni-moderation", *words)
        assert done.exit_code == 0, done.output
        assert len(api.requests) == 8  # what it does not cover is not sent
        told = json.loads(evaluated("omni-moderation", *words, "--json").stdout)
    assert told["abstentions"] == {"notes": {}, "not_covered": {"hate": 6}}
    assert told["per_category"]["hate"]["abstained_rate"] == 1.0
    table = done.stdout
    assert max(map(len, table.replace("\n\n", "\n").splitlines())) <= 80
    line = next(line for line in table.splitlines() if line.strip().startswith("not_covered"))
    assert line.split() == ["not_covered", "6", "hate"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lama-guard4"], "no guard 'lama-guard4'; the nearest is 'llama-guard-4'; `safetypairs guards` lists all "),
        (["command", "--batch-size", "4", "--set", "command=cat"], "has no setting 'batch_size'"),
        (["function"], "guard 'function' needs function; give --set function=... (in Python function=...)"),
        (["function", "--set", "function=gone.py:judge"], "function = 'gone.py:judge': gone.py cannot be read"),
        (["command", "--set", "command="], "command = '': expected a program, such as 'python my_guard.py'"),
        (["command", "--set", "command='mine.py"], "No closing quotation; write it as in a shell"),
        (["colour-and-clutter", "--split", "dev"], "no split 'dev'; there are"),
        (["server", "--set", "model=m", "--set", "url=http://127.0.0.1:9/v1", "--set", "retries=0"], "no server at"),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str) -> None:
    done = evaluated(*words)
    assert isinstance(done.exception, SafetyPairsError)
    assert message in str(done.exception) and "\n" not in str(done.exception)
    assert not Path("out.parquet").exists()


@pytest.mark.parametrize(
    "words", [[], ["function", "--set", "revision"], ["function", "--limit", "0"], ["clip", "--batch-size", "few"]]
)
def test_wrong_usage(words: list[str]) -> None:
    assert evaluated(*words).exit_code == 2
