"""Write an HTML report for predictions files, a run folder or a published dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.metric.prediction_files import SUFFIXES, kind_of
from safetypairs_hf.report import guards_page as of_guards
from safetypairs_hf.report.guard_files import read_guards
from safetypairs_hf.report.page import Page, render, write

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.metric.pairs import Reading


def make_report(
    what: Sequence[str],
    out: Path,
    *,
    data: str | None = None,
    markdown: Path | None = None,
    names: Sequence[str] = (),
    failures: int = of_guards.FAILURES,
    **reading: Unpack[Reading],
) -> str:
    """Write an HTML report for some predictions files, one run folder or one published dataset.

    All arguments after `out` are for predictions.

    Args:
        what: The predictions files, the run folder (a path or URL) or the dataset (TARGET[@VERSION]).
        out: The page to write.
        data: The version that the guards were run on; with it the page shows the images of failures.
        markdown: A file for the leaderboard as a Markdown table.
        names: The guards' names, one for each file.
        failures: How many failures of each guard to show.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `score`.

    Returns:
        A line that says what was written.

    Raises:
        SafetyPairsError: `what` is none of these, or not all of one kind; a file cannot be written; matplotlib is
            missing; or as `read_guards` and `open_named` do.
    """
    files = [word for word in what if kind_of(word)]
    if not files:
        return _of_one(what, out, data=data, markdown=markdown, names=names)
    others = [word for word in what if word not in files]
    if others:
        raise SafetyPairsError(
            f"{others[0]!r} is no file of predictions ({', '.join(SUFFIXES)}), and {files[0]!r} is one; "
            "a report is of predictions, or of one run, or of one dataset"
        )
    edition = _edition(data) if data else None
    guards = read_guards(files, names=names, data=edition, **reading)
    write(render(of_guards.guards_page(guards, edition, failures)), out)
    if markdown:
        from safetypairs_hf.report.markdown_report import markdown_table

        write(markdown_table(guards), markdown)
    count = f"{len(guards)} guard{'s' if len(guards) > 1 else ''}"
    return f"{count} in {out}{f' and {markdown}' if markdown else ''}"


def _of_one(what: Sequence[str], out: Path, *, data: str | None, markdown: Path | None, names: Sequence[str]) -> str:
    if len(what) > 1:
        raise SafetyPairsError(
            f"a report is of files of predictions ({', '.join(SUFFIXES)}), or of one run, or of one dataset; "
            f"{len(what)} were named, {what[0]!r} first"
        )
    if data or markdown or names:
        raise SafetyPairsError(
            f"--data, --markdown and --name are for predictions, and {what[0]!r} is no file of them "
            f"({', '.join(SUFFIXES)})"
        )
    write(render(_page(what[0])), out)
    return f"{what[0]} in {out}"


def _page(word: str) -> Page:
    from safetypairs_hf.core.run_folder import RECIPE
    from safetypairs_hf.core.target_name import is_hub_address
    from safetypairs_hf.report.dataset_page import dataset_page
    from safetypairs_hf.report.run_page import run_page

    if ("://" in word and not is_hub_address(word)) or (Path(word).is_dir() and (Path(word) / RECIPE).is_file()):
        return run_page(word)
    return dataset_page(_edition(word))


def _edition(text: str) -> Edition:
    from safetypairs_hf.dataset.store.open_store import open_named

    return open_named(text)
