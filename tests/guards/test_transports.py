"""Every chat guard in this process and at a server that runs the same model, which was taught to write as it does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openai")
pytest.importorskip("transformers")

from small_guards import judge

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.models.chat import as_pil
from safetypairs_hf.models.chat_server import ChatServer
from safetypairs_hf.testing.model_server import ModelServer, model_server
from safetypairs_hf.testing.tiny import chat_vlm, gemma, llama_guards, onevision, qwen3_vl, qwen_omni, qwen_vl
from safetypairs_hf.testing.tiny.lessons import Lesson, teach

# Words of one token each, as those of the real guards are.
WORDS = ("Unsafe", "Safe", "unsafe", "safe", "true", "false", "harmful", "unharmful")
IMAGES = [encode(np.full((64, 64, 3), colour, np.uint8)) for colour in ((250, 10, 10), (10, 250, 10))]
SHARES = (0.8, 0.3)  # of the unsafe answer, to the first image and to the second
RATING = '{{\n    "rating": "{}"\n}}'
REASONED = "<think>Red?</think><result>\nRequest: {}\n</result>"
# How its model is made, and the unsafe and the safe answer in the words of its training.
GUARDS: dict[str, tuple[Any, str, str]] = {
    "llavaguard": (onevision.make, RATING.format("Unsafe"), RATING.format("Safe")),
    "qwenguard": (qwen_vl.make, RATING.format("Unsafe"), RATING.format("Safe")),
    "policy-shift-guard": (qwen_vl.make, "true, O2", "false, none"),
    "guard-reasoner-vl": (qwen_vl.make, REASONED.format("harmful"), REASONED.format("unharmful")),
    "llama-guard-3-vision": (llama_guards.llama_3, "\n\nunsafe\nS1", "\n\nsafe"),
    "llama-guard-4": (llama_guards.llama_4, "\n\nunsafe\nS1", "\n\nsafe"),
    "guard-reasoner-omni": (qwen_omni.make, REASONED.format("harmful"), REASONED.format("unharmful")),
    "safeguard-vl-rl": (qwen_vl.make, "unsafe", "safe"),
    "sing-guard": (qwen3_vl.sing_guard, "unsafe\n<answer>Harm</answer>", "safe\n<answer>Safe</answer>"),
    "nemotron-content-safety": (gemma.make, "User Safety: unsafe", "User Safety: safe"),
    "safeatlas-guard": (qwen3_vl.make, "Safety: grave\nCategories: red", "Safety: calm\nCategories: no"),
    "chat-vlm": (chat_vlm.make, "Yes.", "No."),
}
LEVELS = ("calm", "mild", "mixed", "harsh", "grave")
# Steps and rate of the lessons, where others do better.
LESSONS = {
    "llama-guard-4": (90, 5e-3),
    "guard-reasoner-omni": (40, 1e-2),
    "safeguard-vl-rl": (30, 1e-2),
    "sing-guard": (40, 1e-2),
    "nemotron-content-safety": (50, 2e-2),
    "safeatlas-guard": (40, 1e-2),
}
# In the place of a policy, which would take long to learn.
SHORT = {"sing-guard": '{"policy": "### A. Harm"}', "nemotron-content-safety": '{"custom_policy": "Harm"}'}
IN_TEMPLATES = ("llama-guard-3-vision", "llama-guard-4", "sing-guard", "nemotron-content-safety", "chat-vlm")
NEEDS = {"llama-guard-4": pytest.mark.skipif(not find_spec("torchvision"), reason="its processor needs torchvision")}
REASONING = {"guard-reasoner-vl": 2048, "guard-reasoner-omni": 4096}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    taught.folder = tmp_path_factory.mktemp("taught")  # type: ignore[attr-defined]
    yield
    taught.cache_clear()


@cache
def taught(name: str) -> Any:
    """The guard in this process, which writes one of its two answers to each image."""
    make, unsafe, safe = GUARDS[name]
    place: Path = taught.folder / name  # type: ignore[attr-defined]
    own = {"safeatlas-guard": LEVELS, "nemotron-content-safety": ("unsafe", "safe")}
    words = {"words": own.get(name, WORDS)}
    settings = {"model": str(make(place, **({} if name == "chat-vlm" else words)))}
    if name == "safeatlas-guard":
        settings["levels"] = ",".join(LEVELS)
    if name not in IN_TEMPLATES:
        prompt = place.with_suffix(".txt")
        prompt.write_text("Judge: {category}.")
        settings["prompt"] = str(prompt)
    if name in SHORT:
        settings["chat_template_kwargs"] = SHORT[name]
    guard: Any = make_guard(name, settings)
    lessons = []
    for image, share in zip(IMAGES, SHARES, strict=True):
        turns, keywords = guard.turns(as_pil(image), "violence"), guard.template_kwargs("violence")
        lessons += [Lesson(turns, unsafe, share, keywords), Lesson(turns, safe, 1 - share, keywords)]
    teach(guard.loaded, lessons, *LESSONS.get(name, (70, 3e-3)))
    return guard


@pytest.fixture
def serve() -> Iterator[Any]:
    """Serve a guard's model; returns the same guard at the server, with settings, and the server."""
    with ExitStack() as open_servers:

        def at(name: str, *, logprobs: bool = True, **settings: Any) -> tuple[Any, ModelServer]:
            server = ModelServer(taught(name).loaded, name, logprobs=logprobs)
            url = open_servers.enter_context(model_server(server))
            return dataclasses.replace(taught(name), server=ChatServer(name, url, retries=0), **settings), server

        yield at


def same(one: Any, other: Any) -> None:
    assert [each.note for each in one] == [each.note for each in other] == ["", ""]
    assert [each.p_unsafe for each in one] == pytest.approx([each.p_unsafe for each in other], abs=1e-4)


@pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS.get(name, ())) for name in GUARDS])
def test_both_sides_of_the_wire_agree(name: str, serve: Any) -> None:
    here = judge(taught(name), IMAGES)
    assert here[0].p_unsafe > 0.6 and here[1].p_unsafe < 0.4
    guard, server = serve(name)
    there = judge(guard, IMAGES)
    same(here, there)
    assert [each.raw for each in there] == [GUARDS[name][1], GUARDS[name][2]]  # all that it wrote
    assert guard.name == f"{guard.kind}:{name}" and guard.revision == f"served:org/{name}"
    assert (guard.holds_model, guard.costly, guard.dtype, guard.fidelity) == (False, True, None, taught(name).fidelity)
    limit = {request["max_tokens"] for request in server.requests}
    assert limit == {REASONING.get(name, 32)}
    # In this process it may write, too: the verdict is then weighed where it is written.
    writes = dataclasses.replace(taught(name), max_tokens=48)
    writes.__dict__["loaded"] = taught(name).loaded
    same(here, judge(writes, IMAGES))


@pytest.mark.parametrize(
    ("name", "settings", "written"),
    [
        ("llavaguard", {"forced": "prefill"}, 'Unsafe"\n}'),
        ("policy-shift-guard", {"forced": "choice"}, "true"),
        ("chat-vlm", {"forced": "choice"}, "Yes"),
    ],
)
def test_a_verdict_that_is_forced(name: str, settings: Any, written: str, serve: Any) -> None:
    guard, _ = serve(name, **settings)
    there = judge(guard, IMAGES)
    same(judge(taught(name), IMAGES), there)
    assert there[0].raw.endswith(written)


def test_a_verdict_alone_is_1_or_0(serve: Any) -> None:
    for settings in ({"top_logprobs": 0}, {"top_logprobs": 1}):  # none at all, and not the other word
        guard, server = serve("policy-shift-guard", **settings)
        assert [each.p_unsafe for each in judge(guard, IMAGES)] == [1.0, 0.0]
        assert server.requests[0].get("top_logprobs") == (settings["top_logprobs"] or None)
    guard, _ = serve("policy-shift-guard", logprobs=False)
    with pytest.raises(SafetyPairsError, match=r"refuses log probabilities \(400: .*top_logprobs=0 for none"):
        judge(guard, IMAGES)


def test_what_a_server_gave_in_a_line(serve: Any) -> None:
    guard, server = serve("policy-shift-guard", chat_template_kwargs={"enable_thinking": False})
    verdict, line = guard.preflight(IMAGES[0], "violence")
    assert verdict == judge(guard, IMAGES[:1])[0] and "\n" not in line
    assert " serves policy-shift-guard (org/policy-shift-guard); one image in " in line
    assert line.endswith(f"P(unsafe) {verdict.p_unsafe:.4f}, 'true, O2'; 20 alternatives a token")
    assert server.requests[0]["chat_template_kwargs"] == {"enable_thinking": False}


def test_images_are_downscaled_only_by_a_setting(serve: Any) -> None:
    guard, server = serve("policy-shift-guard")
    large = encode(np.zeros((40, 80, 3), np.uint8))
    judge(guard, [large])
    judge(dataclasses.replace(guard, server=dataclasses.replace(guard.server, max_side=20)), [large])
    sent = [request["messages"][0]["content"][0]["image_url"]["url"] for request in server.requests]
    assert sent[0] == guard.server.image_part(large)["image_url"]["url"]
    small = guard.server.image_part(encode(np.zeros((10, 20, 3), np.uint8)))["image_url"]["url"]
    assert sent[1] == small
    assert dataclasses.replace(guard.server, max_side=20) != guard.server  # it is recorded


def test_by_name_and_settings() -> None:
    settings = {"url": "http://h/v1", "model": "m", "extra_body": '{"top_k": 1}', "concurrency": "3"}
    for name in (*GUARDS, "llama-guard-4", "server"):
        more = {} if name in ("chat-vlm", "server") else {"fidelity": "common"}
        guard: Any = make_guard(name, settings | more)
        assert guard.server == ChatServer("m", extra_body={"top_k": 1}) and guard.server.concurrency == 3
    with pytest.raises(RecipeError, match="concurrency = 0, retries = 5, timeout = 120: expected"):
        make_guard("server", {"model": "m", "concurrency": "0"})
