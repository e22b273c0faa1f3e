"""The pages under docs/ that are written from the code: guards.md, columns.md, commands.md and api.md.

What the site alone can read, such as `::: safetypairs_hf.loading.load.load`, stands in a comment, which GitHub does not
show; docs/repository_links.py takes it out of the comment.

`PYTHONPATH=tests python -m docs.reference_pages` writes them anew.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import safetypairs_hf as sp
from safetypairs_hf.cli import COMMANDS
from safetypairs_hf.core.foreign_text import read_yaml
from safetypairs_hf.core.offer import Offer
from safetypairs_hf.core.resources import folder
from safetypairs_hf.dataset.schema import COLUMNS
from safetypairs_hf.guards.catalogue import list_guards

DOCS = Path(__file__).parents[2] / "docs"
# The extra of the package that a guard needs: by its name, else that of models in this process.
EXTRAS = {
    **dict.fromkeys(("function", "command", "colour-and-clutter"), ""),
    **dict.fromkeys(("server", "omni-moderation"), "server"),
    **dict.fromkeys(("anthropic", "gemini", "opennsfw"), "{}"),
    "azure-content-safety": "azure",
    "bedrock-guardrails": "bedrock",
    "head": "train",
    "knows-some-items": "demo",
}
# The page that explains a command.
GUIDES = {
    **dict.fromkeys(("build", "editors", "recipes", "status", "taxonomy"), "building.md"),
    **dict.fromkeys(("publish", "versions", "diff", "verify", "takedown"), "publishing.md"),
    **dict.fromkeys(("score", "compare", "failures", "power"), "scoring.md"),
    **dict.fromkeys(("train", "study", "export"), "training.md"),
    "demo": "quick-start.md",
    "import": "importing.md",
    "guards": "guards.md",
    "layouts": "layouts.md",
    "review": "review.md",
    "probe": "probe.md",
    "relabel": "errata.md",
    "evaluate": "evaluating.md",
    "report": "report.md",
    "space": "spaces.md",
    "results": "leaderboard.md",
    "autoload": "loading.md#the-bare-name",
    "localhub": "localhub.md",
}
# The sections of the reference of Python, each with the places of its names.
API = {
    "Load": (
        "safetypairs_hf.loading.load.load",
        "safetypairs_hf.loading.images.images",
        "safetypairs_hf.loading.show_pair.show",
        "safetypairs_hf.core.records.Verdict",
    ),
    "Evaluate a guard": (
        "safetypairs_hf.guards.catalogue.guard",
        "safetypairs_hf.guards.catalogue.list_guards",
        "safetypairs_hf.evaluating.evaluate.evaluate",
        "safetypairs_hf.evaluating.spending.plan_evaluation",
        "safetypairs_hf.evaluating.spending.spent_in",
        "safetypairs_hf.evaluating.spending.Prices",
    ),
    "Score and compare": (
        "safetypairs_hf.evaluating.as_of.score",
        "safetypairs_hf.evaluating.comparing.compare",
        "safetypairs_hf.evaluating.comparing.compare_many",
        "safetypairs_hf.metric.score.failures",
        "safetypairs_hf.metric.score.PairScore",
        "safetypairs_hf.metric.compare.PairComparison",
        "safetypairs_hf.metric.compare_many.ManyComparison",
        "safetypairs_hf.metric.power_plan.power",
        "safetypairs_hf.report.report.report",
        "safetypairs_hf.metric.metric_path",
    ),
    "Import, build, maintain": (
        "safetypairs_hf.building.build.build",
        "safetypairs_hf.report.run_status.status",
        "safetypairs_hf.importing.import_pairs.import_pairs",
        "safetypairs_hf.importing.layout.layouts",
        "safetypairs_hf.importing.layout.layout",
        "safetypairs_hf.building.recipe_offers.list_recipes",
        "safetypairs_hf.editors.catalogue.list_editors",
        "safetypairs_hf.taxonomy",
        "safetypairs_hf.publishing.publish.publish",
        "safetypairs_hf.versions.versions.versions",
        "safetypairs_hf.versions.diff.diff",
        "safetypairs_hf.versions.verify.verify",
        "safetypairs_hf.publishing.relabel.relabel",
        "safetypairs_hf.publishing.takedown.takedown",
        "safetypairs_hf.publishing.purge.purge",
        "safetypairs_hf.report.probe_report.probe",
        "safetypairs_hf.probing.leaks.leaks",
    ),
    "Review": (
        "safetypairs_hf.reviewing.review.review",
        "safetypairs_hf.reviewing.exchange.export_review",
        "safetypairs_hf.reviewing.exchange.import_review",
        "safetypairs_hf.reviewing.exchange.figures_of_review",
    ),
    "Train": (
        "safetypairs_hf.training.train.train",
        "safetypairs_hf.training.study.study",
        "safetypairs_hf.training.export.export",
        "safetypairs_hf.training.pair_batches.PairBatchSampler",
        "safetypairs_hf.training.pair_augmentation.PairAugmentation",
        "safetypairs_hf.training.pair_loss.pair_loss",
        "safetypairs_hf.training.pair_loss.pairwise_loss",
    ),
    "Errors": (
        "safetypairs_hf.core.errors.SafetyPairsError",
        "safetypairs_hf.core.errors.PairError",
        "safetypairs_hf.core.errors.VersionMismatch",
        "safetypairs_hf.core.errors.HubUnavailable",
    ),
    "Share on the Hub": (
        "safetypairs_hf.evaluating.hub_results.push_results",
        "safetypairs_hf.loading.autoload",
        "safetypairs_hf.spaces.space.space",
    ),
}


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def extra(offer: Offer) -> str:
    """Return what to install for a guard, beside the package itself; "" for nothing."""
    name = EXTRAS.get(offer.name, "gpu").format(offer.name)
    served = name == "gpu" and any(each.name == "url" for each in offer.settings)
    return f"`safetypairs-hf[{name}]`{served * '; at a server `safetypairs-hf[server]` alone'}" if name else ""


def memory(offer: Offer) -> str:
    """Return the memory of the weights in 16 bits, from the number of parameters in the name of the default model."""
    model = next((each.default for each in offer.settings if each.name == "model"), "")
    if size := re.search(r"(\d+(?:\.\d+)?)b\b", model, re.IGNORECASE):
        billions = float(size[1])
        return f"{billions * 2e9 / 2**30:.0f} GiB for the weights in 16 bits, computed from the {size[1]}B in its name"
    return ""


def guards_page() -> str:
    """Return docs/guards.md."""
    lines = [
        "# Every guard",
        "",
        "`safetypairs evaluate NAME` and `sp.guard(NAME)` run these guards; `safetypairs guards NAME` prints their",
        "settings. [Evaluate a guard](evaluating.md#which-guard) helps to choose one, and has prompts, servers, hosted",
        "services and guards of your own.",
        "",
        "The row *install* names an extra of the package: `pip install 'safetypairs-hf[gpu]'`, or, in a checkout,",
        "`pip install '.[gpu]'`. The row *memory* is that of the weights; images and activations need more.",
        "",
    ]
    for offer in list_guards():
        facts = {key: cell(value) for key, value in offer.facts.items()}
        model = next((each.default for each in offer.settings if each.name == "model"), "")
        lines += [f"## {offer.name}", "", f"{cell(offer.about)}.", "", "| | |", "|---|---|"]
        if model:
            lines.append(f"| default model | `{model}` |")
        lines += [
            f"| model class, or how it is asked | `{facts['asked']}` |",
            f"| covers | {facts['covers']} |",
            f"| licence | {facts['license']} |",
        ]
        if found := extra(offer):
            lines.append(f"| install | {found} |")
        if found := memory(offer):
            lines.append(f"| memory | {found} |")
        if names := ", ".join(f"`{each.name}`" for each in offer.settings):
            lines.append(f"| settings | {names} |")
        for command in offer.example.splitlines():
            mark = mark_of(offer.name, command)
            lines += ["", *([f"<!-- {mark} -->"] if mark else []), "```console", f"$ {wrapped(command)}", "```"]
        lines += [""]
    return "\n".join(lines)


def wrapped(command: str) -> str:
    """Return a command with its options on lines that the site shows without scrolling."""
    lines = [""]
    for part in re.split(r" (?=--)", command):
        if lines[-1] and len(lines[-1]) + len(part) > 76:
            lines.append(f"    {part}")
        else:
            lines[-1] = f"{lines[-1]} {part}".lstrip() if len(lines) == 1 else f"{lines[-1]} {part}"
    return " \\\n".join(lines)


def mark_of(guard: str, command: str) -> str:
    """Return the mark of a guard's command (see pages.py): "" for one that is cheap, or of a kind of its own."""
    if guard == "llama-guard-4" and "url=" not in command:
        return "not run: its image processor needs torchvision; tests/guards/test_with_torchvision.py runs it"
    if guard == "head":
        return "not run: docs/training.md makes such a folder, and runs it"
    if "SHA" in command or "FOLDER" in command:
        return "thorough: it loads a model"
    served = "url=http://localhost" in command and guard not in ("llavaguard", "server")
    return "thorough: it is asked as llavaguard is at a server" if served else ""


def columns_page() -> str:
    """Return docs/columns.md."""
    about = read_yaml(str(folder("dataset_card") / "columns.yaml"))
    lines = [
        "# Columns",
        "",
        "The columns of a published version: a row is a pair. `sp.images(ds)` makes a row of each image, with",
        "`reference` (1 unsafe, 0 safe).",
        "",
        "| column | Arrow type | holds |",
        "|---|---|---|",
    ]
    lines += [f"| `{name}` | `{cell(str(kind))}` | {cell(about[name])} |" for name, kind in COLUMNS.items()]
    lines += ["", "Images are lossless PNG, so every pixel outside `edit_box` can be compared.", ""]
    return "\n".join(lines)


def commands_page() -> str:
    """Return docs/commands.md."""
    lines = [
        "# Commands",
        "",
        "`safetypairs COMMAND --help` prints all options of a command, with examples.",
        "[The command line](command-line.md) has the rules that hold for all commands: exit status, output, options in",
        "the environment, completion.",
        "",
        "| command | what it does | guide |",
        "|---|---|---|",
        *(f"| `safetypairs {name}` | {cell(about)} | {guide(name)} |" for name, about in COMMANDS.items()),
        "",
        "<!--",
        "::: mkdocs-click",
        "    :module: safetypairs_hf.cli",
        "    :command: group",
        "    :prog_name: safetypairs",
        "    :depth: 1",
        "    :style: plain",
        "-->",
        "",
    ]
    return "\n".join(lines)


def guide(command: str) -> str:
    """Return a link to the guide that explains a command, as its first heading names it."""
    page, _, _ = GUIDES[command].partition("#")
    heading = (DOCS / page).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    return f"[{heading}]({GUIDES[command]})"


def api_page() -> str:
    """Return docs/api.md."""
    lines = [
        "# Python",
        "",
        "```python",
        "import safetypairs_hf as sp",
        "```",
        "",
        "Every public name of the package is on this page. Importing the package is quick: each name loads its module",
        "when it is first used. `help(sp.score)` prints the arguments, results and errors of a function, as does the",
        "site (`make docs`).",
    ]
    for section, places in API.items():
        lines += ["", f"## {section}", "", "| name | what it is |", "|---|---|"]
        lines += [f"| `sp.{place.rpartition('.')[2]}` | {cell(summary(place))} |" for place in places]
        for place in places:
            lines += ["", f"<!-- ::: {place} -->"]
    return "\n".join([*lines, ""])


def summary(place: str) -> str:
    """Return the first paragraph of the docstring of a name, by its place in the package."""
    module, _, name = place.rpartition(".")
    named = getattr(sp, name)
    if inspect.ismodule(named) and named.__name__ != place:  # a room that can be called, such as `sp.report`
        named = getattr(import_module(module), name)
    return (inspect.getdoc(named) or "").partition("\n\n")[0]


PAGES = {"guards.md": guards_page, "columns.md": columns_page, "commands.md": commands_page, "api.md": api_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
