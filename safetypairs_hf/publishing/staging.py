"""Stage a release: write its files to a temporary folder and upload them, ready for one commit.

New pairs go into new files. A published file is rewritten if some of its rows leave or change, and deleted if all
leave. Every other file stays as it is, unless the release has other categories, which changes the numbers in every
file. A pair that errata move to another category goes from its file to a new one.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from safetypairs_hf.building.run_reader import FinishedRun
from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.pictures import encoding, sha256
from safetypairs_hf.core.records import Candidate
from safetypairs_hf.dataset import failure_rows, manifest, reviews, sidecars
from safetypairs_hf.dataset.control_rows import Tally, control_file, control_rows, image_bytes, judges_in, tally
from safetypairs_hf.dataset.data_file import read_rows
from safetypairs_hf.dataset.failure_rows import Failed, failure_row
from safetypairs_hf.dataset.manifest import Entry, FileHash, Manifest
from safetypairs_hf.dataset.policy_pair_rows import policy_pair_row
from safetypairs_hf.dataset.row_hash import row_hash
from safetypairs_hf.dataset.schema import row, unreviewed
from safetypairs_hf.dataset.shards import RowChange, Shards, large_buffers, rewrite_without
from safetypairs_hf.probing.probe_record import ReleaseProbe
from safetypairs_hf.publishing.amendment import Amendment
from safetypairs_hf.publishing.plan import Plan
from safetypairs_hf.publishing.release_date import release_date
from safetypairs_hf.publishing.target import Change
from safetypairs_hf.publishing.uploader import Uploader, uploading
from safetypairs_hf.taxonomy.categories import Taxonomy

Progress = Callable[[str, int, int], None]


@contextmanager
def stage(
    plan: Plan,
    finished: FinishedRun | None = None,
    progress: Progress = lambda name, done, total: None,
    *,
    probe: bool = True,
) -> Iterator[Change]:
    """Make the files of a planned release. They exist while the context is open.

    Args:
        plan: What changes.
        finished: The run with the pairs and failures to add; None if the plan adds none.
        progress: Called as `progress("pairs", written, total)`, then with "failures" if there are any.
        probe: Whether to probe a sample of the new pairs for the card.

    Raises:
        PublishError: A file cannot be written, for example on a full disk; nothing was published.
    """
    try:
        with large_buffers(), tempfile.TemporaryDirectory(prefix="safetypairs-publish-") as folder:
            scratch = Path(folder)
            files = _rewritten(plan, scratch)
            plan.head.target.begin(plan.version)
            with uploading(scratch, plan.head.target.send) as uploader:
                for name in files.rewritten:
                    uploader.add(name)
                _write_corrected(plan, files, uploader)
                if finished is not None:
                    files.probe = ReleaseProbe(plan.added_pairs, wanted=probe)
                    _write_pairs(plan, finished, files, uploader, progress)
                    _write_failures(plan, finished, files, uploader, progress)
                yield _finish(plan, files, uploader)
    except OSError as error:
        raise PublishError(
            f"cannot write the release's files: {error.strerror or error}; nothing was published (set TMPDIR to make "
            "them in another place)"
        ) from error


@dataclass
class _Files:
    """The files of a release while they are made in the folder `scratch`.

    Attributes:
        taxonomies: The taxonomies of the last version and of the release, if they number the categories differently.
        rewritten: The names of published files that were rewritten.
        deleted: The names of published files to delete.
        tallies: The totals of each file of controls.
        entries: The new pairs.
        amended: The entries of pairs that changed.
        failed: All failures of the release.
        probe: Measures a sample of the new pairs.
        moving: The controls of pairs that move to another file, by pair id.
    """

    scratch: Path
    taxonomies: tuple[Taxonomy, Taxonomy] | None = None
    rewritten: list[str] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    tallies: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    amended: dict[str, Entry] = field(default_factory=dict)
    moving: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)
    probe: ReleaseProbe = field(default_factory=lambda: ReleaseProbe(()))

    def rewrite(
        self,
        source: Path,
        name: str,
        ids: Iterable[str],
        column: str = "pair_id",
        changes: Mapping[str, RowChange] | None = None,
    ) -> None:
        """Rewrite a published file without the rows whose `column` is in `ids`; see `rewrite_without`."""
        rewrite_without(source, self.scratch / name, ids, column, self.taxonomies, changes)
        self.rewritten.append(name)

    def delete_controls(self, name: str) -> None:
        """Delete a file of controls whose pairs all leave."""
        self.deleted.add(name)
        del self.tallies[name]


def _rewritten(plan: Plan, scratch: Path) -> _Files:
    """Rewrite the published files in which rows leave or change, and list those that lose all rows."""
    taxonomies = (plan.head.manifest.taxonomy, plan.taxonomy) if plan.renumbered else None
    files = _Files(scratch, taxonomies, failed=list(plan.failures.kept))
    moved = [each.entry for each in plan.amended.values() if each.moves]
    gone = {entry.pair_id for entry in moved}
    leaving = _by_file((entry.file, entry.pair_id) for entry in [*plan.removed, *moved])
    staying = {entry.file for entry in plan.kept if entry.pair_id not in gone}
    emptied = _without(plan, files, leaving, staying, "pair_id")
    files.tallies = {name: held for name, held in plan.head.manifest.extras.items() if "judges" in held}
    # Controls of a pair with swapped members were made and confirmed for the wrong labels.
    swapped = _by_file((each.entry.file, each.entry.pair_id) for each in plan.amended.values() if each.swaps)
    touched = leaving.keys() | swapped.keys() | ({entry.file for entry in plan.kept} if plan.renumbered else set())
    for file in sorted(touched):
        if control_file(file) in files.tallies:
            _read_moving(plan, files, file, gone - set(swapped.get(file, ())))
            if file in emptied:
                files.delete_controls(control_file(file))
            else:
                _controls_without(plan, files, file, {*leaving.get(file, ()), *swapped.get(file, ())})
    leaving = _by_file((each.file, each.failure_id) for each in plan.failures.removed)
    _without(plan, files, leaving, {each.file for each in plan.failures.kept}, "failure_id")
    return files


def _by_file(rows: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the ids that leave each file, by file."""
    found: dict[str, list[str]] = defaultdict(list)
    for file, name in rows:
        found[file].append(name)
    return found


def _without(plan: Plan, files: _Files, leaving: Mapping[str, list[str]], staying: set[str], column: str) -> set[str]:
    """Rewrite each file that keeps some rows and loses or changes others; return the files that keep none."""
    changing = _in_place(plan, files) if column == "pair_id" else {}
    for file in sorted(staying if plan.renumbered else (leaving.keys() | changing.keys()) & staying):
        files.rewrite(plan.head.target.fetch(file), file, leaving.get(file, ()), column, changing.get(file))
    emptied = leaving.keys() - staying
    files.deleted |= emptied
    return emptied


def _in_place(plan: Plan, files: _Files) -> dict[str, dict[str, RowChange]]:
    """Return by file and pair id the function that changes the row of a pair which stays in its file."""

    def change(amendment: Amendment) -> RowChange:
        def made(row: dict[str, Any]) -> dict[str, Any]:
            found = amendment.row(row, plan.taxonomy)
            files.amended[amendment.entry.pair_id] = amendment.amended(found, amendment.entry.file)
            return found

        return made

    found: dict[str, dict[str, RowChange]] = defaultdict(dict)
    for pair_id, amendment in plan.amended.items():
        if not amendment.moves:
            found[amendment.entry.file][pair_id] = change(amendment)
    return dict(found)


def _read_moving(plan: Plan, files: _Files, file: str, pair_ids: set[str]) -> None:
    """Keep the controls of those pairs of a data file that move to another file."""
    if pair_ids:
        wanted = [("pair_id", "in", pair_ids)]
        table = read_rows(plan.head.target.fetch(control_file(file)), wanted)
        for row in table.to_pylist():
            files.moving.setdefault(row["pair_id"], []).append(row)


def _controls_without(plan: Plan, files: _Files, file: str, pair_ids: set[str]) -> None:
    """Remove the controls of some pairs of a data file from the file of its controls."""
    name, target = control_file(file), plan.head.target
    there = set(pq.read_table(target.fetch(name), columns=["pair_id"])["pair_id"].to_pylist())
    if there <= pair_ids:
        files.delete_controls(name)
    elif plan.renumbered or not there.isdisjoint(pair_ids):
        files.rewrite(target.fetch(name), name, pair_ids)
        files.tallies[name] = tally(files.scratch / name, judges_in(target.fetch(file))).to_dict()


def _write_pairs(plan: Plan, finished: FinishedRun, files: _Files, uploader: Uploader, progress: Progress) -> None:
    """Write the new pairs, each with its controls."""
    version = str(plan.version)
    tallies: dict[str, Tally] = defaultdict(Tally)
    with Shards(files.scratch, version, plan.taxonomy, uploader.add) as shards:
        for candidate, controls in finished.pairs(plan.added.keys()):
            assert candidate.identity
            place = plan.added[candidate.identity.pair_id]
            _refuse_other_encoding(candidate)
            review = plan.reviews.made.get(candidate.identity.pair_id)
            if candidate.identity.is_policy_pair:
                published, extra = policy_pair_row(candidate, place.group, plan.taxonomy, version), []
            else:
                published = row(candidate, place.group, plan.taxonomy, version, review and review.cell())
                extra = control_rows(published, controls)
                files.probe.add(published, extra)
            file = shards.add(published, place.split, place.category, extra)
            for control in extra:
                tallies[control_file(file)].add(control, published["judges"])
            where = place.category, place.split, place.group
            size, status = image_bytes(published), published.get("review", unreviewed())["status"]
            digest = row_hash(published, place.identity.unsafe_sha256, place.identity.safe_sha256)
            files.entries.append(Entry.of(place.identity, file, *where, version, size, status, digest))
            progress("pairs", len(files.entries), len(plan.added))
    files.tallies |= {name: held.to_dict() for name, held in tallies.items()}


def _write_corrected(plan: Plan, files: _Files, uploader: Uploader) -> None:
    """Write the pairs that move to another category, with their controls, and those that are restored."""
    there = (plan.amended[entry.pair_id] for entry in plan.kept if entry.pair_id in plan.amended)
    moved = [each for each in there if each.moves]
    if not moved and not plan.restored:
        return
    tallies: dict[str, Tally] = defaultdict(Tally)
    with Shards(files.scratch, str(plan.version), plan.taxonomy, uploader.add) as shards:
        for amendment in moved:
            entry = amendment.entry
            wanted = [("pair_id", "==", entry.pair_id)]
            (old,) = read_rows(plan.head.target.fetch(entry.file), wanted).to_pylist()
            row = amendment.row(old, plan.taxonomy)
            controls = [{**each, "category": row["category"]} for each in files.moving.get(entry.pair_id, ())]
            file = shards.add(row, entry.split, amendment.now["category"], controls)
            files.amended[entry.pair_id] = amendment.amended(row, file)
            for control in controls:
                tallies[control_file(file)].add(control, row["judges"])
        for entry, row in plan.restored:
            file = shards.add(row, entry.split, entry.category)
            files.entries.append(entry._replace(file=file))
    files.tallies |= {name: held.to_dict() for name, held in tallies.items()}


def _refuse_other_encoding(candidate: Candidate) -> None:
    """Raise PublishError if the two files of a pair differ in more than pixels: the encoding would reveal the label."""
    assert candidate.safe and candidate.identity
    unsafe, safe = encoding(candidate.unsafe.data), encoding(candidate.safe.data)
    if unsafe != safe:
        raise PublishError(
            f"pair {candidate.identity.pair_id}: its images are encoded differently, which reveals the label: unsafe "
            f"{unsafe}; safe {safe}; encode both in the same way and build again"
        )


def _write_failures(plan: Plan, finished: FinishedRun, files: _Files, uploader: Uploader, progress: Progress) -> None:
    """Write the new failures."""
    added, version, taxonomy = plan.failures.added, str(plan.version), plan.taxonomy
    with Shards(files.scratch, version, plan.taxonomy, uploader.add) as shards:
        for done, (name, candidate) in enumerate(_failures_of(plan, finished), 1):
            failed = added[name]
            file = shards.add_failure(failure_row(name, candidate, taxonomy, version), failed.category)
            files.failed.append(failed._replace(file=file, introduced=version))
            progress("failures", done, len(added))


def _failures_of(plan: Plan, finished: FinishedRun) -> Iterator[tuple[str, Candidate]]:
    """Yield the failures that a release adds with their ids: failed attempts, then pairs that people rejected."""
    yield from finished.failures(plan.failures.added.keys())
    names = {pair_id: name for name, pair_id in plan.failures.rejected.items()}
    for candidate, _ in finished.pairs(names.keys()):
        assert candidate.identity
        candidate.reject = plan.reviews.rejects[candidate.identity.pair_id]
        yield names[candidate.identity.pair_id], candidate


def _finish(plan: Plan, files: _Files, uploader: Uploader) -> Change:
    """Write the manifests and the sidecar files after the data files."""
    if not plan.failures.empty:
        _write_failure_manifest(files, uploader)
    head, target, scratch = plan.head.manifest, plan.head.target, files.scratch
    release = {
        **plan.release,
        "version": str(plan.version),
        **dict(zip(("added", "removed", "relabelled"), plan.counts, strict=True)),
        "pairs": len(plan.kept) + len(files.entries),
        "code": f"safetypairs-hf {installed('safetypairs-hf')}",
        "target": target.published_name,
        "date": release_date(),
        "taxonomy": plan.taxonomy.name,
        **files.probe.record(),
    }
    stay = {name: file for name, file in head.files.items() if name not in files.deleted}
    made = Manifest(
        [*(files.amended.get(entry.pair_id, entry) for entry in plan.kept), *files.entries],
        [*head.releases, release],
        [*head.takedowns, *plan.takedowns],
        stay | uploader.finish(),
        {**files.tallies, **failure_rows.totals(files.failed)},
        plan.taxonomy,
        errata=[*head.errata, *plan.errata],
    )
    texts = {name: text.encode() for name, text in sidecars.render(made, target.published_name).items()}
    written = texts | _reviews(plan, files)
    hashes = {name: FileHash(sha256(data), len(data)) for name, data in written.items()}
    if plan.reviews.empty and reviews.NAME in head.sidecars:
        hashes[reviews.NAME] = head.sidecars[reviews.NAME]
    for name, data in {**written, manifest.NAME: manifest.dump(replace(made, sidecars=hashes))}.items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    write = {path.relative_to(scratch).as_posix(): path for path in sorted(scratch.rglob("*")) if path.is_file()}
    return Change(plan.version, f"{plan.version}: {release['summary']}", write, sorted(files.deleted))


def _reviews(plan: Plan, files: _Files) -> dict[str, bytes]:
    """Return reviews.parquet if the release changes it. It is deleted if no reviewed pair is left."""
    if plan.reviews.empty:
        return {}
    left = plan.reviews.all(str(plan.version))
    if not left:
        files.deleted.add(reviews.NAME)
        return {}
    return {reviews.NAME: reviews.dump(left)}


def _write_failure_manifest(files: _Files, uploader: Uploader) -> None:
    if not files.failed:
        files.deleted.add(failure_rows.NAME)
        return
    path = files.scratch / failure_rows.NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(failure_rows.dump(files.failed))
    uploader.add(failure_rows.NAME)
