"""Export the pairs of a review to another program, and import the decisions that people made there."""

from __future__ import annotations

import base64
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import ForeignTextError, read_text, reading
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.reviewing import csv_tasks, label_studio
from safetypairs_hf.reviewing.decisions import Decision, append, check_reviewer, read_all
from safetypairs_hf.reviewing.review import decisions_folder
from safetypairs_hf.reviewing.review_answers import left_of, new_ones, to_decision
from safetypairs_hf.reviewing.review_figures import ReviewFigures, review_figures
from safetypairs_hf.reviewing.reviewed_pairs import Shown, open_reviewed

FORMATS: Final = ("label-studio", "csv")
IMAGES: Final = ("inline", "folder")
LOCAL_FILES: Final = "/data/local-files/?d="  # Label Studio's address of a file below its document root

Progress = Callable[[str, int, int], None]


class Exported(NamedTuple):
    """The written files: the number of pairs, the main file, and the files that belong to it."""

    pairs: int
    file: Path
    beside: list[Path]


class Imported(NamedTuple):
    """The result of reading a file.

    `decisions` are the new ones. `there` counts those that are recorded already or are older than recorded ones, and
    `empty` those that are not filled in.
    """

    decisions: list[Decision]
    there: int
    empty: int


def export_review(
    what: str,
    file: str | Path,
    *,
    to: str = FORMATS[0],
    images: str | None = None,
    progress: Progress = lambda name, done, total: None,
) -> Exported:
    """Write the pairs of a review for another program. Decisions made so far are not included.

    The order of the two images of a pair does not depend on their labels, and is the same for everybody. Unsafe
    members are not blurred.

    Args:
        what: RUN or TARGET[@VERSION].
        file: The file to write; it must not exist. For Label Studio, the labeling configuration of a
            project is written next to it, with the ending .xml.
        to: "label-studio" (a JSON list of tasks, with the judges as predictions) or "csv" (a table to fill in).
        images: "inline" (within the file; the default for Label Studio) or "folder" (a folder next to it, ending in
            -images; always used for a table).
        progress: Called as ("pairs", written, all).

    Returns:
        What was written.

    Raises:
        SafetyPairsError: An argument is invalid, `what` cannot be read, or the file exists or cannot be written.
    """
    _check_one_of("--to", to, FORMATS)
    images = images or ("folder" if to == "csv" else "inline")
    _check_one_of("--images", images, IMAGES)
    if to == "csv" and images == "inline":
        raise SafetyPairsError("a table holds no images: leave out --images inline")
    path = Path(file)
    if path.exists():
        raise SafetyPairsError(f"{path} is there already, and may be filled in; name another file")
    pairs = open_reviewed(what)
    folder = path.with_name(f"{path.stem}-images") if images == "folder" else None
    address = f"{LOCAL_FILES}{path.stem}-images/" if to == "label-studio" else f"{path.stem}-images/"
    names = list(dict.fromkeys(said.name for pair in pairs.pairs for said in pair.judgements))
    beside = [folder] if folder else []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _written(path) as stream:
            stream.write("[" if to == "label-studio" else csv_tasks.head(names))
            for number, pair in enumerate(pairs.pairs):
                shown, left = pairs.shown(pair.pair_id), left_of(pair.pair_id)
                placed, size = _placed(shown, left, folder, address)
                if to == "label-studio":
                    policy = pairs.taxonomy.policy(pair.category)
                    made = label_studio.task(pair, policy, shown, placed, size, left)
                    stream.write(f"{',' if number else ''}\n{json.dumps(made, ensure_ascii=False)}")
                else:
                    stream.write(csv_tasks.line(pair, shown, placed, size, names))
                progress("pairs", number + 1, len(pairs.pairs))
            stream.write("\n]\n" if to == "label-studio" else "")
        if to == "label-studio":
            beside.append(path.with_suffix(".xml"))
            beside[-1].write_text(label_studio.config(), encoding="utf-8")
    except OSError as error:
        raise SafetyPairsError(f"cannot write {error.filename or path}: {error.strerror or error}") from error
    return Exported(len(pairs.pairs), path, beside)


def import_review(what: str, file: str | Path, *, reviewer: str | None = None, out: str | None = None) -> Imported:
    """Import decisions from an exported file that people filled in: a table, or Label Studio's export as JSON.

    The whole file is read before any decision is recorded. A decision is skipped if it is recorded already, or if it is
    older than the reviewer's last decision on the pair.

    Args:
        what: RUN or TARGET[@VERSION], as it was exported.
        file: The file; one that ends in .csv is a table.
        reviewer: The reviewer of decisions that name nobody.
        out: The folder of the decisions, as in `review`.

    Returns:
        What was read.

    Raises:
        SafetyPairsError: The file cannot be read, or an entry is not a decision on one of the pairs. Nothing is
            recorded.
    """
    path = Path(file)
    who = check_reviewer(reviewer) if reviewer else ""
    pairs = open_reviewed(what)
    folder = decisions_folder(what, pairs.name, out)
    empty, found = 0, []
    read = csv_tasks.answers_in if path.suffix.lower() == ".csv" else label_studio.answers_in
    with reading(str(path), f"nothing was recorded; see: safetypairs review {what} --export FILE"):
        try:
            for answer in read(read_text(path)):
                decision = to_decision(answer, pairs, who)
                if decision is None:
                    empty += 1
                else:
                    found.append((answer, decision))
        except RecursionError as error:
            raise ForeignTextError("is nested too deep") from error
    new = new_ones(found, read_all(folder).decisions)
    append(folder, *new)
    return Imported(new, len(found) - len(new), empty)


def figures_of_review(what: str, *, out: str | None = None) -> ReviewFigures:
    """Return the figures of a review so far.

    Args:
        what: RUN or TARGET[@VERSION].
        out: The folder of the decisions, as in `review`.

    Returns:
        The figures; `ReviewFigures` describes each.

    Raises:
        SafetyPairsError: `what` or the decisions cannot be read.
    """
    pairs = open_reviewed(what)
    return review_figures(read_all(decisions_folder(what, pairs.name, out)).decisions, pairs.pairs)


def _placed(shown: Shown, left: str, folder: Path | None, address: str) -> tuple[dict[str, str], tuple[int, int]]:
    """Return the address of each image by its side, and the size of both in pixels; write them to `folder` if given."""
    from PIL import Image

    placed = {}
    for side, member in zip(("left", "right"), (left, "safe" if left == "unsafe" else "unsafe"), strict=True):
        data: bytes = getattr(shown, member)
        with Image.open(io.BytesIO(data)) as image:
            kind, size = str(image.format).lower(), image.size
        if folder is None:
            placed[side] = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        else:
            name = f"{shown.pair_id}-{side}.{kind}"
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
            placed[side] = f"{address}{name}"
    return placed, size


@contextmanager
def _written(path: Path) -> Iterator[IO[str]]:
    """Yield a file that gets its name when the block ends, and is deleted if the block fails."""
    temporary = path.with_name(f".{path.name}.tmp-{uuid.uuid4().hex[:8]}")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_one_of(option: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise SafetyPairsError(f"{option} {value}: expected {' or '.join(allowed)}{hint(value, allowed)}")
