"""Verify a data file: its schema, and the hashes, pixels, edit box and place of each pair, by the manifest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from safetypairs_hf.core.errors import SafetyPairsError, counted, reason, verb
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.ids import content_id, policy_pair_id
from safetypairs_hf.core.pictures import changed_box, encoding, perceptual_hash, sha256
from safetypairs_hf.core.records import Picture
from safetypairs_hf.dataset.data_file import open_rows_file
from safetypairs_hf.dataset.policy_pair_rows import ROOT as POLICY_PAIRS
from safetypairs_hf.dataset.policy_pair_rows import policy_pair_schema, slug_of
from safetypairs_hf.dataset.row_hash import row_hash
from safetypairs_hf.dataset.schema import arrow_schema, is_perceptual, unreviewed
from safetypairs_hf.taxonomy.categories import Taxonomy


class Problem(NamedTuple):
    """A problem, its file, and its pair ("" if the pair is not known or the problem is not one pair's)."""

    file: str
    pair_id: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}{f', pair {self.pair_id}' if self.pair_id else ''}: {self.what}"


def check_file(
    path: Path,
    name: str,
    entries: list[dict[str, Any]],
    taxonomy: Taxonomy,
    pool: Executor,
    checked: Callable[[int], None],
) -> Iterator[Problem]:
    """Yield the problems of a data file, which is read one row group at a time.

    Args:
        path: The file to read.
        name: Its name in the dataset, for messages.
        entries: The manifest's rows of the file, each with `first`: its category and images as first published, as far
            as errata changed them.
        taxonomy: The taxonomy of its categories.
        pool: The executor that checks pairs in parallel.
        checked: Called with the number of pairs that were checked since the last call.
    """
    waiting = {entry["pair_id"]: entry for entry in entries}
    schema = policy_pair_schema(taxonomy) if name.startswith(POLICY_PAIRS) else arrow_schema(taxonomy)
    try:
        for rows in row_groups(path, schema):
            known = []
            for row in rows:
                entry = waiting.pop(row["pair_id"], None)
                if entry:
                    known.append((row, entry))
                else:
                    yield Problem(name, str(row["pair_id"]), "is in no row of the manifest, or twice here")
            for problems in pool.map(
                _check_pair, [name] * len(known), [taxonomy] * len(known), *zip(*known, strict=True)
            ):
                yield from problems
            checked(len(known))
    except OtherColumnsError as error:
        yield Problem(name, "", str(error))
        return
    except SafetyPairsError as error:
        read, all_pairs = len(entries) - len(waiting), counted(len(entries), "pair")
        yield Problem(name, "", f"{error}; {read:,} of {all_pairs} {verb(read, 'was')} read")
        return
    for pair_id in waiting:
        yield Problem(name, pair_id, "is in the manifest, but not in the file")


class OtherColumnsError(SafetyPairsError):
    """A data file does not have the expected columns."""


def row_groups(path: Path, expected: pa.Schema) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a file, one row group at a time.

    Raises:
        OtherColumnsError: Its columns, or the features that it declares for `datasets`, are not those expected.
        SafetyPairsError: It cannot be read. The message completes a sentence that begins with the file's name.
    """
    with reading("it"):
        file = open_rows_file(path)
        declared = [
            json.loads((each.metadata or {}).get(b"huggingface", b"null")) for each in (file.schema_arrow, expected)
        ]
    with file:
        found = file.schema_arrow
        if found.names != expected.names:
            raise OtherColumnsError(f"its columns are {', '.join(found.names)}; expected {', '.join(expected.names)}")
        for field in expected:
            if found.field(field.name).type != field.type:
                kind = found.field(field.name).type
                raise OtherColumnsError(f"column {field.name} is {kind}; expected {field.type}")
        if declared[0] != declared[1]:
            raise OtherColumnsError("its features for `datasets` are not those of the published columns")
        for index in range(file.num_row_groups):
            with reading("it"):
                rows = file.read_row_group(index).to_pylist()
            yield rows


def _check_pair(name: str, taxonomy: Taxonomy, row: dict[str, Any], entry: dict[str, Any]) -> list[Problem]:
    try:
        members = _image(row, entry, taxonomy) if "image" in row else _images(row, entry)
        found = [*_against_manifest(row, entry, taxonomy), *members]
    except (TypeError, LookupError) as error:  # a value that is missing, or null
        found = [f"a value of its row is missing or broken: {reason(error)}"]
    return [Problem(name, entry["pair_id"], what) for what in found]


def _against_manifest(row: dict[str, Any], entry: dict[str, Any], taxonomy: Taxonomy) -> Iterator[str]:
    """Check the plain columns that the manifest also has."""
    found = {**row, "category": taxonomy.slug_of(row["category"]), "review": row.get("review", unreviewed())["status"]}
    for column in ("category", "group", "introduced", "review"):
        if column in entry and found[column] != entry[column]:
            yield f"{column} is {found[column]!r}, and the manifest says {entry[column]!r}"


def _images(row: dict[str, Any], entry: dict[str, Any]) -> Iterator[str]:
    """Check the two members: their bytes, that they decode, their PDQ hashes, and where they differ."""
    files, pictures = [], []
    for member in ("unsafe", "safe"):
        data = row[f"{member}_image"]["bytes"]
        files.append(sha256(data))
        if files[-1] != entry[f"{member}_sha256"]:
            yield f"the sha256 of its {member} image is not the manifest's"
        picture = Picture(data)
        try:
            assert picture.pixels is not None
        except Exception as error:  # a decoder may raise anything for damaged bytes
            yield f"its {member} image does not decode: {reason(error)}"
            continue
        pictures.append(picture)
        if perceptual_hash(picture) != entry[f"{member}_phash"]:
            yield f"the PDQ hash of its {member} image is not the manifest's"
    if sum(len(row[f"{member}_image"]["bytes"]) for member in ("unsafe", "safe")) != entry["size"]:
        yield "the size of its images is not the manifest's"
    if entry.get("row_hash") not in (None, row_hash(row, *files)):
        yield "its row is not the one that was published: an image, a text, a judge or the policy"
    first = {**entry, **entry["first"]}
    as_first = files if first["unsafe_sha256"] == entry["unsafe_sha256"] else files[::-1]
    if content_id(*as_first, first["category"]) != entry["pair_id"]:
        yield "its id is not the hash of its images and category" + (" as first published" if entry["first"] else "")
    if len(pictures) == 2:
        yield from other_encoding(*pictures)
        yield from _edit_box(row, *pictures)


def _image(row: dict[str, Any], entry: dict[str, Any], taxonomy: Taxonomy) -> Iterator[str]:
    """Check the image of a policy pair and its two policies."""
    data = row["image"]["bytes"]
    digest, picture = sha256(data), Picture(data)
    if {digest} != {entry["unsafe_sha256"], entry["safe_sha256"]}:
        yield "the sha256 of its image is not the manifest's"
    try:
        if {perceptual_hash(picture)} != {entry["unsafe_phash"], entry["safe_phash"]}:
            yield "the PDQ hash of its image is not the manifest's"
    except Exception as error:  # a decoder may raise anything for damaged bytes
        yield f"its image does not decode: {reason(error)}"
    if len(data) != entry["size"]:
        yield "the size of its image is not the manifest's"
    if entry.get("row_hash") not in (None, row_hash(row, digest, digest)):
        yield "its row is not the one that was published: the image, a text or a policy"
    unsafe, safe = slug_of(row["unsafe_policy"]), slug_of(row["safe_policy"])
    if unsafe != entry["category"] or safe == unsafe or safe not in taxonomy.slugs:
        yield f"its policies are {row['unsafe_policy']} and {row['safe_policy']}; its category is {entry['category']}"
    first = {**entry, **entry["first"]}
    as_first = (unsafe, safe) if first["category"] == entry["category"] else (safe, unsafe)
    if policy_pair_id(digest, *as_first) != entry["pair_id"]:
        yield "its id is not the hash of its image and policies" + (" as first published" if entry["first"] else "")


def other_encoding(unsafe: Picture, safe: Picture) -> Iterator[str]:
    """Yield a problem if the files of the two members differ in more than their pixels."""
    one, two = encoding(unsafe.data), encoding(safe.data)
    if one != two:
        yield f"its images are encoded differently, which reveals the label: unsafe {one}; safe {two}"


def _edit_box(row: dict[str, Any], unsafe: Picture, safe: Picture) -> Iterator[str]:
    if unsafe.pixels.shape != safe.pixels.shape:
        yield f"its images differ in size: {unsafe.pixels.shape} and {safe.pixels.shape}"
        return
    box, share = changed_box(unsafe.pixels, safe.pixels)
    if box is None:
        yield "its two images are equal"
    elif is_perceptual(row["preservation"]):
        yield from _outside_image(row["edit_box"], unsafe)
        return
    elif tuple(row["edit_box"]) != tuple(box):
        yield f"edit_box is {row['edit_box']}, and the pixels that differ fill {list(box)}"
    if row["preservation"]["changed_fraction"] != share:
        yield f"changed_fraction is {row['preservation']['changed_fraction']}, and {share} of the pixels differ"


def _outside_image(box: list[int], picture: Picture) -> Iterator[str]:
    """Yield a problem if an edit box lies outside its image. Pixels that differ by noise alone may lie outside it."""
    height, width = picture.pixels.shape[:2]
    if not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
        yield f"edit_box is {box}, and the image has {width} x {height} pixels"
