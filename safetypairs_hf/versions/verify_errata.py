"""Verify errata: each agrees with the pairs as they are now, and no label changed without one."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import errata, manifest
from safetypairs_hf.dataset.store.base import Edition
from safetypairs_hf.versions.verify_pairs import Problem


def check_errata(edition: Edition) -> Iterator[Problem]:
    """Check the errata of a version against its releases, its pairs, and one another."""
    listed = edition.head.get("errata", [])
    if not listed:
        return
    known = {parse(release["version"]) for release in edition.releases}
    versions = [parse(each["version"]) for each in listed]
    if versions != sorted(versions):
        yield _wrong("its errata are not in the order of their versions")
    for each, version in zip(listed, versions, strict=True):
        if version not in known:
            yield _wrong(f"an erratum is of {version}, which is no release up to this one", each["pair_id"])
        if each["action"] not in errata.ACTIONS:
            yield _wrong(f"an erratum has the action {each['action']!r}, which is not an action", each["pair_id"])
    yield from _chain(listed)
    corrected = pa.array(sorted({each["pair_id"] for each in listed}), pa.string())
    rows = edition.columns.of_pairs(["pair_id", *errata.LABELS], corrected).to_pylist()
    here = {row["pair_id"]: row for row in rows}
    gone = errata.dropped(listed)
    for pair_id, labels in errata.last_labels(listed).items():
        if pair_id in gone and pair_id in here:
            yield _wrong("its errata say that it was dropped, but it is in the version", pair_id)
        for name, value in labels.items():
            if pair_id not in gone and pair_id in here and here[pair_id][name] != value:
                yield _wrong(f"{name} is {here[pair_id][name]!r}, and its last erratum says {value!r}", pair_id)


def _chain(listed: list[dict[str, object]]) -> Iterator[Problem]:
    """Check each erratum against the one before it: it must start from what that one made of the pair."""
    so_far: dict[object, dict[str, str]] = {}
    for each in listed:
        was, now = (dict(each[name]) for name in ("was", "now"))  # type: ignore[call-overload]
        held = so_far.setdefault(each["pair_id"], {})
        for name in was.keys() & held.keys():
            if was[name] != held[name]:
                said = f"an erratum of {each['version']} says that {name} was {was[name]!r}"
                yield _wrong(f"{said}, and the one before it made it {held[name]!r}", str(each["pair_id"]))
        held.update(now)


def check_relabelled(before: Edition, edition: Edition) -> Iterator[Problem]:
    """Find pairs whose label differs from an earlier version's although no erratum explains it."""
    told: dict[str, set[str]] = {}
    for each in errata.between(edition.head.get("errata", ()), before.version, edition.version):
        told.setdefault(each["pair_id"], set()).update(each["now"])
    old, new = before.table, edition.table
    found = pc.index_in(new["pair_id"], old["pair_id"])
    both = pc.is_valid(found)
    then, now = old.take(found.filter(both)), new.filter(both)
    for name in errata.LABELS:
        changed = now.filter(pc.not_equal(then[name], now[name]))
        for pair_id in changed["pair_id"].to_pylist():
            if name not in told.get(pair_id, ()):
                yield _wrong(f"its {name} is another than in {before.version}, and no erratum says why", pair_id)


def _wrong(what: str, pair_id: str = "") -> Problem:
    return Problem(manifest.NAME, pair_id, what)
