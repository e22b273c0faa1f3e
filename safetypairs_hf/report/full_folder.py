"""Write the folder of `report --full`: the page, a page for each pair, and the original images."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.pictures import media_type
from safetypairs_hf.report.failure_gallery import verdicts_by_pair
from safetypairs_hf.report.page import Report, render, render_template
from safetypairs_hf.report.pair_pictures import files_of
from safetypairs_hf.training.new_folder import new_folder, refuse_existing
from safetypairs_hf.versions.pair_sheet import is_one_image, rows_by_file

if TYPE_CHECKING:
    from safetypairs_hf.core.run_folder import RunFolder
    from safetypairs_hf.dataset.store.base import Edition

Progress = Callable[[str, int, int], None]
_COLUMNS = (
    *("pair_id", "unsafe_image", "safe_image", "critical_feature", "instruction", "edit_box"),
    *("policy", "source", "generator", "judges", "preservation", "review"),
)
_PLAIN = re.compile(r"[0-9A-Za-z_-]{1,64}")


def _refuse_without_images(report: Report, out: Path) -> None:
    if report.edition is None and not (report.run and report.data["finished"]):
        missing = "the run is not finished" if report.run else "predictions hold no images: give --data TARGET@VERSION"
        raise SafetyPairsError(f"--full {out}: {missing}")


def write_folder(report: Report, out: Path, progress: Progress = lambda name, done, total: None) -> None:
    """Write index.html, pairs/index.html with a page for each pair in pairs/, and images/.

    Args:
        report: A report of a version, of guards on a version, or of a finished run.
        out: A folder that does not exist yet. It appears when it is complete.
        progress: Called with ("pairs", number written, total).

    Raises:
        SafetyPairsError: `out` exists, the report has no images, a data file cannot be read, or the folder cannot be
            written.
    """
    refuse_existing(out)
    _refuse_without_images(report, out)
    said = verdicts_by_pair(report.guards)
    ids = list(said) if report.guards else _every_id(report)
    links = {pair_id: f"pairs/{_file_name(pair_id)}.html" for pair_id in ids}
    names = [guard.name for guard in report.guards]
    kept = []
    with new_folder(out) as folder:
        (folder / "pairs").mkdir()
        (folder / "images").mkdir()
        for done, pair in enumerate(rows_of(report, links), 1):
            kept.append(_write_pair(folder, pair, names, said.get(pair["pair_id"], [])))
            progress("pairs", done, len(ids))
        kept.sort(key=lambda pair: (pair["category"], pair["pair_id"]))
        page = render_template("every_pair.html", pairs=kept, guards=names)
        (folder / "pairs" / "index.html").write_text(page, encoding="utf-8")
        (folder / "index.html").write_text(render(report, links), encoding="utf-8")


def _every_id(report: Report) -> list[str]:
    if report.run:
        from safetypairs_hf.building.run_reader import selected

        return [item.entrant.identity.pair_id for item in selected(report.run)]
    assert report.edition
    return [str(pair_id) for pair_id in report.edition.table["pair_id"].to_pylist()]


def rows_of(report: Report, wanted: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the published row of each pair of a report, with its category slug, its split, and the place it is from."""
    if report.run:
        yield from _of_run(report.run)
    elif report.edition:
        yield from _of_edition(report.edition, wanted)


def _of_edition(edition: Edition, wanted: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    places = {
        row["pair_id"]: row for row in edition.table.select(["pair_id", "category", "split", "group"]).to_pylist()
    }
    for row in rows_by_file(edition, files_of(edition, wanted), _COLUMNS):
        yield {**row, **places[row["pair_id"]], "place": edition.name}


def _of_run(run: RunFolder) -> Iterator[dict[str, Any]]:
    from safetypairs_hf.building.run_reader import open_finished
    from safetypairs_hf.dataset.policy_pair_rows import as_pair, policy_pair_row
    from safetypairs_hf.dataset.schema import row

    finished = open_finished(run)
    drawn = {item.entrant.identity.pair_id: item for item in finished.drawn}
    for candidate, _ in finished.pairs(drawn):
        assert candidate.identity
        item = drawn[candidate.identity.pair_id]
        if candidate.identity.is_policy_pair:
            values = as_pair(policy_pair_row(candidate, item.group, finished.taxonomy, ""))
            published = {**dict.fromkeys(_COLUMNS), **values}
        else:
            published = row(candidate, item.group, finished.taxonomy, "")
        yield {**published, "category": candidate.category, "split": item.split, "place": run.url}


def _write_pair(folder: Path, pair: dict[str, Any], guards: list[str], said: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the page and the images of a pair, and return its entry in the list of all pairs.

    A policy pair has one image, which is unsafe under one of its policies. It is shown once, and blurred.
    """
    name = _file_name(pair["pair_id"])
    images = {}
    for member in ("image",) if is_one_image(pair) else ("unsafe", "safe"):
        data = pair["unsafe_image" if member == "image" else f"{member}_image"]["bytes"]
        file = f"{name}-{member}.{media_type(data).removeprefix('image/')}"
        with reading(f"{pair['place']}: pair {pair['pair_id']}", "see: safetypairs verify"):
            images[member] = {"src": f"../images/{file}", "size": _size(data)}
        (folder / "images" / file).write_bytes(data)
    page = render_template("pair.html", pair=pair, images=images, guards=guards, said=said)
    (folder / "pairs" / f"{name}.html").write_text(page, encoding="utf-8")
    entry = {key: pair[key] for key in ("pair_id", "category", "split", "critical_feature", "instruction")}
    return {**entry, "page": f"{name}.html", "said": said}


def _size(data: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return image.size


def _file_name(pair_id: str) -> str:
    """Return a file name for a pair: its id, or a hash of an id with other characters than those of our own ids."""
    return pair_id if _PLAIN.fullmatch(pair_id) else hashlib.sha256(pair_id.encode()).hexdigest()[:32]
