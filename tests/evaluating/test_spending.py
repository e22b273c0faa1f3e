"""What a run will cost, asked before anything is asked, and what it cost, by the tokens that the service counted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from chat_api import ChatAPI, Reaction, chat_api, completion
from click.testing import CliRunner
from hosted_api import CLIENTS, CONTRACTS, SETTINGS, hosted_api, set_keys
from loading.published import publish
from moderation_api import moderated, moderation_api

import safetypairs_hf as sp
from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import SafetyPairsError

OUT = Path("paid.parquet")
PRICES = ("--prompt-price", "2", "--answer-price", "10")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(publish(tmp_path_factory.mktemp("data") / "squares", "1.1.0"))


@pytest.fixture
def api() -> Iterator[ChatAPI]:
    with chat_api(lambda body, times: Reaction(completion("Yes"))) as found:
        yield found


def evaluated(api: ChatAPI, data: str, *more: str) -> tuple[str, Any]:
    words = ["evaluate", "server", "--data", data, "--out", str(OUT), "--set", "model=small-vlm"]
    words += ["--set", f"url={api.url}", *more]
    done = CliRunner().invoke(group, words)
    assert done.exit_code == 0, done.output
    return done.stdout, json.loads(done.stdout) if "--json" in more else None


def test_a_dry_run_asks_nothing_and_leaves_nothing(api: ChatAPI, data: str) -> None:
    _, plan = evaluated(api, data, "--dry-run", "--json", *PRICES, "--image-tokens", "100", "--call-price", "5")
    assert api.requests == [] and not list(Path().glob("paid*"))
    letters = [len(sp.guard("server", model="small-vlm", url=api.url).asked(slug)) for slug in ("hate", "violence")]
    assert (plan["images"], plan["kept"], plan["not_covered"], plan["calls"]) == (14, 0, 0, 14)
    assert min(letters) * 14 / 4 <= plan["text_tokens"] <= max(letters) * 14 / 4 + 1
    assert (plan["image_tokens"], plan["most_answer_tokens"]) == (14 * 100, 14 * 32)
    read = plan["text_tokens"] + 1400
    assert plan["cost"] == pytest.approx(read * 2e-6 + 14 * 32 * 10e-6 + 14 * 5e-3)
    text, _ = evaluated(api, data, "--dry-run")
    assert text.endswith("Nothing was asked.\n") and max(map(len, text.splitlines())) <= 80
    text = " ".join(text.split())
    assert "14 calls, with" in text and "images are not counted" in text and "no cost without a price" in text
    assert "without the images: see --image-tokens" in " ".join(evaluated(api, data, "--dry-run", *PRICES)[0].split())


def test_the_tokens_of_a_run_and_what_is_left_to_ask(api: ChatAPI, data: str) -> None:
    _, limited = evaluated(api, data, "--json", *PRICES)
    assert limited["spent"] == {
        "answers": 14,
        "counted": 14,
        "prompt_tokens": 14 * 700,
        "answer_tokens": 14 * 42,
        "prices": {"prompt": 2.0, "answer": 10.0, "call": 0.0},
        "cost": pytest.approx(14 * (700 * 2 + 42 * 10) / 1e6),
    }
    asked = len(api.requests)
    text, _ = evaluated(api, data)  # it is finished: the counts are those in the file
    assert "\nTokens: 9,800 read, 588 written\n" in text and len(api.requests) == asked
    assert evaluated(api, data, "--dry-run", "--json")[1]["calls"] == 0
    assert evaluated(api, data, "--dry-run", "--fresh", "--json")[1]["calls"] == 14
    assert OUT.exists()  # --fresh of a dry run removes nothing
    assert pq.read_table(OUT)["prompt_tokens"].to_pylist() == [700] * pq.read_metadata(OUT).num_rows
    spent = sp.spent_in(OUT, sp.Prices(call=1000.0))
    assert spent is not None and spent.cost == 14.0


def test_what_is_judged_already_is_not_planned_again(data: str) -> None:
    fails = {"after": 5}

    def react(body: dict[str, Any], times: int) -> Reaction:
        fails["after"] -= 1
        return Reaction("no", 401) if fails["after"] < 0 else Reaction(completion("Yes"))

    with chat_api(react) as api:
        guard = sp.guard("server", model="small-vlm", url=api.url, concurrency=1)
        with pytest.raises(SafetyPairsError, match="5 of 14 images are judged and kept"):
            sp.evaluate(guard, data, OUT)
        before = {path: path.read_bytes() for path in Path(f"{OUT}.parts").iterdir()}
        plan = sp.plan_evaluation(guard, data, OUT)
        assert (plan.images, plan.kept, plan.calls) == (14, 5, 9) and "5 are judged already: 9 to judge" in str(plan)
        assert {path: path.read_bytes() for path in Path(f"{OUT}.parts").iterdir()} == before
        with pytest.raises(SafetyPairsError, match="belongs to another run"):
            sp.plan_evaluation(sp.guard("server", model="small-vlm", url=api.url, seed=9), data, OUT)


def test_what_is_not_covered_is_not_sent_and_what_runs_here_costs_nothing(data: str) -> None:
    with moderation_api(lambda body, times: Reaction(moderated(violence=0.9))) as api:
        guard = sp.guard("omni-moderation", url=api.url, api_key_env="")
        plan = sp.plan_evaluation(guard, data, OUT, prices=sp.Prices(call=1.0))
        sp.evaluate(guard, data, OUT)
        assert plan.not_covered and plan.calls == len(api.requests) == 14 - plan.not_covered
        assert "tokens" not in str(plan)  # the service takes no text of ours
        spent = sp.spent_in(OUT, sp.Prices(call=1.0))
        assert spent is not None and plan.cost == spent.cost == pytest.approx(plan.calls / 1000)
        assert "prompt_tokens" not in pq.read_schema(OUT).names and sp.spent_in(OUT) is None
    here = sp.plan_evaluation(lambda image: 0.5, data, "own.parquet")
    assert (here.images, here.calls, here.cost) == (14, 0, None) and "the guard runs here" in str(here)


@pytest.mark.parametrize(("service", "wrote"), [("anthropic", 4), ("gemini", 0)])
def test_the_counts_of_hosted_models(service: str, wrote: int, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(CLIENTS[service])
    set_keys(monkeypatch)
    with hosted_api(service, lambda body, times: Reaction(CONTRACTS[service].answer())) as api:
        sp.evaluate(sp.guard(service, url=api.url, **SETTINGS[service]), data, OUT)
    spent = sp.spent_in(OUT)
    assert spent is not None and (spent.prompt_tokens, spent.answer_tokens) == (14 * 700, 14 * wrote)


@pytest.mark.parametrize("price", [-1.0, math.nan, math.inf])
def test_a_price_is_a_number_from_0(price: float) -> None:
    with pytest.raises(SafetyPairsError, match=r"expected a number from 0$"):
        sp.Prices(prompt=price)


def test_options_that_do_not_go_together(api: ChatAPI, data: str) -> None:
    words = ["evaluate", "colour-and-clutter", "--data", data, "--out", str(OUT), "--dry-run", "--retry", "failed"]
    done = CliRunner().invoke(group, words)
    assert done.exit_code == 2 and "give one of them" in done.stderr
