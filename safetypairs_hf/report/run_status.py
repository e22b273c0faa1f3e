"""Read the state of a run: its funnel, the rates of the steps that hold a model, and its reviews."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetypairs_hf.building import yields
from safetypairs_hf.building.run_reader import read_state
from safetypairs_hf.building.tempo import Tempos
from safetypairs_hf.core import funnel
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.tables import frame, table, text_html
from safetypairs_hf.reviewing.read_review import read_review, review_stages

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class RunStatus:
    """The state of a run. It prints as a table.

    Attributes:
        run: The run folder.
        funnel: The content of the run's `funnel.json`, or its content if it were written now: `stages`, each with its
            counts by category.
        rejected_inputs: Inputs of the source that cannot be used, with the reason.
        tempo: For each step that holds a model, the images per hour and the share of the time that the model works.
        lines: The lines below the table: rounds, tokens and their cost, batches, the review, rates, inputs.
        warnings: Lines of the review files that are incomplete.
    """

    run: str
    funnel: Mapping[str, Any]
    rejected_inputs: tuple[Mapping[str, Any], ...]
    tempo: Mapping[str, Any]
    lines: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether the build is finished."""
        return bool(self.funnel["finished"])

    def by_category(self) -> str:
        """Return the yield and the reject reasons of each category, as a table."""
        columns = ("category", "sources", "passed", "rejected")
        return table("by category", columns, yields.by_category(self.funnel))

    def to_dict(self) -> dict[str, Any]:
        """Return the funnel with all categories, the rejected inputs and the rates, as JSON values."""
        return {**self.funnel, "rejected_inputs": list(self.rejected_inputs), "tempo": dict(self.tempo)}

    def to_pandas(self) -> DataFrame:
        """Return a pandas table with a row for each stage and category."""
        rows = [
            {"stage": stage["stage"], "category": category, "in": cell["in"], "out": cell["out"], **_counts(cell)}
            for stage in self.funnel["stages"]
            for category, cell in stage["by_category"].items()
        ]
        return frame(rows, ("stage", "category", "in", "out", "rejected"))

    def __str__(self) -> str:
        return "\n".join([self.stages(), *self.lines])

    def stages(self) -> str:
        """Return the stages of the funnel as a table."""
        how = "finished" if self.finished else "not finished; run the same command again to continue"
        return table(f"{self.run}: {how}", ("stage", "in", "out", "rejected"), list(funnel.rows(dict(self.funnel))))

    def _repr_html_(self) -> str:
        return text_html(str(self))


def status(run: str) -> RunStatus:
    """Read the state of a run, finished or not.

    Args:
        run: The run folder: a path or an fsspec URL.

    Returns:
        The state of the run.

    Raises:
        RunError: There is no run, or a part of it or of its review is damaged.
    """
    opened = open_run(run)
    state, tempos, review = read_state(opened), Tempos(opened), read_review(opened)
    reviewed = review_stages(opened, review) if state.finished else []
    found = {**state.funnel, "stages": [*state.funnel["stages"], *reviewed]}

    def lines() -> Iterator[str]:
        yield from yields.lines(opened, found)
        if review.pairs:
            yield f"{review.summary}; see: safetypairs review {run} --figures"
        yield from tempos.lines()
        yield from (f"input {row['input']}: {row['reason']} ({row['detail']})" for row in state.rejected_inputs)

    inputs = tuple(state.rejected_inputs)
    return RunStatus(run, found, inputs, tempos.to_dict(), tuple(lines()), tuple(review.faults))


def _counts(cell: Mapping[str, Any]) -> dict[str, int]:
    return {"rejected": sum(cell["rejected"].values())}
