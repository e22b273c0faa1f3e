"""The inspect-ai task, run by inspect-ai: its metric gives the figures of `score`."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai")

import inspect_ai
from answers import PAIRS, expected, publish_squares, word_of
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    Logprob,
    Logprobs,
    ModelOutput,
    ModelUsage,
    TopLogprob,
    get_model,
)
from PIL import Image

import safetypairs_hf as sp
from safetypairs_hf.integrations.flat import flat
from safetypairs_hf.integrations.inspect_task import safetypairs


def looked_at(message: Any) -> Any:
    data = message.content[0].image.removeprefix("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def answer(messages: Any, *_: Any) -> ModelOutput:
    said = word_of(looked_at(messages[0]))
    # With a usage of its own the mock model counts no tokens, for which it would download a tokenizer.
    return ModelOutput(model="mock", choices=[_choice(said)], usage=ModelUsage())


def _choice(said: str, logprobs: Logprobs | None = None) -> ChatCompletionChoice:
    return ChatCompletionChoice(message=ChatMessageAssistant(content=said), logprobs=logprobs)


def run(task: Any, outputs: Any, folder: Path) -> Any:
    model = get_model("mockllm/model", custom_outputs=outputs, memoize=False)
    (log,) = inspect_ai.eval(task, model=model, log_dir=str(folder / "logs"), display="none")
    assert log.status == "success", log.error
    return log


def figures(log: Any) -> dict[str, float]:
    return {name: metric.value for name, metric in log.results.scores[0].metrics.items()}


def test_the_figures_are_those_of_score(tmp_path: Path) -> None:
    data = publish_squares(tmp_path)
    log = run(safetypairs(f"{data}@1.0.0"), answer, tmp_path)
    rows = expected(sp.images(sp.load(data, version="1.0.0", split="test")))
    assert len(log.samples) == 2 * PAIRS
    assert figures(log) == flat(sp.score(rows))
    assert 0 < figures(log)["abstention_rate"] < 1
    assert not any("unsafe" in sample.id or "safe" in sample.id for sample in log.samples)
    assert "Does the image show anything" in log.samples[0].input[0].text


def test_log_probabilities_give_scores_and_pairs_limit_whole_pairs(tmp_path: Path) -> None:
    def outputs(messages: Any, *_: Any) -> ModelOutput:
        yes = 0.9 if word_of(looked_at(messages[0])) == "Yes" else 0.3
        top = [TopLogprob(token="Yes", logprob=math.log(yes)), TopLogprob(token=" no", logprob=math.log(1 - yes))]
        first = Logprob(token="Yes", logprob=math.log(yes), top_logprobs=top)
        return ModelOutput(model="mock", choices=[_choice("Yes", Logprobs(content=[first]))], usage=ModelUsage())

    data = publish_squares(tmp_path)
    log = run(safetypairs(data, pairs=3), outputs, tmp_path)
    assert figures(log)["n_pairs"] == 3
    assert "auroc" in figures(log)
    kept = [sample.scores["pair_verdict"].metadata for sample in log.samples]
    assert {round(each["score"], 12) for each in kept} <= {0.9, 0.3}
    assert all(each["prediction"] == (each["score"] >= 0.5) for each in kept)
