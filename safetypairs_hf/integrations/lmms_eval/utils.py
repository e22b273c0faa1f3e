"""The functions that safetypairs.yaml names. lmms-eval imports this file by its path, so all imports are absolute.

`--limit` counts images and may cut a pair in two. Such a pair is left out, with a warning in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import counted
from safetypairs_hf.guards import verdicts
from safetypairs_hf.integrations.shared import answer_of, scored
from safetypairs_hf.metric.figures import Face, Figures, figures_in
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_file import read

if TYPE_CHECKING:
    from datasets import Dataset

_KEPT = ("pair_id", "reference", "category", "group")
# The answers have no scores, so figures that are computed from scores do not apply.
_FIGURES = [figure for figure in figures_in(Figures) if Face.HEADLINE in figure.faces and not figure.from_scores]


def process_docs(dataset: Dataset) -> Dataset:
    """Turn one row per pair into one row per image."""
    from safetypairs_hf.loading.images import images

    return images(dataset)


def doc_to_visual(doc: Mapping[str, Any]) -> list[Any]:
    """Return the image."""
    return [doc["image"].convert("RGB")]


def doc_to_text(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
    """Return the policy question of the image's category.

    `lmms_eval_specific_kwargs.taxonomy` names the `taxonomy.yaml` of data with other categories than the nine.
    """
    file = (lmms_eval_specific_kwargs or {}).get("taxonomy")
    return verdicts.question(doc["category"], _taxonomy(file) if file else NINE)


@cache
def _taxonomy(file: str) -> Taxonomy:
    return read(file)


def doc_to_target(doc: Mapping[str, Any]) -> str:
    """Return Yes for an unsafe image, No for a safe one."""
    return "Yes" if doc["reference"] else "No"


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the verdict on one image for every metric; pairs are counted at the end."""
    row = {name: doc[name] for name in _KEPT}
    row["prediction"] = answer_of(results[0])["prediction"]
    return dict.fromkeys((figure.name for figure in _FIGURES), row)


def _aggregation(name: str) -> Callable[[Sequence[Mapping[str, Any]]], float]:
    """Make the function that computes a figure from the rows of `process_results`."""

    def aggregate(results: Sequence[Mapping[str, Any]]) -> float:
        found = scored(results, incomplete="drop")
        if found.n_incomplete:
            import logging

            left = f"{counted(found.n_incomplete, 'pair')} with one image only"
            logging.getLogger(__name__).warning("%s left out of %s", left, name)
        return float(getattr(found, name))

    aggregate.__name__ = name
    return aggregate


metric_list = [
    {"metric": figure.name, "aggregation": _aggregation(figure.name), "higher_is_better": figure.better == "higher"}
    for figure in _FIGURES
]
