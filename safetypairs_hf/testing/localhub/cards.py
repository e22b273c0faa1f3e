"""The card of a repo, its README.md: find its metadata, read them, and report what the Hub refuses in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pygit2
import yaml

from safetypairs_hf.testing.localhub.refusals import Refusal

CARD = "README.md"
TAGGED = ("license", "language", "task_categories", "size_categories", "annotations_creators")
# The identifiers that https://huggingface.co/docs/hub/repositories-licenses lists.
LICENSES = (
    "apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m "
    "afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 "
    "cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 "
    "cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 "
    "cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl "
    "gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr "
    "mpl-2.0 odc-by odbl openmdw-1.0 openmdw-1.1 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl "
    "lgpl-lr deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 "
    "grok2-community gemma unknown other"
)
SIZES = "unknown n<1K 1K<n<10K 10K<n<100K 100K<n<1M 1M<n<10M 10M<n<100M 100M<n<1B 1B<n<10B 10B<n<100B 100B<n<1T n>1T"


def split_card(text: str) -> str | None:
    """Return the YAML block at the top of a card, after blank lines if there are any; None if there is no block."""
    from huggingface_hub.repocard import REGEX_YAML_BLOCK  # "exact same regex as in the Hub server"

    match = REGEX_YAML_BLOCK.search(text.removeprefix("\ufeff"))
    return match[2] if match else None


def problems(text: str, type_: str) -> list[str]:
    """Return what the Hub refuses in the metadata of a card, in its words; empty for valid or missing metadata.

    Args:
        text: The whole card.
        type_: The type of its repo: model, dataset or space.
    """
    block = split_card(text)
    if block is None or not block.strip():
        return []
    try:
        data = yaml.safe_load(block)
    except yaml.YAMLError as error:
        return [str(error)]
    if not isinstance(data, dict):
        return [f"the metadata is a {type(data).__name__}; expected key: value lines"]
    found = list(_unlisted(data, "license", LICENSES.split()))
    if type_ == "dataset":
        found += _unlisted(data, "size_categories", SIZES.split())
        found += [] if isinstance(data.get("configs", []), list) else ['"configs" must be an array']
    if type_ == "model":
        found += _model_index(data.get("model-index", []))
    return found


def check(tree: pygit2.Object, type_: str) -> None:
    """Raise Refusal (400) if the card of a repo's new tree has metadata that the Hub refuses."""
    if found := problems(_card(tree), type_):
        raise Refusal(400, f"Invalid metadata in {CARD}: {'; '.join(found)}")


def _unlisted(data: dict[Any, Any], key: str, allowed: list[str]) -> Iterator[str]:
    value = data.get(key)
    for number, item in enumerate(_listed(value)):
        if item not in allowed:
            where = f"{key}[{number}]" if isinstance(value, list) else key
            yield f'"{where}" must be one of [{", ".join(allowed)}]'


def _model_index(index: Any) -> Iterator[str]:
    """Yield the faults in the results that a model's card reports: missing fields, and values that are not lists."""
    yield from _array(index, "model-index")
    for i, model in enumerate(index if isinstance(index, list) else []):
        at = f"model-index[{i}]"
        yield from _required(model, at, "name")
        results = model.get("results") if isinstance(model, dict) else None
        yield from _array(results, f"{at}.results")
        for j, result in enumerate(results if isinstance(results, list) else []):
            yield from _result(result, f"{at}.results[{j}]")


def _result(result: Any, at: str) -> Iterator[str]:
    fields = result if isinstance(result, dict) else {}
    yield from _required(fields.get("task"), f"{at}.task", "type")
    yield from _required(fields.get("dataset"), f"{at}.dataset", "type", "name")
    metrics = fields.get("metrics")
    yield from _array(metrics, f"{at}.metrics")
    for number, metric in enumerate(metrics if isinstance(metrics, list) else []):
        yield from _required(metric, f"{at}.metrics[{number}]", "type", "value")


def _array(value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f'"{at}" must be an array'


def _required(value: Any, at: str, *keys: str) -> Iterator[str]:
    for key in keys:
        if not isinstance(value, dict) or value.get(key) is None:
            yield f'"{at}.{key}" is required'


def card_data(commit: pygit2.Commit) -> dict[str, Any]:
    """Return the metadata of the card; {} if the card or its metadata are missing or cannot be parsed."""
    block = split_card(_card(commit.tree))
    try:
        data = yaml.safe_load(block) if block else None
    except yaml.YAMLError:
        return {}
    return _plain(data) if isinstance(data, dict) else {}


def _card(tree: pygit2.Object) -> str:
    """Return the text of the card; "" if there is none."""
    item = tree[CARD] if isinstance(tree, pygit2.Tree) and CARD in tree else None
    return item.data.decode("utf-8", "replace") if isinstance(item, pygit2.Blob) else ""


def _plain(value: Any) -> Any:
    """Convert a YAML value to a JSON one: dates and other scalars become strings, sets become lists."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | set | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def tags_of(card: dict[str, Any]) -> list[str]:
    tags = [str(tag) for tag in _listed(card.get("tags"))]
    return tags + [f"{key}:{value}" for key in TAGGED for value in _listed(card.get(key))]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
