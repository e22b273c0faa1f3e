"""The files of a release: those that lose rows are made anew, those that lose all go, and the rest stay as they are."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.dataset import failure_rows, manifest, sidecars
from safetypairs_hf.dataset.control_rows import Tally, control_file
from safetypairs_hf.dataset.failure_rows import Failed
from safetypairs_hf.dataset.manifest import Entry, Manifest
from safetypairs_hf.dataset.shards import large_buffers, rewrite_without
from safetypairs_hf.publishing.plan import Plan
from safetypairs_hf.publishing.target import Change, Target
from safetypairs_hf.publishing.uploader import Sender, sending


@dataclass
class Making:
    """A release while its files are made below `scratch`, and sent as they become whole.

    `deleted`: published files that go. `tallies`: what each file of controls holds. `failed`: the release's failures.
    """

    scratch: Path
    sender: Sender
    deleted: set[str] = field(default_factory=set)
    tallies: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)


@contextmanager
def files_of(target: Target, head: Manifest, plan: Plan) -> Iterator[Making]:
    """Where the files of a release are made; those that lose rows are there already. A full disk is a PublishError."""
    try:
        with large_buffers(), tempfile.TemporaryDirectory(prefix="safetypairs-publish-") as folder:
            scratch = Path(folder)
            rewritten, deleted, tallies = _rewrite(target, head, plan, scratch)
            target.begin(plan.version)
            with sending(scratch, target.send) as sender:
                for name in rewritten:
                    sender.add(name)
                yield Making(scratch, sender, deleted, tallies, list(plan.failures.kept))
    except OSError as error:
        raise PublishError(
            f"cannot write the release's files: {error.strerror or error}; nothing was published (TMPDIR says where "
            "they are made)"
        ) from error


def finish(
    target: Target,
    head: Manifest,
    plan: Plan,
    release: dict[str, Any],
    new: Sequence[Entry],
    making: Making,
    takedowns: Sequence[dict[str, Any]] = (),
) -> Change:
    """Write the manifests and the files beside the data, where the Parquet files are already."""
    scratch, sender = making.scratch, making.sender
    release = {
        **release,
        "version": str(plan.version),
        **dict(zip(("added", "removed", "relabelled"), plan.counts, strict=True)),
        "pairs": len(plan.kept) + len(new),
        "code": f"safetypairs-hf {installed('safetypairs-hf')}",
        "target": target.name,
    }
    if not plan.failures.empty:
        _write_failed(making)
    files = {name: file for name, file in head.files.items() if name not in making.deleted} | sender.finish()
    beside = {**making.tallies, **failure_rows.totals(making.failed)}
    made = Manifest([*plan.kept, *new], [*head.releases, release], [*head.takedowns, *takedowns], files, beside)
    (scratch / manifest.NAME).write_bytes(manifest.dump(made))
    for name, text in sidecars.render(made, target.name).items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    write = {path.relative_to(scratch).as_posix(): path for path in _files(scratch)}
    return Change(plan.version, f"{plan.version}: {release['summary']}", write, sorted(making.deleted))


def _write_failed(making: Making) -> None:
    if not making.failed:
        making.deleted.add(failure_rows.NAME)
        return
    path = making.scratch / failure_rows.NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(failure_rows.dump(making.failed))
    making.sender.add(failure_rows.NAME)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _rewrite(
    target: Target, head: Manifest, plan: Plan, scratch: Path
) -> tuple[list[str], set[str], dict[str, dict[str, Any]]]:
    """Rewrite each file that loses some of its rows: their names, those that lose all, and the tallies of controls."""
    leaving: dict[str, list[str]] = defaultdict(list)
    for entry in plan.removed:
        leaving[entry.file].append(entry.pair_id)
    staying = {entry.file for entry in plan.kept}
    rewritten, deleted = sorted(leaving.keys() & staying), leaving.keys() - staying
    for file in rewritten:
        rewrite_without(target.fetch(file), scratch / file, leaving[file])
    tallies = {name: held for name, held in head.beside.items() if "judges" in held}
    for file, pair_ids in sorted(leaving.items()):
        name = control_file(file)
        if name in tallies:
            left = None if file in deleted else _controls_without(target, file, set(pair_ids), scratch)
            if left is None:
                deleted.add(name)
                del tallies[name]
            elif left:
                rewritten.append(name)
                tallies[name] = left
    failures, emptied = _failures_without(target, plan, scratch)
    return [*rewritten, *failures], deleted | emptied, tallies


def _controls_without(target: Target, file: str, pair_ids: set[str], scratch: Path) -> dict[str, Any] | None:
    """Rewrite the controls of a data file less those of some pairs; their tally, {} where nothing changes, None: all
    are of these pairs."""
    name = control_file(file)
    old = target.fetch(name)
    there = set(pq.read_table(old, columns=["pair_id"])["pair_id"].to_pylist())
    if there <= pair_ids:
        return None
    if there.isdisjoint(pair_ids):
        return {}
    rewrite_without(old, scratch / name, pair_ids)
    return tally(scratch / name, target.fetch(file)).to_dict()


def tally(controls: Path, pairs: Path) -> Tally:
    """What a file of controls holds, a row group at a time; `pairs` is the data file of their pairs."""
    judges = pq.read_table(pairs, columns=["pair_id", "judges"]).to_pydict()
    of_pair = dict(zip(judges["pair_id"], judges["judges"], strict=True))
    found = Tally()
    with pq.ParquetFile(controls) as file:
        for index in range(file.num_row_groups):
            for row in file.read_row_group(index).to_pylist():
                found.add(row, of_pair[row["pair_id"]])
    return found


def _failures_without(target: Target, plan: Plan, scratch: Path) -> tuple[list[str], set[str]]:
    """Rewrite the files that lose some of their failures; their names, and those that lose all."""
    leaving: dict[str, list[str]] = defaultdict(list)
    for each in plan.failures.removed:
        leaving[each.file].append(each.failure_id)
    staying = {each.file for each in plan.failures.kept}
    rewritten = sorted(leaving.keys() & staying)
    for file in rewritten:
        rewrite_without(target.fetch(file), scratch / file, leaving[file], "failure_id")
    return rewritten, leaving.keys() - staying
