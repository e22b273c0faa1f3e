"""The page of a run: its funnel by stage, and what came through by category."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetypairs_hf.building.run_reader import read_state
from safetypairs_hf.core import funnel
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.report import plots
from safetypairs_hf.report.page import Block, Page, Table
from safetypairs_hf.reviewing.read_review import read_review, review_stages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run_page(url: str) -> Page:
    """Make the page of the run folder at `url`, finished or not. Raises RunError if there is none."""
    run = open_run(url)
    state = read_state(run)
    if state.finished:
        state.funnel["stages"] = [*state.funnel["stages"], *review_stages(run, read_review(run))]
    stages: list[dict[str, Any]] = state.funnel["stages"]
    progress = "finished" if state.finished else "not finished: the command that began it goes on with it"
    blocks = [
        Block(
            "Funnel",
            "What went into each stage, what came out, and why the rest did not.",
            plots.funnel_bars(stages),
            "the numbers of the table as bars",
            table=Table(("stage", "in", "out", "rejected"), list(funnel.rows(state.funnel))),
        )
    ]
    if by_category := _by_category(stages):
        blocks.append(Block("By category", "What each stage let through.", table=by_category))
    if state.rejected_inputs:
        rows = [(str(row["input"]), row["reason"], row["detail"]) for row in state.rejected_inputs]
        blocks.append(Block("Inputs that never became a source", table=Table(("input", "reason", "detail"), rows)))
    return Page(f"Run {url}", f"This run is {progress}.", blocks)


def _by_category(stages: Sequence[Mapping[str, Any]]) -> Table | None:
    """For each category what each stage let through, and the share of the first stage's that the last stage kept."""
    slugs = sorted({slug for stage in stages for slug in stage["by_category"] if slug not in ("", "-")})
    rows = []
    for slug in slugs:
        left = [stage["by_category"].get(slug, {"out": 0})["out"] for stage in stages]
        ends = {stage["stage"]: out for stage, out in zip(stages, left, strict=True)}
        first, last = ends.get("source", 0), ends.get("select", 0)
        rows.append((slug, *left, last / first if first else None))
    return Table(("category", *(stage["stage"] for stage in stages), "selected of sources"), rows) if rows else None
