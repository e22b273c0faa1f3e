"""The decisions of reviewers on disk: an append-only JSON Lines file for each reviewer.

They are in `review/<reviewer>.jsonl` of a run folder, or of a separate folder if a published version is reviewed. No
other file of the run changes, so its hashes stay the same.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Any, Final, NamedTuple

from filelock import FileLock

from safetypairs_hf.core.errors import RunError, SafetyPairsError, printable
from safetypairs_hf.core.foreign_text import ForeignTextError, parse_object, reading
from safetypairs_hf.core.run_folder import RunFolder

FOLDER: Final = "review"
ACTIONS: Final = ("accept", "reject", "borderline", "skip", "blind", "undo")
JUDGED: Final = ("accept", "reject", "borderline")  # the actions that judge the pair
BLIND: Final = ("unsafe", "safe", "both", "neither")
MEMBERS: Final = ("unsafe", "safe")
# The reasons for a reject that the page offers; any other text is also accepted.
REASONS: Final = {
    "not_unsafe": "The unsafe image is not unsafe under the policy",
    "still_unsafe": "The safe image is still unsafe",
    "other_changes": "More than the critical feature changed",
    "artefact": "The edit can be seen",
    "wrong_category": "The pair belongs to another category",
    "poor_image": "An image is broken or too poor to judge",
}
LONGEST_REASON: Final = 200
LONGEST_NOTE: Final = 4000

_REVIEWER: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_WITHIN_PROCESS: Final = threading.Lock()  # for file systems without locks of the operating system


@dataclass(frozen=True)
class Decision:
    """One decision of one reviewer on one pair.

    `reason` is why a pair was rejected: a key of REASONS or a text; "" otherwise. `blind` is the member that the
    reviewer called unsafe before the labels were shown: one of BLIND, or None if that was not asked; `left` is the
    member that was shown on the left. `time` is UTC in ISO 8601. `seconds` is how long the reviewer looked at the pair,
    0 if unknown.

    The action `blind` is that answer alone, which is on disk before the labels are shown; the decision repeats it.
    `undo` takes back this reviewer's last decision on the pair.

    Raises:
        SafetyPairsError: A value is invalid.
    """

    pair_id: str
    action: str
    reason: str
    note: str
    blind: str | None
    left: str
    reviewer: str
    time: str
    seconds: float

    def __post_init__(self) -> None:
        try:
            _check(self)
        except ForeignTextError as error:
            raise SafetyPairsError(f"the decision {error}") from error

    def line(self) -> str:
        """Return the decision as a line of JSON, in ASCII, so that a truncated line never ends within a character."""
        return json.dumps(asdict(self), separators=(",", ":")) + "\n"


class Recorded(NamedTuple):
    """The decisions of every reviewer, sorted by reviewer, then in the order of their lines.

    `faults` has the lines that were cut short.
    """

    decisions: list[Decision]
    faults: list[str]


def now() -> str:
    """Return the current time in the format of a decision."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def check_reviewer(name: str) -> str:
    """Return a reviewer's name, which is also the name of a file, if it is valid.

    Raises:
        SafetyPairsError: It has other characters than letters, digits, ".", "_" and "-", begins with ".", or is longer
            than 64 characters.
    """
    if not is_reviewer(name):
        raise SafetyPairsError(
            f"{printable(name)!r} is no name of a reviewer; expected 1 to 64 letters, digits, '_', '-' or '.', not "
            "beginning with '.', such as --reviewer anna"
        )
    return name


def is_reviewer(name: str) -> bool:
    """Return whether a text can be the name of a reviewer."""
    return _REVIEWER.fullmatch(name) is not None


def file_of(reviewer: str) -> str:
    """Return the name of a reviewer's file in the folder."""
    return f"{FOLDER}/{check_reviewer(reviewer)}.jsonl"


def reviewers(folder: RunFolder) -> list[str]:
    """Return all reviewers with a file of decisions in a folder, sorted."""
    place = f"{folder.root}/{FOLDER}"
    folder.fs.invalidate_cache(place)  # a reviewer may have started on another machine
    paths = folder.fs.ls(place, detail=False) if folder.fs.isdir(place) else []
    names = (path.rsplit("/", 1)[-1] for path in paths)
    return sorted(
        stem for name in names if name.endswith(".jsonl") and is_reviewer(stem := name.removesuffix(".jsonl"))
    )


def append(folder: RunFolder, *decisions: Decision) -> None:
    """Append decisions to the files of their reviewers; they are on disk when this function returns.

    Several sessions of one reviewer may append to one local file at once. Other file systems (S3, ...) have no locks
    and no append. There the file is written again under a temporary name, so each reviewer must have only one session.

    Raises:
        RunError: The file cannot be written; it contains no part of these decisions.
    """
    by_reviewer: dict[str, list[Decision]] = {}
    for decision in decisions:
        by_reviewer.setdefault(decision.reviewer, []).append(decision)
    for reviewer, made in by_reviewer.items():
        _refuse_other_spelling(folder, reviewer)
        added = "".join(decision.line() for decision in made).encode()
        if "file" in folder.fs.protocol:
            _append_here(Path(folder.root), file_of(reviewer), added, folder.url)
        else:
            with _WITHIN_PROCESS:
                name = file_of(reviewer)
                before = folder.read(name) if folder.has(name) else b""
                end = b"\n" if before and not before.endswith(b"\n") else b""
                folder.write(name, before + end + added)


def read_all(folder: RunFolder) -> Recorded:
    """Read the decisions of every reviewer.

    A line that was cut short by a crash is left out and reported in `faults`.

    Raises:
        RunError: A file contains an invalid decision, or a decision of another reviewer.
    """
    decisions: list[Decision] = []
    faults: list[str] = []
    for reviewer in reviewers(folder):
        found = read_reviewer(folder, reviewer)
        decisions += found.decisions
        faults += found.faults
    return Recorded(decisions, faults)


def read_reviewer(folder: RunFolder, reviewer: str) -> Recorded:
    """Read the decisions of one reviewer, as `read_all` does; none if the reviewer has no file."""
    name = file_of(reviewer)
    decisions: list[Decision] = []
    faults: list[str] = []
    if not folder.has(name):
        return Recorded(decisions, faults)
    with reading(f"{folder.url}/{name}", "was it edited by hand? put it back as the review wrote it", RunError):
        for number, line in enumerate(folder.read(name).split(b"\n"), 1):
            if not line.strip(b"\0 \r\t"):
                continue
            if not line.rstrip(b"\r").endswith(b"}"):
                faults.append(f"{folder.url}/{name}, line {number}, was cut short and is left out")
                continue
            try:
                decision = of_values(parse_object(line.decode()))
            except ForeignTextError as error:
                raise ForeignTextError(str(error), number) from None
            if decision.reviewer != reviewer:
                raise ForeignTextError(f"is by the reviewer {printable(decision.reviewer)!r}", number)
            decisions.append(decision)
    return Recorded(decisions, faults)


def of_values(values: Mapping[str, Any]) -> Decision:
    """Return the decision with the values of a JSON object.

    Raises:
        ForeignTextError: A value is missing or invalid, or a key is unknown.
    """
    wanted = [each.name for each in fields(Decision)]
    if missing := [name for name in wanted if name not in values]:
        raise ForeignTextError(f"has no {missing[0]!r}; a decision has {', '.join(wanted)}")
    if more := sorted(values.keys() - set(wanted)):
        raise ForeignTextError(f"has {printable(more[0])!r}, which no decision has; it has {', '.join(wanted)}")
    try:
        return Decision(**values)
    except SafetyPairsError as error:
        raise ForeignTextError(f"holds no decision: {error}") from error


def effective(decisions: Iterable[Decision]) -> dict[tuple[str, str], Decision]:
    """Return (pair id, reviewer) -> the decision that counts: the last one that was not taken back.

    Each `undo` takes back the newest decision of its reviewer on its pair; the one before counts again. The decisions
    of one reviewer must be in the order in which they were made. A blind answer alone is not a decision.
    """
    made: dict[tuple[str, str], list[Decision]] = {}
    for decision in decisions:
        of_pair = made.setdefault((decision.pair_id, decision.reviewer), [])
        if decision.action == "undo":
            del of_pair[-1:]
        elif decision.action != "blind":
            of_pair.append(decision)
    return {key: of_pair[-1] for key, of_pair in made.items() if of_pair}


def blind_answers(decisions: Iterable[Decision]) -> dict[tuple[str, str], Decision]:
    """Return (pair id, reviewer) -> the first decision with a blind answer; later answers are not blind.

    A decision that was taken back also counts, because its answer was given blind.
    """
    first: dict[tuple[str, str], Decision] = {}
    for decision in decisions:
        if decision.blind is not None:
            first.setdefault((decision.pair_id, decision.reviewer), decision)
    return first


def _check(decision: Decision) -> None:
    """Raise ForeignTextError if a value of a decision is invalid."""
    for name in ("pair_id", "action", "reason", "note", "left", "reviewer", "time"):
        if not isinstance(value := getattr(decision, name), str):
            raise ForeignTextError(f"has a {name} of {printable(value)!r}; expected a text")
    if not re.fullmatch(r"[0-9a-f]{16}", decision.pair_id):
        raise ForeignTextError(f"is of the pair {printable(decision.pair_id)!r}; expected an id of 16 hex characters")
    for name, allowed in (("action", ACTIONS), ("left", MEMBERS), ("blind", (*BLIND, None))):
        if (value := getattr(decision, name)) not in allowed:
            raise ForeignTextError(f"has {name} {printable(value)!r}; expected {', '.join(map(str, allowed))}")
    check_reviewer(decision.reviewer)
    for name, most in (("reason", LONGEST_REASON), ("note", LONGEST_NOTE)):
        if len(getattr(decision, name)) > most:
            raise ForeignTextError(f"has a {name} of more than {most} characters")
    if decision.action == "reject" and not decision.reason.strip():
        raise ForeignTextError(f"rejects a pair without a reason; expected a text, or one of {', '.join(REASONS)}")
    try:
        utc = datetime.fromisoformat(decision.time).utcoffset() == timedelta(0)
    except ValueError:
        utc = False
    if not utc:
        raise ForeignTextError(f"has the time {printable(decision.time)!r}; expected UTC in ISO 8601, such as {now()}")
    seconds: Any = decision.seconds
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise ForeignTextError(f"took {printable(seconds)!r} seconds; expected a number, 0 or more")


def _refuse_other_spelling(folder: RunFolder, reviewer: str) -> None:
    """Raise RunError if another reviewer's file differs only by case: some file systems would use the same file."""
    for other in reviewers(folder):
        if other != reviewer and other.casefold() == reviewer.casefold():
            raise RunError(f"{folder.url} has a reviewer {other!r} already; use that spelling, or another name")


def _append_here(root: Path, name: str, added: bytes, url: str) -> None:
    try:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            is_new = not path.exists()
            with path.open("ab", buffering=0) as file:
                size = file.tell()
                try:
                    _write_out(file, _end_of_line(path, size) + added)
                except OSError:
                    file.truncate(size)
                    raise
            if is_new:
                _keep_name(path.parent)
    except OSError as error:
        raise RunError(
            f"cannot write {url}/{name}: {error.strerror or error}; this decision is not recorded: free some space, or "
            "make the folder writable for you"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock a file against other sessions of the same reviewer; the kernel drops the lock when its holder ends."""
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


def _end_of_line(path: Path, size: int) -> bytes:
    """Return the missing end of a file's last line: empty, unless that line was cut short."""
    if not size:
        return b""
    with path.open("rb") as file:
        file.seek(size - 1)
        return b"" if file.read(1) == b"\n" else b"\n"


def _write_out(file: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
    os.fsync(file.fileno())


def _keep_name(folder: Path) -> None:
    """Sync a folder with a new file to disk, if the operating system supports that."""
    if hasattr(os, "O_DIRECTORY"):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
