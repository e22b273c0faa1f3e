"""Verify the card and the other sidecar files against the manifest."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib.metadata import version as installed
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.dataset import manifest, sidecars
from safetypairs_hf.dataset.store.base import Edition
from safetypairs_hf.versions.verify_pairs import Problem

_CARD = "README.md"


def check_card(edition: Edition) -> Iterator[Problem]:
    """The card's figures against the manifest, whatever code wrote it."""
    try:
        text = edition.fetch(_CARD).read_bytes().decode()
    except FileNotFoundError:
        yield Problem(_CARD, "", "is missing")
        return
    except ValueError as error:
        yield Problem(_CARD, "", f"is no UTF-8 text: {error}")
        return
    try:
        header = yaml.safe_load(text.split("---\n")[1])
        yield from _header(edition, header)
    except (yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        yield Problem(_CARD, "", f"its YAML header does not read as a card of ours: {reason}")


def check_sidecars(edition: Edition, unchecked: list[str]) -> Iterator[Problem]:
    """Every byte of the card and the other sidecar files, by the hashes that the manifest holds.

    What cannot be checked is added to `unchecked`: a manifest of format 1 has no such hashes. Where this code wrote the
    files, it makes them again, to say which line was changed.
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
            found = edition.fetch(name).read_bytes()
        except FileNotFoundError:
            yield Problem(name, "", "is missing")
            continue
        if sha256(found) != expected.sha256:
            where = f": {_first(made[name], found.decode(errors='replace'))}" if name in made else ""
            yield Problem(name, "", f"was changed since it was published{where}")


def _header(edition: Edition, header: dict[str, Any]) -> Iterator[Problem]:
    files = _by_file(edition.table)
    data = set(files)
    files |= {name: (said["rows"], said["size"]) for name, said in edition.head.get("beside", {}).items()}
    shown = set[str]()
    sizes = {info["config_name"]: {split["name"]: split for split in info["splits"]} for info in header["dataset_info"]}
    for config in header["configs"]:
        name = config["config_name"]
        if config["version"] != str(edition.version):
            yield Problem(_CARD, "", f"config {name} is of version {config['version']}, not {edition.version}")
        matched: set[str] = set()
        for view in config["data_files"]:
            mine = {file for file in files if fnmatchcase(file, view["path"])}
            matched |= mine
            shown |= mine
            pairs, size = (sum(files[file][index] for file in mine) for index in (0, 1))
            said = sizes[name][view["split"]]
            if (said["num_examples"], said["num_bytes"]) != (pairs, size):
                what = f"{said['num_examples']} pairs of {said['num_bytes']} bytes"
                yield Problem(_CARD, "", f"{name}/{view['split']} is said to be {what}; it is {pairs} of {size}")
        if name == "default" and data - matched:
            yield Problem(_CARD, "", f"the config default leaves out {min(data - matched)}")
        if name not in ("controls", "failures") and matched - data:
            yield Problem(_CARD, "", f"the config {name} holds {min(matched - data)}, which is no file of pairs")
    if left := files.keys() - data - shown:
        yield Problem(_CARD, "", f"no config shows {min(left)}")


def _by_file(table: pa.Table) -> dict[str, tuple[int, int]]:
    """File -> its pairs and the bytes of their images."""
    found = table.group_by("file").aggregate([("size", "count"), ("size", "sum")])
    figures = zip(found["size_count"].to_pylist(), found["size_sum"].to_pylist(), strict=True)
    return dict(zip(found["file"].to_pylist(), figures, strict=True))


def _made(edition: Edition) -> tuple[list[Problem], dict[str, str]]:
    """What is wrong with the manifest's own bytes, and the sidecar files that it makes; nothing of another code's."""
    last = edition.releases[-1]
    if last.get("code") != f"safetypairs-hf {installed('safetypairs-hf')}":
        return [], {}
    try:
        data = edition.fetch(manifest.NAME).read_bytes()
        loaded = manifest.load(data)
        assert loaded, "it was read before"
        same_bytes = manifest.dump(loaded) == data
        files = sidecars.render(loaded, last["target"])
    except Exception as error:  # whatever a template raises for figures that a damaged manifest lacks
        return [Problem(manifest.NAME, "", f"the card cannot be made from it: {type(error).__name__}: {error}")], {}
    if same_bytes or pq.ParquetFile(io.BytesIO(data)).metadata.created_by != _writer():
        return [], files
    return [Problem(manifest.NAME, "", "its bytes are not those that its content makes: damaged")], files


def _writer() -> str:
    """How this pyarrow signs what it writes; another one writes the same content in other bytes."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({}), buffer)
    return str(pq.ParquetFile(buffer).metadata.created_by)


def _first(expected: str, found: str) -> str:
    lines = zip([*expected.split("\n"), ""], [*found.split("\n"), ""], strict=False)
    number = next((number for number, (one, two) in enumerate(lines, 1) if one != two), 0)
    return f"line {number} differs"
