"""Write a report for prediction files, a run folder or a published dataset: a page, a folder of pages, or its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.metric.prediction_files import SUFFIXES, kind_of
from safetypairs_hf.report import guards_page as of_guards
from safetypairs_hf.report.full_folder import Progress, write_folder
from safetypairs_hf.report.guard_files import Guard, read_guards
from safetypairs_hf.report.page import Report, render, write
from safetypairs_hf.training.new_folder import refuse_existing

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.metric.pairs import Reading


def report(
    what: str | Sequence[str],
    out: str | Path | None = None,
    *,
    full: str | Path | None = None,
    data: str | None = None,
    markdown: str | Path | None = None,
    names: Sequence[str] = (),
    failures: int = of_guards.FAILURES,
    progress: Progress = lambda name, done, total: None,
    **reading: Unpack[Reading],
) -> Mapping[str, Any]:
    """Make a report for some prediction files, one run folder or one published dataset.

    `data`, `markdown`, `names`, `failures` and `reading` are for predictions.

    Args:
        what: One or more prediction files, one run folder (a path or URL) or one dataset (TARGET[@VERSION]).
        out: The page to write, one HTML file that needs no other file.
        full: A new folder to write: the page as index.html, a page for each pair, and the original images.
        data: The version that the guards were run on. With it the page shows the images of failures.
        markdown: A file for the leaderboard as a Markdown table.
        names: The guards' names, one for each file.
        failures: How many failures of each guard to show.
        progress: Called with ("pairs", number written, total) while `full` is written.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `score`.

    Returns:
        The data of the page, as JSON values.

    Raises:
        SafetyPairsError: `what` is none of these, or a mixture; a file cannot be written; or as for `read_guards`,
            `open_named` and `write_folder`.
    """
    guards: list[Guard] = []
    what = [what] if isinstance(what, str) else what
    out, full, markdown = (each and Path(each) for each in (out, full, markdown))
    if full:
        refuse_existing(full)
    if any(kind_of(word) for word in what):
        edition = _edition(data) if data else None
        guards = _guards(what, edition, names, reading)
        made = report_of_guards(guards, edition, failures, reading)
    else:
        _refuse(what, data or markdown or names)
        made = report_of_one(what[0])
    if full:
        write_folder(made, full, progress)
    if out:
        write(render(made), out)
    if markdown:
        from safetypairs_hf.report.markdown_report import markdown_table

        write(markdown_table(guards), markdown)
    return made.data


def _guards(what: Sequence[str], edition: Edition | None, names: Sequence[str], reading: Reading) -> list[Guard]:
    others = [word for word in what if not kind_of(word)]
    if others:
        first = next(word for word in what if word not in others)
        raise SafetyPairsError(
            f"{others[0]!r} is not a prediction file ({', '.join(SUFFIXES)}), and {first!r} is one; "
            "a report is of predictions, or of one run, or of one dataset"
        )
    return read_guards(what, names=names, data=edition, **reading)


def report_of_guards(guards: Sequence[Guard], edition: Edition | None, failures: int, reading: Reading) -> Report:
    """Make the report of some guards, best first; see `guards_data`. With `edition`, the failures have images."""
    from safetypairs_hf.report.failure_gallery import fitting
    from safetypairs_hf.report.pair_pictures import pictured

    data = of_guards.guards_data(guards, edition, failures, **reading)
    pictures = pictured(edition, [pair["pair_id"] for pair in data["failures"]]) if edition else {}
    data["failures_on_page"] = fitting(data["failures"], pictures)
    shown = {pair["pair_id"] for pair in data["failures"][: data["failures_on_page"]]}
    kept = {pair_id: picture for pair_id, picture in pictures.items() if pair_id in shown}
    return Report("guards", data, kept, edition, guards=tuple(guards))


def _refuse(what: Sequence[str], of_predictions: Any) -> None:
    if len(what) > 1:
        raise SafetyPairsError(
            f"a report is of prediction files ({', '.join(SUFFIXES)}), or of one run, or of one dataset; "
            f"{len(what)} were named, {what[0]!r} first"
        )
    if of_predictions:
        raise SafetyPairsError(
            f"--data, --markdown and --name are for predictions, and {what[0]!r} is not one ({', '.join(SUFFIXES)})"
        )


def report_of_one(word: str) -> Report:
    """Make the report of a run folder or of a dataset."""
    from safetypairs_hf.core.run_folder import is_run, open_run
    from safetypairs_hf.report.dataset_page import dataset_report
    from safetypairs_hf.report.run_page import run_report

    return run_report(open_run(word)) if is_run(word) else dataset_report(_edition(word))


def _edition(text: str) -> Edition:
    from safetypairs_hf.dataset.store.open_store import open_named

    return open_named(text)
