"""Counterfactual image pairs for safety: build, publish, load, score.

    import safetypairs_hf as sp

    ds = sp.load("my-org/safetypairs", version="1.2.0", split="test")
    rows = [{**row, "score": my_guard(row["image"])} for row in sp.images(ds)]
    print(sp.score(rows))

Importing this imports nothing heavy: what is named here is imported when it is first used. It also makes
`datasets.load_dataset("safetypairs")` work, whenever `datasets` is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetypairs_hf.loading.bare_name import register

if TYPE_CHECKING:
    from safetypairs_hf import taxonomy as taxonomy
    from safetypairs_hf.building.build import build as build
    from safetypairs_hf.building.recipe_offers import list_recipes as list_recipes
    from safetypairs_hf.core.errors import HubUnavailable as HubUnavailable
    from safetypairs_hf.core.errors import PairError as PairError
    from safetypairs_hf.core.errors import SafetyPairsError as SafetyPairsError
    from safetypairs_hf.core.errors import VersionMismatch as VersionMismatch
    from safetypairs_hf.core.records import Verdict as Verdict
    from safetypairs_hf.editors.catalogue import list_editors as list_editors
    from safetypairs_hf.evaluating.as_of import score as score
    from safetypairs_hf.evaluating.comparing import compare as compare
    from safetypairs_hf.evaluating.comparing import compare_many as compare_many
    from safetypairs_hf.evaluating.evaluate import evaluate as evaluate
    from safetypairs_hf.evaluating.hub_results import push_results as push_results
    from safetypairs_hf.evaluating.spending import Prices as Prices
    from safetypairs_hf.evaluating.spending import plan_evaluation as plan_evaluation
    from safetypairs_hf.evaluating.spending import spent_in as spent_in
    from safetypairs_hf.guards.catalogue import guard as guard
    from safetypairs_hf.guards.catalogue import list_guards as list_guards
    from safetypairs_hf.importing.import_pairs import import_pairs as import_pairs
    from safetypairs_hf.importing.layout import layout as layout
    from safetypairs_hf.importing.layout import layouts as layouts
    from safetypairs_hf.loading import autoload as autoload
    from safetypairs_hf.loading.images import images as images
    from safetypairs_hf.loading.load import load as load
    from safetypairs_hf.loading.show_pair import show as show
    from safetypairs_hf.metric import ManyComparison as ManyComparison
    from safetypairs_hf.metric import PairComparison as PairComparison
    from safetypairs_hf.metric import PairScore as PairScore
    from safetypairs_hf.metric import failures as failures
    from safetypairs_hf.metric import metric_path as metric_path
    from safetypairs_hf.metric.power_plan import power as power
    from safetypairs_hf.probing.leaks import leaks as leaks
    from safetypairs_hf.publishing.publish import publish as publish
    from safetypairs_hf.publishing.purge import purge as purge
    from safetypairs_hf.publishing.relabel import relabel as relabel
    from safetypairs_hf.publishing.takedown import takedown as takedown
    from safetypairs_hf.report.probe_report import probe as probe
    from safetypairs_hf.report.report import report as report
    from safetypairs_hf.report.run_status import status as status
    from safetypairs_hf.reviewing.exchange import export_review as export_review
    from safetypairs_hf.reviewing.exchange import figures_of_review as figures_of_review
    from safetypairs_hf.reviewing.exchange import import_review as import_review
    from safetypairs_hf.reviewing.review import review as review
    from safetypairs_hf.spaces.space import space as space
    from safetypairs_hf.training.export import export as export
    from safetypairs_hf.training.pair_augmentation import PairAugmentation as PairAugmentation
    from safetypairs_hf.training.pair_batches import PairBatchSampler as PairBatchSampler
    from safetypairs_hf.training.pair_loss import pair_loss as pair_loss
    from safetypairs_hf.training.pair_loss import pairwise_loss as pairwise_loss
    from safetypairs_hf.training.study import study as study
    from safetypairs_hf.training.train import train as train
    from safetypairs_hf.versions.diff import diff as diff
    from safetypairs_hf.versions.verify import verify as verify
    from safetypairs_hf.versions.versions import versions as versions

_WHERE = {
    "list_editors": "safetypairs_hf.editors.catalogue",
    "guard": "safetypairs_hf.guards.catalogue",
    "list_guards": "safetypairs_hf.guards.catalogue",
    "list_recipes": "safetypairs_hf.building.recipe_offers",
    "Verdict": "safetypairs_hf.core.records",
    "evaluate": "safetypairs_hf.evaluating.evaluate",
    "import_pairs": "safetypairs_hf.importing.import_pairs",
    "layout": "safetypairs_hf.importing.layout",
    "layouts": "safetypairs_hf.importing.layout",
    "load": "safetypairs_hf.loading.load",
    "images": "safetypairs_hf.loading.images",
    "score": "safetypairs_hf.evaluating.as_of",
    "show": "safetypairs_hf.loading.show_pair",
    "probe": "safetypairs_hf.report.probe_report",
    "compare": "safetypairs_hf.evaluating.comparing",
    "compare_many": "safetypairs_hf.evaluating.comparing",
    "failures": "safetypairs_hf.metric",
    "metric_path": "safetypairs_hf.metric",
    "PairScore": "safetypairs_hf.metric",
    "PairComparison": "safetypairs_hf.metric",
    "ManyComparison": "safetypairs_hf.metric",
    "SafetyPairsError": "safetypairs_hf.core.errors",
    "PairError": "safetypairs_hf.core.errors",
    "VersionMismatch": "safetypairs_hf.core.errors",
    "HubUnavailable": "safetypairs_hf.core.errors",
    "taxonomy": "safetypairs_hf.taxonomy",
    "review": "safetypairs_hf.reviewing.review",
    "export_review": "safetypairs_hf.reviewing.exchange",
    "figures_of_review": "safetypairs_hf.reviewing.exchange",
    "import_review": "safetypairs_hf.reviewing.exchange",
    "leaks": "safetypairs_hf.probing.leaks",
    "relabel": "safetypairs_hf.publishing.relabel",
    "space": "safetypairs_hf.spaces.space",
    "export": "safetypairs_hf.training.export",
    "PairAugmentation": "safetypairs_hf.training.pair_augmentation",
    "PairBatchSampler": "safetypairs_hf.training.pair_batches",
    "pair_loss": "safetypairs_hf.training.pair_loss",
    "pairwise_loss": "safetypairs_hf.training.pair_loss",
    "study": "safetypairs_hf.training.study",
    "train": "safetypairs_hf.training.train",
    "autoload": "safetypairs_hf.loading.autoload",
    "build": "safetypairs_hf.building.build",
    "diff": "safetypairs_hf.versions.diff",
    "Prices": "safetypairs_hf.evaluating.spending",
    "plan_evaluation": "safetypairs_hf.evaluating.spending",
    "spent_in": "safetypairs_hf.evaluating.spending",
    "power": "safetypairs_hf.metric.power_plan",
    "publish": "safetypairs_hf.publishing.publish",
    "purge": "safetypairs_hf.publishing.purge",
    "push_results": "safetypairs_hf.evaluating.hub_results",
    "report": "safetypairs_hf.report",
    "status": "safetypairs_hf.report.run_status",
    "takedown": "safetypairs_hf.publishing.takedown",
    "verify": "safetypairs_hf.versions.verify",
    "versions": "safetypairs_hf.versions",
}
# Modules: `sp.taxonomy.check` does what the command `taxonomy check` does. `report` and `versions` can be called.
_ROOMS = {"autoload", "report", "taxonomy", "versions"}
__all__ = sorted(_WHERE)

register()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("safetypairs-hf")
    if name not in _WHERE:
        raise AttributeError(f"module 'safetypairs_hf' has no attribute {name!r}")
    from importlib import import_module

    value = import_module(_WHERE[name]) if name in _ROOMS else getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
