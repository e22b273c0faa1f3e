"""The notebooks in `examples/`, executed from top to bottom in a kernel and a folder of their own."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"
# What a reader has to see in the outputs of each.
SHOWN = {
    "a_number_for_your_guard": (
        "220 pairs",
        ">0.0045<",
        "pair accuracy 0.005, 95% interval 0.001 to 0.031",
        ">0.0364<",
        "Pairs needed, in groups like these, if that difference is the true one: 326",
        "| function:nearest | **3.6** (1.8–7.1) |",
        "llama-guard-4",
    ),
    "your_own_pairs": (
        "40 pairs in runs/mine (32 test, 8 train)",
        "would publish 1.0.0 (last: none): 40 pairs added, 0 removed, 40 in all; nothing was changed",
        "./mine@1.0.0: 40 pairs, 2 data files,",
        "32 test pairs",
        ">1.0000<",
        "| function:orange | **100.0** (89.3–100.0) |",
        "a leaderboard Space in board: 7 files",
        "published 1.1.0: 10 pairs added, 0 removed, 50 in all",
        "1.1.0        50      10         0   import",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_a_notebook_runs_and_shows_its_figures(name: str, tmp_path: Path) -> None:
    if name == "a_number_for_your_guard":
        pytest.importorskip("matplotlib")
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    kinds = ("text/html", "text/markdown")
    shown = "\n".join(output.get("data", {}).get(kind, "") for output in outputs for kind in kinds)
    shown += "\n".join(output.get("text", "") for output in outputs)
    assert [words for words in SHOWN[name] if words not in shown] == []
    assert "\x1b" not in shown  # colours of a terminal
    assert (tmp_path / "report.html").is_file()


def test_every_notebook_is_executed_here_and_kept_without_outputs() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == set(SHOWN)
    for name in SHOWN:
        notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
        nbformat.validate(notebook)
        for cell in notebook.cells:
            # A page that shows a notebook, such as GitHub's, drops the style that blurs the unsafe members.
            assert cell.get("outputs", []) == [] and cell.get("execution_count") is None
            for link in re.findall(r"\]\(([^)#]+)[^)]*\)", cell.source if cell.cell_type == "markdown" else ""):
                assert (EXAMPLES / link).is_file(), f"{name}: {link}"
