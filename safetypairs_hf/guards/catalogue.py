"""The guards by name, with settings as text: `make_guard("llavaguard", {"model": FOLDER_OR_ID, "commit": ...})`."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError, printable
from safetypairs_hf.core.foreign_text import are_texts, read_yaml, reading
from safetypairs_hf.core.records import Judge
from safetypairs_hf.core.settings import check_names, parameters_of, read_setting


class Entry(NamedTuple):
    """What the catalogue knows of a guard.

    Args:
        about: what it is, in a line.
        where: its class, a dataclass whose fields are its settings: "module:Class", of this package or with dots.
        holds: the class of model that it needs, or how else it is asked.
        covers: the categories that it judges.
        fixed: defaults that differ from those of the class.
        server: the class of its `server` field, whose fields are settings of the guard too; "" where it has none. A
            chat guard is asked at a server where `url` is given.
        labels: the fields that a YAML file gives together, by the setting `labels`.
    """

    about: str
    where: str
    holds: str
    covers: str
    fixed: Mapping[str, Any] = {}
    server: str = ""
    labels: tuple[str, ...] = ()


_ALL, _OWN = "all", "what its prompt or label map says"
# At "trained", the categories of the nine; a category of another taxonomy is what it maps to.
_TRAINED = "trained: all nine; common: all"
_S_CODES = "trained: all of the nine but disasters; common: all"
_QWEN = "Qwen2_5_VLForConditionalGeneration"
_CHAT = "chat_server:ChatServer"
GUARDS: dict[str, Entry] = {
    "llavaguard": Entry(
        "LlavaGuard 1.2: a rating in JSON",
        "trained:LlavaGuard",
        "LlavaOnevisionForConditionalGeneration",
        _TRAINED,
        server=_CHAT,
    ),
    "qwenguard": Entry(
        "QwenGuard 1.2: a rating in JSON",
        "trained:LlavaGuard",
        _QWEN,
        _TRAINED,
        {"model": "AIML-TUDA/QwenGuard-v1.2-7B"},
        server=_CHAT,
    ),
    "shieldgemma": Entry(
        "ShieldGemma 2: Yes or No to one policy",
        "shieldgemma:ShieldGemma",
        "ShieldGemma2ForImageClassification",
        "trained: all of the nine but hate and disasters; common: all",
    ),
    "llama-guard-3-vision": Entry(
        "Llama Guard 3 Vision: safe, or unsafe and codes",
        "trained:LlamaGuard",
        "MllamaForConditionalGeneration",
        _S_CODES,
        {"model": "meta-llama/Llama-Guard-3-11B-Vision", "hazards": "llama-guard-3-vision"},
        server=_CHAT,
    ),
    "llama-guard-4": Entry(
        "Llama Guard 4: safe, or unsafe and codes",
        "trained:LlamaGuard",
        "Llama4ForConditionalGeneration",
        _S_CODES,
        server=_CHAT,
    ),
    "guard-reasoner-vl": Entry(
        "GuardReasoner-VL: reasons, then harmful or unharmful",
        "trained:GuardReasonerVL",
        _QWEN,
        _TRAINED,
        server=_CHAT,
    ),
    "policy-shift-guard": Entry(
        "PolicyShiftGuard: true or false to a policy", "trained:PolicyShiftGuard", _QWEN, _ALL, server=_CHAT
    ),
    "guard-reasoner-omni": Entry(
        "GuardReasoner-Omni: reasons, then harmful or unharmful",
        "trained:GuardReasonerOmni",
        "Qwen2_5OmniForConditionalGeneration",
        _TRAINED,
        server=_CHAT,
    ),
    "sing-guard": Entry(
        "SingGuard: safe or unsafe by a policy in its template",
        "policy_guards:SingGuard",
        "Qwen3VLForConditionalGeneration",
        _ALL,
        server=_CHAT,
    ),
    "nemotron-content-safety": Entry(
        "Nemotron 3.5 Content Safety: safe or unsafe by a policy in its template",
        "policy_guards:NemotronContentSafety",
        "Gemma3ForConditionalGeneration",
        _ALL,
        server=_CHAT,
    ),
    "safeguard-vl-rl": Entry(
        "SafeGuard-VL-RL: safe or unsafe to a policy", "trained:SafeGuardVL", _QWEN, _ALL, server=_CHAT
    ),
    "safeatlas-guard": Entry(
        "SafeAtlas-Guard: one of five ordered levels",
        "safe_atlas:SafeAtlasGuard",
        "Qwen3VLForConditionalGeneration",
        _ALL,
        server=_CHAT,
    ),
    "chat-vlm": Entry(
        "any chat model that sees images: Yes or No to our policy",
        "chat_vlm:ChatVLM",
        "AutoModelForImageTextToText",
        _ALL,
        server=_CHAT,
    ),
    "generated": Entry(
        "the same, but it writes its answer and the first word is read",
        "chat_vlm:GeneratedYesNo",
        "AutoModelForImageTextToText",
        _ALL,
        server=_CHAT,
    ),
    "classifier": Entry(
        "any image classifier, with a label map",
        "classifier:Classifier",
        "AutoModelForImageClassification",
        _OWN,
        labels=("unsafe", "safe"),
    ),
    "head": Entry(
        "what `safetypairs train` made", "head:Head", "a folder of safetypairs train", "those it was trained on"
    ),
    "clip": Entry("CLIP, zero-shot", "zero_shot:ZeroShot", "CLIPModel", _ALL),
    "siglip": Entry(
        "SigLIP, zero-shot",
        "zero_shot:ZeroShot",
        "SiglipModel",
        _ALL,
        {"model": "google/siglip-so400m-patch14-384"},
    ),
    "server": Entry(
        "chat-vlm at an OpenAI-compatible server (vLLM, SGLang, hosted)",
        "chat_vlm:ChatVLM",
        "POST /v1/chat/completions",
        _ALL,
        {"url": "http://localhost:8000/v1"},
        server=_CHAT,
    ),
    "omni-moderation": Entry(
        "OpenAI's moderation endpoint",
        "moderation:Moderation",
        "POST /v1/moderations",
        "violence, sexual, nudity, self_harm, animal_cruelty",
        server="ModerationServer",
    ),
    "anthropic": Entry(
        "a Claude model, by Anthropic's client: Yes or No to our policy", "claude:Claude", "POST /v1/messages", _ALL
    ),
    "gemini": Entry(
        "a Gemini model, by Google's client (or Vertex AI): Yes or No to our policy",
        "gemini:Gemini",
        "POST :generateContent",
        _ALL,
    ),
    "azure-content-safety": Entry(
        "Azure AI Content Safety: the severity of four harms",
        "content_safety:ContentSafety",
        "POST /contentsafety/image:analyze",
        "all of the nine but criminal_planning and disasters",
    ),
    "bedrock-guardrails": Entry(
        "a guardrail of AWS Bedrock: the confidence of its filters",
        "bedrock:BedrockGuardrail",
        "POST /guardrail/ID/version/V/apply",
        "all of the nine but self_harm and disasters",
    ),
    "opennsfw": Entry("open_nsfw, real weights in a package", "opennsfw:OpenNSFW", "onnxruntime", "nudity"),
    "function": Entry("a Python function of yours", "user_guard:OwnFunction", "PIL image, slug -> P(unsafe)", _OWN),
    "command": Entry("a command of yours", "user_command:OwnCommand", "JSON Lines in, JSON Lines out", _OWN),
    "knows-some-items": Entry(
        "of the demo: reads the icons, and knows some of them",
        "safetypairs_hf.icons.scene_guards:KnowsSomeItems",
        "no model",
        "the demo's icons",
    ),
    "colour-and-clutter": Entry(
        "of the demo: takes red, dark and cluttered for unsafe",
        "safetypairs_hf.icons.scene_guards:ColourAndClutter",
        "no model",
        _ALL,
    ),
}


def guard_names() -> list[str]:
    """Return the names that make_guard takes, in the catalogue's order."""
    return list(GUARDS)


def guard_settings(name: str) -> list[str]:
    """Return the names of the settings that a guard takes.

    Raises:
        SafetyPairsError: no such guard.
    """
    return list(_settings(_entry(name)))


def make_guard(name: str, settings: Mapping[str, str]) -> Judge:
    """Make a guard. Its model is loaded when it first judges.

    Args:
        name: a name of the catalogue.
        settings: texts by name, such as `model`, `commit`, `fidelity`, `prompt`, `batch_size`. The label map of a
            classifier is `labels`, a YAML file with `unsafe` (category -> labels) and `safe` (labels).

    Raises:
        SafetyPairsError: no such guard, no such setting, a value of another kind, or a setting that is missing.
    """
    entry = _entry(name)
    takes = _settings(entry)
    check_names(settings, takes, f"guard {name!r}")
    values: dict[str, Any] = {**entry.fixed}
    for key, text in settings.items():
        values |= _read_labels(text, entry.labels) if key == "labels" else {key: read_setting(key, text, takes[key])}
    if entry.server and (entry.server != _CHAT or "url" in values):
        values = _with_server(entry, values, name)
    elif entry.server:
        _refuse_server_settings(entry, values, name)
    return _made(_class(entry.where), values, name)  # type: ignore[no-any-return]


def _with_server(entry: Entry, values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the settings of a guard with those of its server made into one."""
    own = {field.name for field in dataclasses.fields(_server(entry))}
    inner = {key: value for key, value in values.items() if key in own}
    if entry.server == _CHAT and "model" not in inner:
        raise RecipeError(
            f"guard {name!r} at a server needs model, the name under which {inner['url']} has it; give model=..."
        )
    rest = {key: value for key, value in values.items() if key not in own}
    return {**rest, "server": _made(_server(entry), inner, name)}


def _refuse_server_settings(entry: Entry, values: Mapping[str, Any], name: str) -> None:
    guard = parameters_of(_class(entry.where))
    for key in ("top_logprobs", "forced", *(each for each in _settings(entry) if each not in guard)):
        if key in values:
            raise RecipeError(
                f"{key} is of a server, and guard {name!r} has none; give url=... too, or leave {key} out"
            )


def _entry(name: str) -> Entry:
    if name not in GUARDS:
        near = difflib.get_close_matches(name.lower(), GUARDS, n=len(GUARDS), cutoff=0.5)
        listed = [*near, *(each for each in GUARDS if each not in near)]
        hint = f"; the nearest is {near[0]!r}" if near else ""
        raise SafetyPairsError(f"no guard {name!r}{hint}; there are {', '.join(listed)}")
    return GUARDS[name]


def _class(where: str, package: str = "safetypairs_hf.guards") -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module if "." in module else f"{package}.{module}"), name)


def _server(entry: Entry) -> Any:
    if ":" in entry.server:
        return _class(entry.server, "safetypairs_hf.models")
    return _class(f"{entry.where.partition(':')[0]}:{entry.server}")


def _settings(entry: Entry) -> dict[str, Any]:
    """Return the settings of a guard, each with the annotation that it is read by."""
    takers = [_server(entry)] if entry.server else []
    hidden = ("server", "name", "family", *entry.labels)
    takes = {key: kind for taker in (_class(entry.where), *takers) for key, kind in parameters_of(taker).items()}
    found = {key: kind for key, kind in takes.items() if key not in hidden}
    return found | ({"labels": str} if entry.labels else {})


def _read_labels(path: str, names: tuple[str, ...]) -> dict[str, Any]:
    wanted = "expected YAML such as 'unsafe: {nudity: [nsfw]}' and 'safe: [normal]'"
    with reading(f"labels = {path!r}", wanted, RecipeError):
        found = read_yaml(path)
    if not isinstance(found, dict) or set(found) != set(names) or not isinstance(found["unsafe"], dict):
        raise RecipeError(f"labels = {path!r}: {wanted}")
    for texts in (*found["unsafe"].values(), *(found[name] for name in names if name != "unsafe")):
        if texts and not are_texts(texts):
            raise RecipeError(f"labels = {path!r}: {printable(texts)} is no list of labels; {wanted}")
    return found | {"safe": found["safe"] or []}


def _made(kind: Any, values: Mapping[str, Any], name: str) -> Any:
    missing = [
        field.name
        for field in dataclasses.fields(kind)
        if field.name not in values and field.default is field.default_factory is dataclasses.MISSING
    ]
    if missing:
        asked = "labels" if set(missing) <= {"unsafe", "safe"} else missing[0]
        raise RecipeError(f"guard {name!r} needs {asked}; give {asked}=...")
    return kind(**values)
