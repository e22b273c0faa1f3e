"""Verify the card and the other sidecar files against the manifest."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib.metadata import version as installed
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from safetypairs_hf.core.errors import PublishError, SafetyPairsError, counted
from safetypairs_hf.core.file_digests import file_sha256
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.dataset import card_header, manifest, manifest_head, reviews, sidecars
from safetypairs_hf.dataset.card_header import CardHeader
from safetypairs_hf.dataset.manifest import UNREVIEWED
from safetypairs_hf.dataset.policy_pair_rows import CONFIG
from safetypairs_hf.dataset.policy_pair_rows import ROOT as POLICY_PAIRS
from safetypairs_hf.dataset.store.base import Edition
from safetypairs_hf.versions.verify_pairs import Problem

_CARD = "README.md"


def check_card(edition: Edition) -> Iterator[Problem]:
    """Check the figures of the card against the manifest, whichever version of the package wrote it."""
    try:
        path = edition.fetch(_CARD)
    except FileNotFoundError:
        yield Problem(_CARD, "", "is missing")
        return
    try:
        with reading(_CARD):
            header = card_header.read(path)
    except SafetyPairsError as error:
        yield Problem(_CARD, "", str(error).removeprefix(_CARD).lstrip(", "))
    else:
        yield from _header(edition, header)


def check_sidecars(edition: Edition, unchecked: list[str]) -> Iterator[Problem]:
    """Check every byte of the card and the other sidecar files against the hashes in the manifest.

    A manifest of format 1 has no such hashes: a line about them is added to `unchecked`. Files that this version of the
    package wrote are rendered again, to name the line that was changed.
    """
    named = manifest.hashes(edition.head, "sidecars")
    if not named:
        wrote = edition.releases[-1].get("code")
        unchecked.append(
            f"the texts beside the data (README.md, croissant.json and others): {wrote} published them without hashes"
        )
        return
    problems, made = _made(edition)
    yield from problems
    for name, expected in named.items():
        try:
            path = edition.fetch(name)
        except FileNotFoundError:
            yield Problem(name, "", "is missing")
            continue
        if path.stat().st_size != expected.size or file_sha256(path) != expected.sha256:
            where = f": {_first(made[name], path)}" if name in made else ""
            yield Problem(name, "", f"was changed since it was published{where}")


def _header(edition: Edition, header: CardHeader) -> Iterator[Problem]:
    files = _by_file(edition.table)
    data = {name for name in files if not name.startswith(POLICY_PAIRS)}
    files |= {name: (said["rows"], said["size"]) for name, said in edition.head.get("beside", {}).items()}
    if reviews.NAME in edition.head.get("sidecars", {}):
        files[reviews.NAME] = (pc.sum(pc.not_equal(edition.table["review"], UNREVIEWED)).as_py(), 0)
    shown = set[str]()
    for config in header.configs:
        if config.version != str(edition.version):
            yield Problem(_CARD, "", f"config {config.name} is of version {config.version}, not {edition.version}")
        matched: set[str] = set()
        for split, path in config.paths:
            mine = {file for file in files if fnmatchcase(file, path)}
            matched |= mine
            shown |= mine
            pairs, size = (sum(files[file][index] for file in mine) for index in (0, 1))
            said = header.sizes.get((config.name, split))
            if said != (pairs, size):
                what = f"{counted(said[0], 'pair')} of {said[1]} bytes" if said else "of no size"
                yield Problem(_CARD, "", f"{config.name}/{split} is said to be {what}; it is {pairs} of {size}")
        if config.name == "default" and data - matched:
            yield Problem(_CARD, "", f"the config default leaves out {min(data - matched)}")
        if config.name not in (CONFIG, "controls", "failures", reviews.CONFIG) and matched - data:
            yield Problem(_CARD, "", f"the config {config.name} holds {min(matched - data)}, which is no file of pairs")
    if left := files.keys() - data - shown:
        yield Problem(_CARD, "", f"no config shows {min(left)}")


def _by_file(table: pa.Table) -> dict[str, tuple[int, int]]:
    """Return the number of pairs of each data file, and the size of their images in bytes."""
    found = table.group_by("file").aggregate([("size", "count"), ("size", "sum")])
    figures = zip(found["size_count"].to_pylist(), found["size_sum"].to_pylist(), strict=True)
    return dict(zip(found["file"].to_pylist(), figures, strict=True))


def _made(edition: Edition) -> tuple[list[Problem], dict[str, str]]:
    """Return what is wrong with the manifest's own bytes, and the sidecar files rendered from it.

    Both are empty for files that another version of the package wrote.
    """
    last = edition.releases[-1]
    if last.get("code") != f"safetypairs-hf {installed('safetypairs-hf')}":
        return [], {}
    try:
        data = edition.fetch(manifest.NAME).read_bytes()
        loaded = manifest.load(data)
        assert loaded, "it was read before"
        manifest_head.refuse_lacking(loaded.releases, card=True)
        same_bytes = manifest.dump(loaded) == data
        files = sidecars.render(loaded, last["target"])
    except PublishError as error:
        return [Problem(manifest.NAME, "", str(error).removeprefix(f"{manifest.NAME} "))], {}
    except Exception as error:  # a template may raise anything for a damaged manifest
        return [Problem(manifest.NAME, "", f"the card cannot be made from it: {type(error).__name__}: {error}")], {}
    if same_bytes or pq.ParquetFile(io.BytesIO(data)).metadata.created_by != _writer():
        return [], files
    return [Problem(manifest.NAME, "", "its bytes are not those that its content makes: damaged")], files


def _writer() -> str:
    """Return how this pyarrow names itself in a file. Another pyarrow writes the same content as other bytes."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({}), buffer)
    return str(pq.ParquetFile(buffer).metadata.created_by)


def _first(expected: str, path: Path) -> str:
    """Return where a text differs from what was expected. A file that is much too long is not read to its end."""
    with path.open("rb") as file:
        found = file.read(2 * len(expected.encode()) + 1024).decode(errors="replace")
    lines = zip([*expected.split("\n"), ""], [*found.split("\n"), ""], strict=False)
    number = next((number for number, (one, two) in enumerate(lines, 1) if one != two), 0)
    return f"line {number} differs"
