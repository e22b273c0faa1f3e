"""The pages under docs/ that are written from the code: docs/guards.md and docs/columns.md.

`PYTHONPATH=tests python -m docs.reference_pages` writes them anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from safetypairs_hf.core.foreign_text import read_yaml
from safetypairs_hf.core.offer import Offer
from safetypairs_hf.core.resources import folder
from safetypairs_hf.dataset.schema import COLUMNS
from safetypairs_hf.guards.catalogue import list_guards

DOCS = Path(__file__).parents[2] / "docs"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


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
        "The guards that `safetypairs evaluate NAME` and `sp.guard(NAME)` know. This page is written from the same",
        "catalogue as `safetypairs guards NAME`; tests compare them, and run the commands.",
        "[Evaluate a guard](evaluating.md) has prompts, servers, hosted services and guards of your own. Images and",
        "activations need memory beyond that of the weights.",
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


PAGES = {"guards.md": guards_page, "columns.md": columns_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
