"""The guards by name, with settings as text: `make_guard("llavaguard", {"model": FOLDER_OR_ID, "commit": ...})`."""

from __future__ import annotations

import dataclasses
import importlib
import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError, printable
from safetypairs_hf.core.foreign_text import are_texts, read_yaml, reading
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.core.offer import Offer, OfferList, Setting, settings_of
from safetypairs_hf.core.records import Judge
from safetypairs_hf.core.settings import as_text, check_names, parameters_of, read_setting, to_give


class Entry(NamedTuple):
    """The description of a guard.

    Args:
        about: A description in one line.
        where: Its class as "module:Class", in this package or with dots; a dataclass whose fields are its settings.
        holds: The model class that it needs, or another way in which it is asked.
        covers: The categories that it judges.
        fixed: Defaults that differ from those of the class.
        server: The class of its `server` field, whose fields are settings of the guard too; "" if it has none. A chat
            guard is asked at a server if `url` is given.
        labels: The fields that the setting `labels`, a YAML file, gives together.
        license: The licence of the default weights; "" if it was not confirmed.
        given: The required settings in the form KEY=VALUE, as a user types them.
    """

    about: str
    where: str
    holds: str
    covers: str
    fixed: Mapping[str, Any] = {}
    server: str = ""
    labels: tuple[str, ...] = ()
    license: str = ""
    given: tuple[str, ...] = ()


_ALL, _OWN = "all", "the categories of its prompt or label map"
# The categories at fidelity "trained". A category of another taxonomy counts as the one of the nine that it maps to.
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
        license="terms of use on its page; gated",
        given=("prompt=llavaguard.txt", "commit=SHA"),
    ),
    "qwenguard": Entry(
        "QwenGuard 1.2: a rating in JSON",
        "trained:LlavaGuard",
        _QWEN,
        _TRAINED,
        {"model": "AIML-TUDA/QwenGuard-v1.2-7B"},
        server=_CHAT,
        given=("prompt=qwenguard.txt", "commit=SHA"),
    ),
    "shieldgemma": Entry(
        "ShieldGemma 2: Yes or No to one policy",
        "shieldgemma:ShieldGemma",
        "ShieldGemma2ForImageClassification",
        "trained: all of the nine but hate and disasters; common: all",
        license="Gemma terms of use; gated",
        given=("commit=SHA",),
    ),
    "llama-guard-3-vision": Entry(
        "Llama Guard 3 Vision: safe, or unsafe and codes",
        "trained:LlamaGuard",
        "MllamaForConditionalGeneration",
        _S_CODES,
        {"model": "meta-llama/Llama-Guard-3-11B-Vision", "hazards": "llama-guard-3-vision"},
        server=_CHAT,
        license="Llama 3.2 community license; gated",
        given=("commit=SHA",),
    ),
    "llama-guard-4": Entry(
        "Llama Guard 4: safe, or unsafe and codes",
        "trained:LlamaGuard",
        "Llama4ForConditionalGeneration",
        _S_CODES,
        server=_CHAT,
        license="Llama 4 community license; gated",
        given=("commit=SHA",),
    ),
    "guard-reasoner-vl": Entry(
        "GuardReasoner-VL: reasons, then harmful or unharmful",
        "trained:GuardReasonerVL",
        _QWEN,
        _TRAINED,
        server=_CHAT,
        given=("prompt=guard-reasoner-vl.txt", "commit=SHA"),
    ),
    "policy-shift-guard": Entry(
        "PolicyShiftGuard: true or false to a policy",
        "trained:PolicyShiftGuard",
        _QWEN,
        _ALL,
        server=_CHAT,
        given=("prompt=policy-shift-guard.txt", "commit=SHA"),
    ),
    "guard-reasoner-omni": Entry(
        "GuardReasoner-Omni: reasons, then harmful or unharmful",
        "trained:GuardReasonerOmni",
        "Qwen2_5OmniForConditionalGeneration",
        _TRAINED,
        server=_CHAT,
        given=("prompt=guard-reasoner-omni.txt", "commit=SHA"),
    ),
    "sing-guard": Entry(
        "SingGuard: safe or unsafe by a policy in its template",
        "policy_guards:SingGuard",
        "Qwen3VLForConditionalGeneration",
        _ALL,
        server=_CHAT,
        license="Apache-2.0",
        given=("commit=SHA",),
    ),
    "nemotron-content-safety": Entry(
        "Nemotron 3.5 Content Safety: safe or unsafe by a policy in its template",
        "policy_guards:NemotronContentSafety",
        "Gemma3ForConditionalGeneration",
        _ALL,
        server=_CHAT,
        given=("commit=SHA",),
    ),
    "safeguard-vl-rl": Entry(
        "SafeGuard-VL-RL: safe or unsafe to a policy",
        "trained:SafeGuardVL",
        _QWEN,
        _ALL,
        server=_CHAT,
        license="Apache-2.0",
        given=("prompt=safeguard-vl-rl.txt", "commit=SHA"),
    ),
    "safeatlas-guard": Entry(
        "SafeAtlas-Guard: one of five ordered levels",
        "safe_atlas:SafeAtlasGuard",
        "Qwen3VLForConditionalGeneration",
        _ALL,
        server=_CHAT,
        given=("prompt=safeatlas-guard.txt", "levels=A,B,C,D,E", "commit=SHA"),
    ),
    "chat-vlm": Entry(
        "any chat model that sees images: Yes or No to our policy",
        "chat_vlm:ChatVLM",
        "AutoModelForImageTextToText",
        _ALL,
        server=_CHAT,
        license="that of your model",
        given=("model=FOLDER",),
    ),
    "generated": Entry(
        "the same, but it writes its answer and the first word is read",
        "chat_vlm:GeneratedYesNo",
        "AutoModelForImageTextToText",
        _ALL,
        server=_CHAT,
        license="that of your model",
        given=("model=FOLDER",),
    ),
    "classifier": Entry(
        "any image classifier, with a label map",
        "classifier:Classifier",
        "AutoModelForImageClassification",
        _OWN,
        labels=("unsafe", "safe"),
        license="that of your model",
        given=("model=FOLDER", "labels=labels.yaml"),
    ),
    "head": Entry(
        "a head that `safetypairs train` made",
        "head:Head",
        "a folder of safetypairs train",
        "those it was trained on",
        license="that of your data and backbone",
        given=("model=FOLDER",),
    ),
    "clip": Entry(
        "CLIP, zero-shot",
        "zero_shot:ZeroShot",
        "CLIPModel",
        _ALL,
        given=("commit=SHA",),
    ),
    "siglip": Entry(
        "SigLIP, zero-shot",
        "zero_shot:ZeroShot",
        "SiglipModel",
        _ALL,
        {"model": "google/siglip-so400m-patch14-384"},
        given=("commit=SHA",),
    ),
    "server": Entry(
        "chat-vlm at an OpenAI-compatible server (vLLM, SGLang, hosted)",
        "chat_vlm:ChatVLM",
        "POST /v1/chat/completions",
        _ALL,
        {"url": "http://localhost:8000/v1"},
        server=_CHAT,
        license="that of your model",
        given=("url=http://localhost:8000/v1", "model=NAME"),
    ),
    "omni-moderation": Entry(
        "OpenAI's moderation endpoint",
        "moderation:Moderation",
        "POST /v1/moderations",
        "violence, sexual, nudity, self_harm, animal_cruelty",
        server="ModerationServer",
        license="a service of OpenAI",
    ),
    "anthropic": Entry(
        "a Claude model, by Anthropic's client: Yes or No to our policy",
        "claude:Claude",
        "POST /v1/messages",
        _ALL,
        license="a service of Anthropic",
        given=("model=NAME",),
    ),
    "gemini": Entry(
        "a Gemini model, by Google's client (or Vertex AI): Yes or No to our policy",
        "gemini:Gemini",
        "POST :generateContent",
        _ALL,
        license="a service of Google",
        given=("model=NAME",),
    ),
    "azure-content-safety": Entry(
        "Azure AI Content Safety: the severity of four harms",
        "content_safety:ContentSafety",
        "POST /contentsafety/image:analyze",
        "all of the nine but criminal_planning and disasters",
        license="a service of Microsoft",
        given=("url=https://NAME.cognitiveservices.azure.com",),
    ),
    "bedrock-guardrails": Entry(
        "a guardrail of AWS Bedrock: the confidence of its filters",
        "bedrock:BedrockGuardrail",
        "POST /guardrail/ID/version/V/apply",
        "all of the nine but self_harm and disasters",
        license="a service of Amazon",
        given=("guardrail=ID", "version=1", "region=us-east-1"),
    ),
    "opennsfw": Entry(
        "open_nsfw, real weights in a package",
        "opennsfw:OpenNSFW",
        "onnxruntime",
        "nudity",
        license="Apache-2.0, weights BSD-2-Clause",
    ),
    "function": Entry(
        "a Python function of yours",
        "user_guard:OwnFunction",
        "PIL image, slug -> P(unsafe)",
        _OWN,
        license="yours",
        given=("function=my_guard.py:judge",),
    ),
    "command": Entry(
        "a command of yours",
        "user_command:OwnCommand",
        "JSON Lines in, JSON Lines out",
        _OWN,
        license="yours",
        given=("command='python my_guard.py'",),
    ),
    "knows-some-items": Entry(
        "a guard of the demo: reads the icons, and knows some of them",
        "safetypairs_hf.icons.scene_guards:KnowsSomeItems",
        "no model",
        "the demo's icons",
        license="Apache-2.0",
    ),
    "colour-and-clutter": Entry(
        "a guard of the demo: calls red, dark and cluttered images unsafe",
        "safetypairs_hf.icons.scene_guards:ColourAndClutter",
        "no model",
        _ALL,
        license="Apache-2.0",
    ),
}


def guard_names() -> list[str]:
    """Return the names that `make_guard` takes, in the catalogue's order."""
    return list(GUARDS)


def guard_settings(name: str) -> list[str]:
    """Return the names of the settings that a guard takes.

    Raises:
        SafetyPairsError: There is no such guard.
    """
    return list(_settings(_entry(name)))


def list_guards() -> OfferList[Offer]:
    """Return the description of every guard, in the catalogue's order: a sequence that prints as a table."""
    return OfferList(tuple(map(guard_offer, GUARDS)))


def guard_offer(name: str) -> Offer:
    """Return the description of a guard: its settings, its licence and an example.

    Raises:
        SafetyPairsError: There is no such guard.
    """
    entry = _entry(name)
    kind = _class(entry.where)
    takers = [kind, *([_server(entry)] if entry.server else [])]
    fixed = {**({"url": ""} if entry.server == _CHAT else {}), **entry.fixed}
    settings = settings_of(*takers, only=list(_settings(entry)), **fixed)
    labels = Setting("labels", "a YAML file", "", True, "unsafe: category -> labels; safe: labels")
    facts = {"asked": entry.holds, "covers": entry.covers, "license": entry.license or "not confirmed; see its page"}
    return Offer(name, entry.about, facts, settings + ((labels,) if entry.labels else ()), _example(name, entry))


def _example(name: str, entry: Entry) -> str:
    def command(file: str, *given: str) -> str:
        return " ".join([f"safetypairs evaluate {name} --out {file}", *(f"--set {each}" for each in given)])

    here = command(f"{name}.parquet", *entry.given)
    if entry.server != _CHAT or name == "server":
        return here
    prompt = [each for each in entry.given if each.startswith(("prompt=", "levels="))]
    served = command(f"{name}-served.parquet", *prompt, "url=http://localhost:8000/v1", "model=NAME")
    return f"{here}\n{served}"


def make_guard(name: str, settings: Mapping[str, str]) -> Judge:
    """Make a guard by its name, from settings as text. Its model is loaded when it first judges.

    Args:
        name: A name of the catalogue.
        settings: Texts by name, such as `model`, `commit`, `fidelity`, `prompt`, `batch_size`. The label map of a
            classifier is `labels`, a YAML file with `unsafe` (category -> labels) and `safe` (labels).

    Returns:
        The guard.

    Raises:
        SafetyPairsError: There is no such guard or setting, a value has another type, or a setting is missing.
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


def guard(name: str, **settings: Any) -> Judge:
    """Make a guard by its name, as `safetypairs evaluate NAME --set KEY=VALUE` does.

    Args:
        name: A name of `list_guards()`.
        **settings: Each as a Python value or as the text that `--set` takes: `model="./llavaguard"`, `batch_size=8`.

    Returns:
        The guard. Its model is loaded when it first judges.

    Raises:
        SafetyPairsError: There is no such guard or setting, a value has another type, or a setting is missing.
    """
    return make_guard(name, {key: as_text(value) for key, value in settings.items()})


def _with_server(entry: Entry, values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the settings of a guard, with those of the server combined into a server object."""
    own = {field.name for field in dataclasses.fields(_server(entry))}
    inner = {key: value for key, value in values.items() if key in own}
    if entry.server == _CHAT and "model" not in inner:
        raise RecipeError(
            f"guard {name!r} at a server needs model, the name under which {inner['url']} has it; {to_give('model')}"
        )
    rest = {key: value for key, value in values.items() if key not in own}
    return {**rest, "server": _made(_server(entry), inner, name)}


def _refuse_server_settings(entry: Entry, values: Mapping[str, Any], name: str) -> None:
    guard = parameters_of(_class(entry.where))
    for key in ("top_logprobs", "forced", *(each for each in _settings(entry) if each not in guard)):
        if key in values:
            raise RecipeError(
                f"{key} is a setting of a server, and guard {name!r} has none; {to_give('url')} too, or leave {key} out"
            )


def _entry(name: str) -> Entry:
    if name not in GUARDS and re.search(r"\.py\b|:", name):
        file, _, function = name.partition(":")
        typed = shlex.quote(f"function={file}:{function or 'NAME'}")
        raise SafetyPairsError(
            f"no guard {name!r}: a function of yours is the guard `function`; type `evaluate function --set {typed}`"
        )
    if name not in GUARDS:
        raise SafetyPairsError(f"no guard {name!r}{hint(name, GUARDS)}; `safetypairs guards` lists all {len(GUARDS)}")
    return GUARDS[name]


def _class(where: str, package: str = "safetypairs_hf.guards") -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module if "." in module else f"{package}.{module}"), name)


def _server(entry: Entry) -> Any:
    if ":" in entry.server:
        return _class(entry.server, "safetypairs_hf.models")
    return _class(f"{entry.where.partition(':')[0]}:{entry.server}")


def _settings(entry: Entry) -> dict[str, Any]:
    """Return the settings of a guard, each with the annotation that its text is parsed by."""
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
        raise RecipeError(f"guard {name!r} needs {asked}; {to_give(asked)}")
    return kind(**values)
