"""Verify a published version: read every byte again, and check it against manifest, card and earlier versions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from safetypairs_hf.core.errors import HubUnavailable, SafetyPairsError, counted
from safetypairs_hf.core.file_digests import file_sha256
from safetypairs_hf.core.hub import Stored
from safetypairs_hf.core.tables import frame, text_html
from safetypairs_hf.core.target_name import parse_target_name
from safetypairs_hf.core.version import Version, parse
from safetypairs_hf.dataset import failure_rows, manifest
from safetypairs_hf.dataset.errata import first_labels
from safetypairs_hf.dataset.manifest import EXTRAS, FOLDERS
from safetypairs_hf.dataset.policy_pair_rows import ROOT as POLICY_PAIRS
from safetypairs_hf.dataset.sidecars import SIDECARS
from safetypairs_hf.dataset.store.base import Edition, Published
from safetypairs_hf.dataset.store.open_store import store_of
from safetypairs_hf.versions.diff import compare, other_columns, other_taxonomy
from safetypairs_hf.versions.verify_card import check_card, check_sidecars
from safetypairs_hf.versions.verify_errata import check_errata, check_relabelled
from safetypairs_hf.versions.verify_extras import check_extras
from safetypairs_hf.versions.verify_pairs import Problem, check_file
from safetypairs_hf.versions.verify_reviews import check_reviews, reviewed_pairs

if TYPE_CHECKING:
    from pandas import DataFrame

_OF_TOOLS = (".git/", ".cache/huggingface/")  # files that git and `hf download` leave in a folder

Progress = Callable[[str, int, int], None]


@dataclass
class Report:
    """The result of `verify`.

    Attributes:
        target: The dataset.
        version: The version that was checked.
        earlier: The earlier versions whose splits were compared with it.
        unchecked: What could not be checked, and why.
        pairs: The number of pairs that were read.
        files: The number of data files that were read.
        size: The size of the data files in bytes, with those of controls and failures.
        problems: The problems that were found.
    """

    target: str
    version: Version
    pairs: int
    files: int = 0
    size: int = 0  # bytes of the data files, with those of controls and failures
    earlier: list[Version] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything was checked and found right."""
        return not self.problems and not self.unchecked

    def to_dict(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "version": str(self.version),
            "ok": self.ok,
            "pairs": self.pairs,
            "files": self.files,
            "bytes": self.size,
            "earlier": [str(version) for version in self.earlier],
            "problems": [problem._asdict() for problem in self.problems],
            "unchecked": self.unchecked,
        }

    def to_pandas(self) -> DataFrame:
        """Return a pandas table with a row for each problem."""
        return frame(self.to_dict()["problems"], Problem._fields)

    def __str__(self) -> str:
        count = len(self.problems)
        read = ", ".join((counted(self.pairs, "pair"), counted(self.files, "data file"), counted(self.size, "byte")))
        against = f"; splits as in {', '.join(map(str, self.earlier))}" if self.earlier else ""
        rest = "not all was checked" if self.unchecked else f"ok{against}"
        said = counted(count, "problem") if count else rest
        lines = [*map(str, self.problems), *(f"not checked: {left}" for left in self.unchecked)]
        return "\n".join([*lines, f"{self.target}@{self.version}: {read}: {said}"])

    def _repr_html_(self) -> str:
        return text_html(str(self))


def verify(
    target: str | Published,
    version: str | Version | None = None,
    progress: Progress = lambda name, done, total: None,
) -> Report:
    """Read a whole published version and check it. One row group is in memory at a time.

    Args:
        target: TARGET[@X.Y.Z], or an open dataset.
        version: The version to check. None: the version in `target`, or else the newest one.
        progress: Called as `progress("pairs", checked, total)`.

    Returns:
        What was read and which problems were found. `ok` is true if everything was checked and found right.

    Raises:
        VersionMismatch: There is no such version.
        SafetyPairsError: The dataset was not published by safetypairs, or its manifest cannot be read at all.
        HubUnavailable: The Hub did not answer, or refused the token.
    """
    wanted = parse(version) if isinstance(version, str) else version
    if isinstance(target, str):
        name = parse_target_name(target, wanted)
        dataset, wanted = store_of(name), name.version
    else:
        dataset = target
    edition = dataset.open(wanted)
    report = Report(edition.target, edition.version, edition.columns.rows)
    report.problems += _releases(edition)
    report.problems += _places(edition)
    report.problems += check_errata(edition)
    report.problems += _history(dataset, edition, report.earlier)
    report.problems += check_card(edition)
    report.problems += check_sidecars(edition, report.unchecked)
    report.problems += check_reviews(edition)
    report.problems += _strays(edition)
    report.problems += _files(edition, report, progress)
    report.problems = list(dict.fromkeys(report.problems))
    return report


def _releases(edition: Edition) -> Iterator[Problem]:
    """Check the manifest's list of releases: their order, and the version and pairs of the last one."""
    versions = [parse(release["version"]) for release in edition.releases]
    pairs = edition.releases[-1].get("pairs")
    if versions[-1] != edition.version:
        yield _wrong(f"it is of version {versions[-1]}, and its tag says {edition.version}")
    if versions != sorted(set(versions)):
        yield _wrong("its releases are not in the order of their versions")
    if pairs != edition.columns.rows:
        yield _wrong(f"it has {counted(edition.columns.rows, 'pair')}, and its last release says {pairs}")


def _places(edition: Edition) -> Iterator[Problem]:
    """Check the manifest's rows: no pair twice or taken down, the right folder and release, each group in one split."""
    table = edition.table
    for pair_id in _repeated(table["pair_id"]):
        yield _wrong("it occurs more than once", pair_id)
    known = {release.get("version") for release in edition.releases}
    columns = (table[name].to_pylist() for name in ("pair_id", "file", "split", "category", "introduced"))
    for pair_id, file, split, category, introduced in zip(*columns, strict=True):
        folder = f"{POLICY_PAIRS}{split}/" if file.startswith(POLICY_PAIRS) else f"data/{split}/{category}/"
        if not file.startswith(folder):
            yield _wrong(f"it is {split}, {category}, and lies in {file}", pair_id)
        if introduced not in known:
            yield _wrong(f"it was introduced in {introduced}, which is no release up to this one", pair_id)
    gone = {item["pair_id"] for item in edition.head["takedowns"]}
    for pair_id in gone.intersection(table["pair_id"].to_pylist()) if gone else ():
        yield _wrong("it was taken down, but is in the version", pair_id)
    for group in _impure(table):
        yield _wrong(f"group {group} lies in two splits")


def _history(dataset: Published, edition: Edition, seen: list[Version]) -> Iterator[Problem]:
    """Check against earlier versions: no pair or group changed its split, and the last step is large enough."""
    earlier = [version for version in dataset.tags() or {} if version < edition.version]
    for version in earlier:
        try:
            before = dataset.open(version)
        except HubUnavailable:
            raise
        except SafetyPairsError as error:
            yield Problem(f"{manifest.NAME} at {version.tag}", "", str(error))
            continue
        seen.append(version)
        for name in ("pair_id", "group"):
            for value in _moved(before.table, edition.table, name):
                what = f"it is in another split than in {version}"
                yield _wrong(what, value) if name == "pair_id" else _wrong(f"group {value}: {what}")
        yield from check_relabelled(before, edition)
        if version == earlier[-1]:
            also = other_columns(before, edition), other_taxonomy(before, edition)
            found = compare(before.table, edition.table, version, edition.version, *also)
            if found.allowed is False:
                yield _wrong(f"{edition.version} is too small a step from {version}; {found.least} is the least")


def _strays(edition: Edition) -> Iterator[Problem]:
    """Find files outside the data folders that no release wrote."""
    known = {*(manifest.hashes(edition.head, "sidecars") or SIDECARS), manifest.NAME, ".gitattributes"}
    script = f"{edition.target.rstrip('/').rpartition('/')[2]}.py"
    for name in sorted(set(edition.stored) - known):
        if name.startswith((*FOLDERS, *_OF_TOOLS)):
            continue
        if name == script:
            yield Problem(name, "", "is a script of the dataset's name: `datasets` 4 and later refuse to load it all")
        else:
            yield Problem(name, "", "is no file of the release")


def _files(edition: Edition, report: Report, progress: Progress) -> Iterator[Problem]:
    """Check that every file is expected, its bytes against the Hub's list, and data files against the manifest."""
    listed = edition.stored
    rows = _rows_by_file(edition.table)
    hashed = {name: Stored(size, sha256) for name, (sha256, size) in edition.head["files"].items()}
    extra = {name for name in hashed if name.startswith(EXTRAS)}
    for name in sorted(set(listed) - set(rows) - extra):
        if name.startswith(FOLDERS):
            yield Problem(name, "", "is in no row of the manifest")
        elif listed[name] and name in SIDECARS:
            yield from _bytes(edition.fetch(name), name, listed[name], "the Hub lists")
    named = edition.head.get("beside", {})
    for name in sorted((set(hashed) - extra) ^ set(rows) | (extra - {failure_rows.NAME}) ^ set(named)):
        yield _wrong(f"its rows and its list of data files do not agree on {name}")
    yield from _extra_files(edition, report, {name: hashed[name] for name in sorted(extra)})
    first = first_labels(edition.head.get("errata", ()))
    done = 0

    def checked(pairs: int) -> None:
        nonlocal done
        done += pairs
        progress("pairs", done, report.pairs)

    reviewed = reviewed_pairs(edition)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, places in rows.items():
            if name not in listed:
                yield Problem(name, "", f"is missing, and {counted(len(places), 'pair')} of the manifest with it")
                continue
            path = edition.fetch(name)
            report.files += 1
            report.size += path.stat().st_size
            yield from _bytes(path, name, listed[name], "the Hub lists")
            yield from _bytes(path, name, hashed.get(name), "the manifest names")
            rows_here = edition.table.take(places).to_pylist()
            for entry in rows_here:
                entry["first"] = first.get(entry["pair_id"], {})
                if entry["pair_id"] in reviewed:  # perhaps after its row was written
                    del entry["review"]
            yield from check_file(path, name, rows_here, edition.taxonomy, pool, checked)


def _extra_files(edition: Edition, report: Report, hashed: dict[str, Stored]) -> Iterator[Problem]:
    """Check the files of controls and failures: first their bytes, then their rows."""
    listed = edition.stored
    for name, expected in hashed.items():
        if name not in listed:
            yield Problem(name, "", "is missing, and the manifest names it")
            continue
        path = edition.fetch(name)
        report.files += 1
        report.size += path.stat().st_size
        yield from _bytes(path, name, listed[name], "the Hub lists")
        yield from _bytes(path, name, expected, "the manifest names")
    yield from check_extras(edition, listed.__contains__)


def _bytes(path: Path, name: str, expected: Stored | None, whose: str) -> Iterator[Problem]:
    if expected is None:
        return
    if manifest.is_pointer(path):
        yield Problem(name, "", manifest.LFS_ADVICE)
        return
    size = path.stat().st_size
    if size != expected.size:
        yield Problem(name, "", f"has {size} bytes, not the {expected.size} that {whose}")
    elif _digest(path, len(expected.digest)) != expected.digest:
        yield Problem(name, "", f"its bytes are not those that {whose}: damaged there, or in the copy here")


def _digest(path: Path, length: int) -> str:
    """Return the SHA-256 of a large file (64 hex digits) or the git blob id of a small one (40), as `length` asks."""
    if length == 64:
        return file_sha256(path)
    return hashlib.sha1(b"blob %d\0" % path.stat().st_size + path.read_bytes()).hexdigest()


def _rows_by_file(table: pa.Table) -> dict[str, pa.Array]:
    """Return the row numbers of the manifest by data file, with files in the order of their names."""
    order = pc.sort_indices(table, [("file", "ascending")])
    files = table["file"].take(order)
    ends = pc.run_end_encode(files.combine_chunks())
    starts = [0, *ends.run_ends.to_pylist()]
    names = ends.values.to_pylist()
    return {name: order.slice(start, end - start) for name, start, end in zip(names, starts, starts[1:], strict=False)}


def _repeated(column: pa.ChunkedArray) -> list[str]:
    counts = pc.value_counts(column)
    return [each["values"] for each in counts.filter(pc.greater(counts.field("counts"), 1)).to_pylist()]


def _impure(table: pa.Table) -> list[str]:
    found = table.group_by("group").aggregate([("split", "min"), ("split", "max")])
    return list(found.filter(pc.not_equal(found["split_min"], found["split_max"]))["group"].to_pylist())


def _moved(before: pa.Table, after: pa.Table, name: str) -> list[str]:
    """Return the pairs or groups that are in both versions and whose split differs."""
    found = pc.index_in(after[name], before[name])
    both = pc.is_valid(found)
    then, now = before["split"].take(found.filter(both)), after.filter(both)
    return list(dict.fromkeys(now.filter(pc.not_equal(then, now["split"]))[name].to_pylist()))


def _wrong(what: str, pair_id: str = "") -> Problem:
    return Problem(manifest.NAME, pair_id, what)
