"""What safetypairs.yaml calls. lmms-eval imports this file by itself, so every import of ours is absolute.

`--limit` counts images and may cut a pair in two, which is then left out and said so in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from safetypairs_hf.guards import verdicts
from safetypairs_hf.integrations.shared import answer_of, scored

if TYPE_CHECKING:
    from datasets import Dataset

_KEPT = ("pair_id", "reference", "category", "group")
_METRICS = (
    *("pair_accuracy", "image_accuracy", "both_unsafe_rate"),
    *("both_safe_rate", "inverted_rate", "abstained_rate"),
)


def process_docs(dataset: Dataset) -> Dataset:
    """One row an image, in place of one a pair."""
    from safetypairs_hf.loading.images import images

    return images(dataset)


def doc_to_visual(doc: Mapping[str, Any]) -> list[Any]:
    """The image."""
    return [doc["image"].convert("RGB")]


def doc_to_text(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
    """The policy question of the image's category."""
    return verdicts.question(doc["category"])


def doc_to_target(doc: Mapping[str, Any]) -> str:
    """Yes of an unsafe image, No of a safe one."""
    return "Yes" if doc["reference"] else "No"


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The verdict of one image, for each metric to be counted by pairs in the end."""
    row = {name: doc[name] for name in _KEPT}
    row["prediction"] = answer_of(results[0])["prediction"]
    return dict.fromkeys(_METRICS, row)


def pair_accuracy(results: Sequence[Mapping[str, Any]]) -> float:
    """See METRIC's definition in `safetypairs_hf.metric`."""
    return _figure(results, "pair_accuracy")


def image_accuracy(results: Sequence[Mapping[str, Any]]) -> float:
    return _figure(results, "image_accuracy")


def both_unsafe_rate(results: Sequence[Mapping[str, Any]]) -> float:
    return _figure(results, "both_unsafe_rate")


def both_safe_rate(results: Sequence[Mapping[str, Any]]) -> float:
    return _figure(results, "both_safe_rate")


def inverted_rate(results: Sequence[Mapping[str, Any]]) -> float:
    return _figure(results, "inverted_rate")


def abstained_rate(results: Sequence[Mapping[str, Any]]) -> float:
    return _figure(results, "abstained_rate")


def _figure(results: Sequence[Mapping[str, Any]], name: str) -> float:
    found = scored(results, incomplete="drop")
    if found.n_incomplete:
        import logging

        logging.getLogger(__name__).warning(
            "%d pairs with one image only were left out of %s", found.n_incomplete, name
        )
    return float(getattr(found, name))
