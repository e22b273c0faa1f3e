"""Published datasets as somebody hostile writes them: each command answers right, or refuses in one line.

HOSTILE is the table; docs/hostile.md shows it, and is written anew by `python -m tests.dataset.test_hostile`.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import resource
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from safetypairs_hf.cli import main
from safetypairs_hf.core.errors import SafetyPairsError, visible
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest_head import KEY, MORE
from safetypairs_hf.loading.load import load

PAGE = Path(__file__).parents[2] / "docs" / "hostile.md"
COMMANDS = ("versions", "verify", "diff", "load", "evaluate", "report", "publish", "takedown")
FILE, README = "manifest.parquet", "README.md"
DATA, CONTROLS = "data/test/hate/1.0.0-00000.parquet", "controls/test/hate/1.0.0-00000.parquet"
FAILED = "failures/manifest.parquet"
OK = "as if nothing were wrong"

Make = Callable[[Path], object]
Head = dict[str, Any]
Rows = list[dict[str, Any]]


class Hostile(NamedTuple):
    """A folder that is wrong: how it is made of a whole one, and what each command that is tried says of it.

    `said`: of a command, what its line on stderr holds, or what `verify` prints. OK where the answer is the usual one.
    """

    make: Make
    said: dict[str, str]


HOSTILE: dict[str, Hostile] = {}


def hostile(name: str, make: Make, everywhere: str = "", **said: str) -> None:
    """Add a row; `everywhere` is what every command says."""
    assert name not in HOSTILE, name
    HOSTILE[name] = Hostile(make, dict.fromkeys(COMMANDS, everywhere) if everywhere else said)


# How a folder is changed.


def rewrite(
    folder: Path,
    change: Callable[[Head], object] = lambda head: None,
    table: Callable[[pa.Table], pa.Table] = lambda table: table,
    more: bytes | None = None,
) -> None:
    """Write the manifest anew, with another head, other rows, or other bytes where most of the head is packed."""
    path = folder / FILE
    with pq.ParquetFile(path) as file:
        rows, metadata = file.read(), file.schema_arrow.metadata
    head = json.loads(metadata[KEY]) | json.loads(zlib.decompress(base64.b85decode(metadata[MORE])))
    change(head)
    first, rest = ({k: v for k, v in head.items() if (k in ("format", "version")) == own} for own in (True, False))
    kept = {KEY: json.dumps(first), MORE: more or base64.b85encode(zlib.compress(json.dumps(rest).encode()))}
    rows = table(rows).replace_schema_metadata(None)
    with pq.ParquetWriter(path, rows.schema, compression="zstd", store_schema=False) as writer:
        writer.add_key_value_metadata(kept)
        writer.write_table(rows)


def head(change: Callable[[Head], object]) -> Make:
    return lambda folder: rewrite(folder, change)


def packed(deflated: bytes) -> Make:
    return lambda folder: rewrite(folder, more=base64.b85encode(deflated))


def release(**values: Any) -> Make:
    """Other values of the last release; None takes one out."""

    def change(head: Head) -> None:
        head["releases"][-1].update(values)
        for key in [key for key, value in values.items() if value is None]:
            del head["releases"][-1][key]

    return head(change)


def taken(*takedowns: Head) -> Make:
    return head(lambda head: head.update(takedowns=list(takedowns)))


def erring(*errata: Head) -> Make:
    return head(lambda head: head.update(format=3, errata=list(errata)))


def misled(folder: Path) -> None:
    """An erratum of a pair that is there, with a label that it does not have."""
    pair_id = pq.read_table(folder / DATA, columns=["pair_id"], partitioning=None)["pair_id"][0].as_py()
    erring({**WRONG, "pair_id": pair_id, "was": {"category": "y"}, "now": {"category": "x"}})(folder)


def named(kind: str, name: str, value: Any) -> Make:
    """Another value of a file in one of the head's lists of files."""
    return head(lambda head: head[kind].update({name: value}))


def columns(change: Callable[[pa.Table], pa.Table]) -> Make:
    return lambda folder: rewrite(folder, table=change)


def column(name: str, change: Callable[[list[Any]], list[Any]], kind: pa.DataType | None = None) -> Make:
    """Other values in a column of the manifest."""

    def make(table: pa.Table) -> pa.Table:
        values = pa.array(change(table[name].to_pylist()), kind or table.schema.field(name).type)
        return table.set_column(table.schema.get_field_index(name), name, values)

    return columns(make)


def first(value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [value, *values[1:]]


def data(change: Callable[[Rows], Any], name: str = DATA) -> Make:
    """Other rows in a file, whose hash in the manifest is made right again."""

    def make(folder: Path) -> None:
        table = pq.read_table(folder / name, partitioning=None)
        rows = table.to_pylist()
        made = change(rows)
        pq.write_table(made if isinstance(made, pa.Table) else table.from_pylist(rows, table.schema), folder / name)
        stamp(folder, name)

    return make


def stamp(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    kind = "files" if name.startswith(manifest.FOLDERS) else "sidecars"
    rewrite(folder, lambda head: head[kind].update({name: [sha256(whole), len(whole)]}))


def text(name: str, content: str | bytes, stamped: bool = False) -> Make:
    def make(folder: Path) -> None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        if stamped:
            stamp(folder, name)

    return make


def card(change: Callable[[str], str]) -> Make:
    return lambda folder: text(README, change((folder / README).read_text()), stamped=True)(folder)


def replaced(name: str, by: Callable[[Path], object]) -> Make:
    def make(folder: Path) -> None:
        (folder / name).unlink()
        by(folder / name)

    return make


SPECIAL: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to a device without end": lambda path: path.symlink_to("/dev/zero"),
}


def image(content: bytes) -> Make:
    return data(lambda rows: rows[0]["unsafe_image"].update(bytes=content))


def png(width: int, height: int) -> bytes:
    """A PNG whose header says that it has this size; above 64 pixels a side it holds no pixels."""
    pixels = bytes(width * 3 + 1) * height if max(width, height) <= 64 else b""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def saved(kind: str, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (64, 64)).save(buffer, kind)
    return buffer.getvalue()


def deep(depth: int = 100_000) -> bytes:
    return b"[" * depth + b"]" * depth


def shown(value: Any) -> str:
    written = repr(value)
    return written if len(written) <= 40 else f"{written[:30]}... ({len(written):,} characters)"


def cut(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


def zeroed(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(1000) + whole[1100:])


def bomb(folder: Path) -> None:
    deflating = zlib.compressobj(9)
    begin = deflating.compress(b" ") + deflating.flush(zlib.Z_FULL_FLUSH)
    piece = deflating.compress(b" " * (1 << 24)) + deflating.flush(zlib.Z_FULL_FLUSH)  # which may stand many times
    packed(begin + piece * 64)(folder)


def headless(folder: Path) -> None:
    rows = pq.read_table(folder / FILE).replace_schema_metadata(None)
    with pq.ParquetWriter(folder / FILE, rows.schema, store_schema=False) as writer:
        writer.add_key_value_metadata({KEY: b'{"format": 2, "version": "1.0.0"}'})
        writer.write_table(rows)


def back(folder: Path) -> None:
    pair_id = pq.read_table(folder / FILE)["pair_id"][0].as_py()
    taken({**GONE, "pair_id": pair_id})(folder)


def counted(values: list[Any]) -> list[Any]:
    return [str(number) if isinstance(values[0], bytes | int) else number for number in range(len(values))]


def in_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def broken_text(table: pa.Table) -> pa.Table:
    raw = pa.array([b"\xff\xfe"] * table.num_rows, pa.binary())
    return in_column(table, "group", raw.view(pa.string()))


def repeated(table: pa.Table) -> pa.Table:
    rows = table.take(pa.array([0] * 1000))
    return in_column(rows, "category", pa.array(["x" * 100_000] * 1000))


def typed(rows: Rows, **values: Any) -> pa.Table:
    return pa.Table.from_pylist([{**row, **values} for row in rows])


def less(rows: Rows, name: str) -> pa.Table:
    return pa.Table.from_pylist([{key: value for key, value in row.items() if key != name} for row in rows])


def retold(declared: bytes) -> Make:
    """A data file that declares other features to `datasets`."""

    def make(folder: Path) -> None:
        rows = pq.read_table(folder / DATA, partitioning=None).replace_schema_metadata({"huggingface": declared})
        pq.write_table(rows, folder / DATA)
        stamp(folder, DATA)

    return make


def many(rows: Rows) -> pa.Table:
    """A million times the row, its instruction 64 kB long."""
    row = {**rows[0], "instruction": "x" * 65536, "unsafe_image": None, "safe_image": None}
    return pa.Table.from_pylist([row]).take(pa.array([0] * 1_000))


def moved(folder: Path, how: Callable[[Path, Path], object]) -> None:
    elsewhere = folder.with_name("elsewhere.parquet")
    shutil.move(folder / DATA, elsewhere)
    how(elsewhere, folder / DATA)


def redrawn(folder: Path, content: bytes) -> None:
    """A pair that differs from the other version's, and whose image is not right."""
    column("pair_id", first("0" * 16))(folder)

    def change(rows: Rows) -> None:
        rows[0]["pair_id"] = "0" * 16
        rows[0]["unsafe_image"]["bytes"] = content

    data(change)(folder)


def aliases() -> bytes:
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [b"a%d: &a%d [%s]" % (level, level, b", ".join([b"*a%d" % (level - 1)] * 10)) for level in range(1, 12)]
    return b"---\n" + b"\n".join(lines) + b"\nconfigs: *a11\n---\n"


def retyped(card: str) -> str:
    info = "dataset_info:\n- config_name: default\n"
    assert info in card
    return card.replace(info, f"{info}  features:\n  - name: pair_id\n    dtype: int64\n")


# The manifest as a file.

NOT_OURS = "no manifest.parquet"
hostile("manifest: none", lambda folder: (folder / FILE).unlink(), versions=NOT_OURS, load=NOT_OURS, report=NOT_OURS)
hostile("manifest: empty", text(FILE, b""), versions=NOT_OURS, verify=NOT_OURS, diff=NOT_OURS, evaluate=NOT_OURS)
hostile(
    "manifest: text", text(FILE, "pair_id,file\n"), versions=NOT_OURS, publish="files that safetypairs did not write"
)
hostile("manifest: a pointer of Git LFS", text(FILE, "version https://git-lfs.github.com\n"), versions="git lfs pull")
hostile("manifest: PAR1 alone", text(FILE, b"PAR1"), versions=NOT_OURS, load=NOT_OURS)
hostile(
    "manifest: a footer longer than the file", text(FILE, b"PAR1\xff\xff\xff\x7fPAR1"), verify=NOT_OURS, load=NOT_OURS
)
hostile("manifest: an encrypted footer", text(FILE, b"PAR1" + bytes(64) + b"\x40\0\0\0PARE"), diff="manifest.parquet")
hostile("manifest: cut in half", lambda folder: cut(folder / FILE, 4000), versions=NOT_OURS, takedown="did not write")
hostile("manifest: cut at its end", lambda folder: cut(folder / FILE, -10), versions=NOT_OURS, report=NOT_OURS)
hostile(
    "manifest: zeros in its rows, which load does not read",
    lambda folder: zeroed(folder / FILE),
    **dict.fromkeys(("versions", "verify", "diff", "report", "publish", "takedown"), "manifest.parquet can't be read"),
    load=OK,
)
hostile(
    "manifest: another Parquet file", lambda folder: pq.write_table(pa.table({"a": [1]}), folder / FILE), diff=NOT_OURS
)
for what, by in SPECIAL.items():
    hostile(f"manifest: {what}", replaced(FILE, by), versions=NOT_OURS, load=NOT_OURS, evaluate=NOT_OURS)

# Its head.

NO_LIST, NO_OBJECT, NO_TEXT = (f"expected {what}" for what in ("a list", "an object", "a text"))
WRONG = {"null": None, "a number": 7, "a text": "x", "a list of numbers": [1], "an object of numbers": {"a": 1}}
KINDS = {
    "version": (str, NO_TEXT),
    "releases": (list, NO_LIST),
    "takedowns": (list, NO_LIST),
    **dict.fromkeys(("files", "beside", "sidecars", "taxonomy"), (dict, NO_OBJECT)),
}
hostile("head: nested 100,000 deep", packed(zlib.compress(deep())), "is nested more than 100 deep")
hostile("head: a list", packed(zlib.compress(b"[]")), versions="metadata that are not a JSON object")
hostile(
    "head: no base 85", lambda folder: rewrite(folder, more=b"\x00\xff"), versions="metadata that cannot be unpacked"
)
hostile(
    "head: not deflated",
    packed(b"{}"),
    versions="metadata that cannot be unpacked",
    load="metadata that cannot be unpacked",
)
hostile("head: deflated in part", packed(zlib.compress(b"{}" * 99)[:-6]), versions="metadata that end too early")
hostile("head: no JSON", packed(zlib.compress(b"{")), versions="manifest.parquet is no JSON", publish="is no JSON")
hostile("head: not UTF-8", packed(zlib.compress(b'{"a": "\xff"}')), versions="manifest.parquet is not UTF-8")
hostile("head: a number of 10,000 digits", packed(zlib.compress(b'{"a": ' + b"9" * 10_000 + b"}")), versions="too long")
hostile("head: a key twice", packed(zlib.compress(b'{"files": {}, "files": {}}')), versions="has the key 'files' twice")
hostile(
    "head: 1 GB of blanks, deflated",
    bomb,
    **dict.fromkeys(("versions", "verify", "load", "diff"), "has metadata of over 32 MB, more than is read"),
)
hostile(
    "head: three million empty lists",
    packed(zlib.compress(b'{"releases": [' + b"[]," * 3_000_000 + b"[]]}")),
    versions="has metadata of over 2,097,152 values, more than is read",
)
hostile("head: missing", headless, versions="lacks half of its metadata")
for key, (kind, expected) in KINDS.items():
    optional = key in ("beside", "sidecars", "taxonomy")
    lacking = f"does not say what {key} is"
    if not optional:
        hostile(f"head: no {key}", head(lambda head, key=key: head.pop(key)), lacking)
        hostile(
            f"head: {key} is null", head(lambda head, key=key: head.update({key: None})), versions=lacking, load=lacking
        )
    for what, value in WRONG.items():
        if value is not None and not isinstance(value, kind):
            hostile(
                f"head: {key} is {what}",
                head(lambda head, key=key, value=value: head.update({key: value})),
                **dict.fromkeys(("versions", "load", "publish"), f"says that {key} is {value!r}; {expected}"),
            )
hostile("head: format 99", head(lambda head: head.update(format=99)), "upgrade: pip install -U safetypairs-hf")
hostile("head: format is a text", head(lambda head: head.update(format="2")), versions="says that its format is '2'")
hostile("head: no release", head(lambda head: head.update(releases=[])), "names no release, and so no version")
hostile(
    "head: an unknown taxonomy", release(taxonomy="x@1.0"), report="its taxonomy is x@1.0, which this", diff="x@1.0"
)
hostile(
    "head: a taxonomy without categories", head(lambda head: head.update(taxonomy={})), diff="its taxonomy is damaged"
)

for key, kind in {"version": str, "pairs": int, "recipe": str, "license": str, "judging": dict, "funnel": list}.items():
    for what, value in WRONG.items():
        if value is not None and not isinstance(value, kind):
            told = f"says that releases[0].{key} is {value!r}; expected"
            hostile(f"release: {key} is {what}", release(**{key: value}), versions=told, publish=told)
NAMELESS = "does not say what {} of its release 1.0.0 is"
for key in ("pairs", "summary", "license", "restricted"):
    told = NAMELESS.format(key)
    hostile(f"release: no {key}", release(**{key: None}), versions=OK, verify=told, publish=told, takedown=told)
for key in ("judging", "funnel", "recipe_hash"):
    told = NAMELESS.format(key)
    hostile(f"release: no {key}", release(**{key: None}), versions=OK, verify=told, publish=OK, takedown=told)
hostile("release: a version of 1,000 digits", release(version=f"1.0.{'9' * 1000}"), versions="names a version wrongly")
hostile("release: a version with ESC", release(version="\x1b[31m"), versions=r"'\x1b[31m' is not a version")
hostile("release: a recipe with ESC", release(recipe="\x1b[31mred\x07"), versions=OK, report=OK)
hostile("release: pairs below 0", release(pairs=-1), versions="expected a whole number")
hostile("release: other pairs than it has", release(pairs=99), verify="it has 5 pairs, and its last release says 99")
hostile(
    "release: versions out of order",
    head(lambda head: head["releases"].insert(0, {**head["releases"][-1], "version": "3.0.0"})),
    verify="its releases are not in the order of their versions",
)

GONE = {
    "pair_id": "0" * 16,
    "category": "hate",
    "reason": "asked",
    "version": "1.0.0",
    **dict.fromkeys(("unsafe_sha256", "safe_sha256", "unsafe_phash", "safe_phash"), "0" * 64),
}
for key in GONE:
    told = f"does not say what takedowns[0].{key} is"
    hostile(f"takedown: no {key}", taken({k: v for k, v in GONE.items() if k != key}), versions=told, publish=told)
    told = f"says that takedowns[0].{key} is 7; expected a text"
    hostile(f"takedown: {key} is a number", taken({**GONE, key: 7}), versions=told, takedown=told)
hostile(
    "takedown: no hash", taken({**GONE, "safe_phash": "xyz"}), "safe_phash of the takedown of 0000000000000000 is 'xyz'"
)
hostile("takedown: in version soon", taken({**GONE, "version": "soon"}), versions="names a version wrongly")
WRONG = {"pair_id": "0" * 16, "action": "swap", "was": {}, "now": {}, "reason": "x", "by": "x", "version": "1.0.0"}
for key in ("was", "reason"):
    told = f"does not say what errata[0].{key} is"
    hostile(f"erratum: no {key}", erring({k: v for k, v in WRONG.items() if k != key}), versions=told, publish=told)
told = "says that errata[0].was.category is 7; expected a text"
hostile("erratum: a category is a number", erring({**WRONG, "was": {"category": 7}}), versions=told, takedown=told)
hostile("erratum: in version soon", erring({**WRONG, "version": "soon"}), versions="names a version wrongly")
told = "an erratum has the action 'x', which is not an action"
hostile("erratum: an action that is none", erring({**WRONG, "action": "x"}), verify=told, diff=OK, load=OK, takedown=OK)
told = "category is 'hate', and its last erratum says 'x'"
hostile("erratum: another category than the pair's", misled, verify=told, diff=OK, load=OK)

hostile("takedown: of a pair that is there", back, verify="it was taken down, but is in the version")
for what, content in {
    "empty": b"",
    "null": b"null",
    "a number": b"7",
    "an object": b"{}",
    "a list of numbers": b"[1]",
    "deep": deep(),
    "not UTF-8": b"\xff",
    "takedowns without a hash": b"[{}]",
}.items():
    hostile(
        f"takedowns.json: {what}", text("takedowns.json", content), load=OK, publish="somebody else: takedowns.json"
    )

# The files that it names.

for what, value in {
    "null": None,
    "a text": "x",
    "an object": {},
    "a hash alone": ["0" * 64],
    "two numbers": [1, 1],
    "with a size that is a text": ["0" * 64, "1"],
    "with a size below 0": ["0" * 64, -1],
}.items():
    hostile(f"files: a hash that is {what}", named("files", DATA, value), versions=DATA, load="manifest.parquet says")
    hostile(f"files: a sidecar's hash that is {what}", named("sidecars", "README.md", value), versions="README.md")
OUTSIDE = "which is not a file name in the dataset"
for name in (
    "../x.parquet",
    "/etc/passwd",
    "data/../../x",
    "",
    "data//x",
    "data/\x00",
    "data/\x1b[31m",
    "x" * 600,
    "a\\b",
):
    hostile(f"files: one named {shown(name)}", named("files", name, ["0" * 64, 1]), versions=OUTSIDE, publish=OUTSIDE)
    hostile(f"files: a sidecar named {shown(name)}", named("sidecars", name, ["0" * 64, 1]), verify=OUTSIDE)
    hostile(f"rows: a file named {shown(name)}", column("file", first(name)), verify=OUTSIDE, diff=OUTSIDE)
hostile(
    "files: one that is a folder", named("files", "data", ["0" * 64, 1]), publish="lacks files that its manifest names"
)

# Its rows.

for field in manifest.schema_of(manifest.Entry._fields):
    if field.name != "row_hash":
        told = f"has a row without {field.name}"
        hostile(f"rows: a null {field.name}", column(field.name, first(None)), versions=told, diff=told, publish=told)
    other = pa.string() if field.type != pa.string() else pa.int64()
    told = f"has {field.name} of type {other}; expected"
    hostile(f"rows: {field.name} of another type", column(field.name, counted, other), versions=told, load=told)
hostile("rows: none", columns(lambda table: table.slice(0, 0)), verify="it has 0 pairs, and its last release says 5")
hostile("rows: a size below 0", column("size", first(-5)), versions="has a size below 0")
hostile(
    "rows: a text of 16 MB in each",
    columns(lambda t: in_column(t, "category", pa.array(["x" * (1 << 24)] * t.num_rows))),
    "manifest.parquet is a bomb",
)
hostile("rows: 1,000 times a text of 100 kB", columns(repeated), "manifest.parquet is a bomb")
hostile("rows: a million times one row", columns(lambda table: table.take(pa.array([0] * 1_000_000))), "is a bomb")
hostile("rows: a text of 2,000 letters", column("group", first("x" * 2000)), versions="a group of more than 1024 bytes")
hostile("rows: not UTF-8", columns(broken_text), versions="manifest.parquet can't be read")
hostile("rows: split is validation", column("split", first("validation")), verify="it is validation, hate, and lies in")
hostile("rows: category is 99", column("category", first("99")), verify="it is test, 99, and lies in", versions=OK)
hostile("rows: introduced is no version", column("introduced", first("x")), versions="names a version wrongly")
hostile("rows: a pair twice", columns(lambda t: pa.concat_tables([t, t.slice(0, 1)])), verify="occurs more than once")
hostile("rows: a column more", columns(lambda t: t.append_column("more", t["size"])), versions=NOT_OURS, load=NOT_OURS)
hostile("rows: a column less", columns(lambda table: table.drop_columns(["group"])), versions=NOT_OURS)
hostile(
    "rows: other names of splits in a group", column("group", lambda v: ["g"] * len(v)), verify="lies in two splits"
)
hostile(
    "rows: a pair_id with ESC",
    column("pair_id", first("\x1b[31m\x07")),
    verify=r"pair \x1b[31m\x07",
    diff=r"hold pair \x1b[31m\x07",
)
hostile("rows: a category with ESC", column("category", first("\x1b[2J")), verify=r"it is test, \x1b[2J", diff=OK)
hostile("rows: a group that turns text", column("group", lambda v: ["\u202e"] * len(v)), verify=r"group \u202e lies")

# Data files.

NOT_PUBLISHED = "is not as it was published: "
for what, content in {"empty": b"", "text": b"hello", "PAR1 alone": b"PAR1"}.items():
    bytes_ = f"{DATA}: its bytes are not those that the manifest names"
    hostile(f"data: a file that is {what}", text(DATA, content), verify=f"{DATA}: it can't be read", load=bytes_)
    unread = dict.fromkeys(("load", "evaluate"), f"{DATA} can't be read")
    hostile(
        f"data: a file that is {what}, with its hash", text(DATA, content, True), verify="it can't be read", **unread
    )
for what, by in SPECIAL.items():
    hostile(
        f"data: {what}", replaced(DATA, by), verify="is missing, and 1 pair of", load=f"{DATA}: is missing from default"
    )
hostile(
    "data: a file that is missing", lambda folder: (folder / DATA).unlink(), verify="is missing", publish="lacks files"
)
hostile("data: a link to the file elsewhere", lambda folder: moved(folder, os.symlink), verify=OK, load=OK)
hostile("data: a hard link to the file elsewhere", lambda folder: moved(folder, os.link), verify=OK, load=OK)
hostile("data: a folder that links to its parent", lambda f: (f / "data/test/loop").symlink_to(f / "data"), verify=OK)
hostile(
    "data: a column more",
    data(lambda rows: typed(rows, more=1)),
    verify="its columns are pair_id",
    load="has other columns than the others",
)
hostile("data: a column less", data(lambda rows: less(rows, "group")), verify="its columns are pair_id")
hostile("data: features that are no JSON", retold(b"{"), verify=f"{DATA}: it can't be read")
hostile("data: features that are deep", retold(deep(50_000)), verify="it is nested too deep")
hostile("data: other features", retold(b"{}"), verify="its features for `datasets` are not those")
hostile("data: a row twice", data(lambda rows: rows.append(dict(rows[0]))), verify="or twice here", load="as many rows")
hostile(
    "data: no row",
    data(lambda rows: rows.clear()),
    verify="is in the manifest, but not in the file",
    load="one of its data files can't be read",
)
hostile("data: a million times one text", data(many), verify=f"{DATA}: it is a bomb", load="is a bomb")
BROKEN = "a value of its row is missing or broken"
for key, value, told in (
    ("category", 99, "category is 99, and the manifest says 'hate'"),
    ("category", -1, "category is -1, and the manifest says 'hate'"),
    ("category", None, "category is None, and the manifest says 'hate'"),
    ("pair_id", None, "pair None: is in no row of the manifest"),
    ("pair_id", "\x1b[31m", r"pair \x1b[31m: is in no row of the manifest"),
    ("unsafe_image", None, BROKEN),
    ("unsafe_image", {"bytes": None, "path": "/etc/passwd"}, BROKEN),
    ("edit_box", None, BROKEN),
    ("edit_box", [1], "edit_box is [1], and the pixels that differ fill"),
    ("edit_box", [-1, -1, 10**6, 10**6], "edit_box is [-1, -1, 1000000, 1000000], and the pixels"),
    ("group", "\x1b[31m", r"group is '\x1b[31m', and the manifest says"),
    ("review", None, BROKEN),
    ("preservation", None, BROKEN),
    ("judges", None, "its row is not the one that was published"),
    ("direction", 99, "its row is not the one that was published"),
    ("introduced", "x", "introduced is 'x', and the manifest says '1.0.0'"),
    ("instruction", "\x1b[31m" + "x" * 10**6, "its row is not the one that was published"),
):
    hostile(f"data: {key} is {shown(value)}", data(lambda rows, k=key, v=value: rows[0].update({k: v})), verify=told)
hostile("data: no image for evaluate", data(lambda r: r[0].update(unsafe_image=None)), evaluate="rows with one image")
hostile(
    "data: a path for an image",
    data(lambda r: r[0].update(unsafe_image={"path": "/etc/passwd"})),
    load="path of a file",
)

for what, content in {
    "empty": b"",
    "text": b"hello",
    "cut": png(64, 64)[:60],
    "of 13,000 x 13,000 pixels": png(13_000, 13_000),
    "a header of 60,000 x 60,000 pixels": png(60_000, 60_000),
    "of no width": png(0, 64),
    "an SVG": b"<svg/>",
    "an EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
}.items():
    told = "it has 13000 x 13000 pixels; at most 89478485" if "13,000" in what else "its unsafe image does not decode"
    judged = {"evaluate": OK} if what in ("cut", "an EPS") or "13,000" in what else {}  # it abstains, and says so
    hostile(f"image: {what}", image(content), verify=told, **judged)
hostile("image: another size", image(png(32, 32)), verify="its images differ in size")
hostile("image: a TIFF", image(saved("TIFF")), verify="its images are encoded differently")
hostile("image: 16 bits", image(saved("PNG", "I;16")), verify="its images are encoded differently")
hostile(
    "image: one that is drawn by diff",
    lambda folder: redrawn(folder, b"hello"),
    diff="an image or the edit box can't be",
)
hostile("image: 13,000 x 13,000 drawn by diff", lambda f: redrawn(f, png(13_000, 13_000)), diff="13000 x 13000 pixels")

# The card.

NO_CARD = "README.md: is missing"
hostile(
    "card: none", lambda folder: (folder / README).unlink(), verify=NO_CARD, load=NOT_PUBLISHED, evaluate=NOT_PUBLISHED
)
for what, by in SPECIAL.items():
    cannot = "README.md" if what != "a link to itself" else NOT_PUBLISHED
    hostile(
        f"card: {what}",
        replaced(README, by),
        verify=NO_CARD,
        versions=OK,
        **({"load": cannot} if "nothing" not in what else {}),
    )
UNREAD = "see: safetypairs verify"
NONE_OF_OURS = "README.md: has a YAML header that safetypairs did not write"
for what, (content, told) in {
    "empty": (b"", "README.md: has no YAML header"),
    "no header": (b"# Pairs\n", "README.md: has no YAML header"),
    "a header that does not end": (b"---\nconfigs: []\n", "a YAML header that does not end"),
    "not UTF-8": (b"---\nconfigs: \xff\n---\n", "README.md: is not UTF-8 (at byte 13)"),
    "UTF-16": ("---\nconfigs: []\n---\n".encode("utf-16"), "README.md: is not UTF-8"),
    "a header that is a list": (b"---\n- a\n---\n", NONE_OF_OURS),
    "a header that is a text": (b"---\nabc\n---\n", NONE_OF_OURS),
    "an empty header": (b"---\n---\n", NONE_OF_OURS),
    "no YAML": (b"---\na: [\n---\n", "README.md: line 2, is no YAML"),
    "NUL": (b"---\na: \x00\n---\n", "README.md: is no YAML"),
    "a tag that runs code": (b"---\na: !!python/object/apply:os.getpid []\n---\n", NONE_OF_OURS),
    "nested 20,000 deep": (b"---\na: " + deep(20_000) + b"\n---\n", "README.md: is nested more than 100 deep"),
    "aliases of aliases": (aliases(), "README.md: uses an alias"),
    "a header of 5 million lines": (b"---\n" + b"- a\n" * 5_000_000 + b"---\n", "README.md: has over 16 MB"),
    "5 million lines of text": (b"---\nconfigs: []\n---\n" + b"a\n" * 5_000_000, NONE_OF_OURS),
}.items():
    hostile(f"card: {what}", text(README, content, stamped=True), verify=told, load=UNREAD)
for what, old, new, told in (
    ("configs null", "configs:\n", "configs: null\nother:\n", NONE_OF_OURS),
    ("configs a number", "configs:\n", "configs: 3\nother:\n", NONE_OF_OURS),
    ("dataset_info a list of numbers", "dataset_info:\n", "dataset_info: [1]\nother:\n", NONE_OF_OURS),
    ("a number of rows that is a text", "num_examples: ", "num_examples: a", "num_examples is 'a"),
    ("more rows than there are", "num_examples: ", "num_examples: 1", "is said to be 1"),
    ("paths elsewhere", "data/test/*/*.parquet", "../../../etc/*.parquet", "the config default leaves out"),
    ("paths to a server", "data/test/*/*.parquet", "http://127.0.0.1:9/x.parquet", "the config default leaves out"),
    ("a path that is a number", "path: data/test/*/*.parquet", "path: 3", "the config default leaves out"),
    ("a split with ESC", "split: test", 'split: "\\e[31m"', r"default/\x1b[31m is said to be"),
):
    hostile(f"card: {what}", card(lambda t, old=old, new=new: t.replace(old, new, 1)), verify=told, load=UNREAD)
hostile("card: columns of another type", card(retyped), load="has other columns than the others")

# The other texts.

for name in ("croissant.json", "eval.yaml", "taxonomy.yaml", "CHANGELOG.md", "loading_script/safetypairs.py"):
    hostile(f"{name}: none", lambda folder, name=name: (folder / name).unlink(), verify=f"{name}: is missing", load=OK)
    for what, content in {"empty": b"", "not UTF-8": b"\xff\xfe", "12 MB": b"x\n" * 6_000_000}.items():
        changed = f"{name}: was changed since it was published: line 1 differs"
        hostile(
            f"{name}: {what}",
            text(name, content),
            verify=changed,
            publish=f"was changed after v1.0.0 by somebody else: {name}",
        )
    hostile(f"{name}: a pipe", replaced(name, os.mkfifo), verify=f"{name}: is missing", load=OK)

# Failures and controls.

for what, content in {"empty": b"", "text": b"hello", "PAR1 alone": b"PAR1"}.items():
    told = f"{FAILED}: it can't be read"
    unread = dict.fromkeys(("publish", "takedown"), f"{FAILED} of ")
    hostile(
        f"failures: a manifest that is {what}", text(FAILED, content), verify=told, publish="was changed after v1.0.0"
    )
    hostile(f"failures: a manifest that is {what}, with its hash", text(FAILED, content, True), verify=told, **unread)
hostile(
    "failures: other columns",
    data(lambda rows: pa.table({"a": [1]}), FAILED),
    verify="it has the columns a;",
    publish="a;",
)
hostile(
    "failures: a file elsewhere", data(lambda r: r[0].update(file="../x"), FAILED), verify=OUTSIDE, takedown=OUTSIDE
)
hostile(
    "failures: a null",
    data(lambda r: r[0].update(file=None), FAILED),
    verify="a row without file",
    publish="without file",
)
hostile(
    "failures: a manifest that is a folder", replaced(FAILED, lambda path: path.mkdir()), verify=f"{FAILED}: is missing"
)
for what, content in {"empty": b"", "text": b"hello"}.items():
    hostile(
        f"controls: a file that is {what}, with its hash", text(CONTROLS, content, True), verify=f"{CONTROLS}: it can't"
    )
for key, value, told in (
    ("control", 99, "is a control of no pair of its data file, or occurs twice"),
    ("control", None, "is a control of no pair of its data file, or occurs twice"),
    ("pair_id", "\x1b[31m", r"pair \x1b[31m: is a control of no pair"),
    ("category", 99, "category of a control is 99, and the manifest says 'hate'"),
    ("category", None, "category of a control is None, and the manifest says 'hate'"),
    ("unsafe_image", None, "controls"),
    ("unsafe_image", {"bytes": b"x", "path": None}, "its unsafe_image does not decode"),
    ("unsafe_image", {"bytes": png(13_000, 13_000), "path": None}, "13000 x 13000 pixels"),
    ("judges", None, "a value of a row is missing or broken"),
):
    hostile(
        f"controls: {key} is {shown(value)}", data(lambda r, k=key, v=value: r[0].update({k: v}), CONTROLS), verify=told
    )
for what, value in {
    "a text": "x",
    "empty": {},
    "with rows that are text": {"rows": "x", "size": 1},
    "with judges that are text": {"rows": 1, "size": 1, "judges": "x"},
}.items():
    hostile(f"controls: what the manifest says of them is {what}", named("beside", CONTROLS, value), versions=CONTROLS)

# Files that nobody published.

for name in ("x.py", "dataset_infos.json", ".huggingface.yaml", "more.parquet"):
    hostile(f"strays: {name}", text(name, b"x"), verify=f"{name}: is no file of the release", publish="did not write")
hostile(
    "strays: pairs.py",
    text("pairs.py", b"x"),
    verify="pairs.py: is a script of the dataset's name",
    publish="not write",
)
hostile("strays: data/more.parquet", text("data/more.parquet", b"x"), verify="data/more.parquet: is in no row", load=OK)
hostile(
    "strays: one in a config",
    text("data/test/hate/x.parquet", b"x"),
    load="data/test/hate/x.parquet: is in default/test",
)
hostile("strays: a name with ESC", text("\x1b[31m.txt", b"x"), verify=r"\x1b[31m.txt: is no file of the release")
hostile(
    "strays: a data file with ESC", text("data/\x1b[31m.parquet", b"x"), verify=r"\x1b[31m", publish=r"\x1b[31m.parquet"
)
hostile(
    "strays: a name that is no UTF-8", lambda folder: os.mknod(os.fsencode(folder) + b"/\xff.txt"), verify=r"\udcff.txt"
)


# The commands.


class Answer(NamedTuple):
    """What came of a command: its exit status, or what it raised, and what it printed."""

    code: object
    out: str
    err: str


class Work(NamedTuple):
    """The folder `whole` with version 1.0.0 of the run `run`, and one of its pairs, which lies in DATA."""

    folder: Path
    pair_id: str


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    from traced_runs import put, traced_run

    folder = tmp_path_factory.mktemp("hostile")
    run = traced_run(folder / "run", pairs=5, misses=0.4, rounds=2, test_fraction=0.5)
    put(run, folder / "whole", "1.0.0", with_failures=True)
    return Work(folder, pq.read_table(folder / "whole" / DATA, partitioning=None)["pair_id"][0].as_py())


def answer(command: str, work: Work, tmp_path: Path) -> Answer:
    whole, run, pairs = str(work.folder / "whole"), str(work.folder / "run"), str(tmp_path / "pairs")
    arguments = {
        "versions": [pairs],
        "verify": [pairs],
        "diff": [whole, pairs, "--sheet", str(tmp_path / "sheet.png")],
        "load": [],
        "evaluate": ["colour-and-clutter", "--data", pairs, "--out", str(tmp_path / "predictions.parquet")],
        "report": [pairs, "--out", str(tmp_path / "report.html")],
        "publish": [run, pairs, "--version", "1.0.1", "--dry-run"],
        "takedown": [pairs, work.pair_id, "--reason", "asked", "--version", "2.0.0", "--dry-run"],
    }
    if command != "load":
        return ran([command, *arguments[command]])
    try:
        load(pairs, cache_dir=tmp_path / "cache")
    except SafetyPairsError as error:
        return Answer(1, "", f"{error}\n")
    return Answer(0, "", "")


def ran(arguments: list[str]) -> Answer:
    """The command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(arguments)
    return Answer(ended.value.code or 0, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_folder_is_answered_right_or_in_one_line(name: str, work: Work, tmp_path: Path) -> None:
    datasets.disable_progress_bars()
    shutil.copytree(work.folder / "whole", tmp_path / "pairs")
    HOSTILE[name].make(tmp_path / "pairs")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for command, said in HOSTILE[name].said.items():
        code, out, err = answer(command, work, tmp_path)
        assert visible(out + err.replace("\r", "")) == out + err.replace("\r", ""), command
        if said == OK:
            assert code == 0, (command, out, err)
        elif command == "verify" and not err:
            assert (code, said in out) == (1, True), out
        else:
            assert (code, err.count("\n")) == (1, 1), (command, out, err)
            assert said in err, (command, err)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # kilobytes
    assert grown < 400_000, f"{grown >> 10} MB"


# Targets that are no dataset: what is said of each by the command that reads, and by `publish`.
TARGETS = {
    "/": ("has no manifest.parquet", "/ is the root of the file system"),
    "/tmp/..": ("has no manifest.parquet", "/tmp/.. is the root of the file system"),
    "": ("'' is no target", "'' is no target"),
    "./a\0b": (r"'./a\x00b' is no target", r"'./a\x00b' is no target"),
    f"./{'x' * 300}": ("is no target: File name too long", "is no target: File name too long"),
    "./file": ("no folder ./file", "./file is a file; a target is a folder"),
    "./file/x": ("no folder ./file/x", "file is a file; a target is a folder"),
    "/dev/zero": ("no folder /dev/zero", "/dev/zero is a file; a target is a folder"),
    "./loop": ("'./loop' is no target: Too many levels of symbolic links", "'./loop' is no target"),
    "\x1b[31m": (r"'\x1b[31m' is no target", r"'\x1b[31m' is no target"),
    "./\udcff": (r"no folder ./\udcff", OK),
    "lab/n\xe4me": ("'lab/n\xe4me' is no Hub id", "'lab/n\xe4me' is no Hub id"),
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_that_is_no_dataset(target: str, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    publish = ["publish", str(work.folder / "run"), target, "--version", "1.0.0", "--dry-run"]
    for arguments, said in zip((["verify", target], publish), TARGETS[target], strict=True):
        code, out, err = ran(arguments)
        assert (code, err.count("\n")) == ((0, 0) if said == OK else (1, 1)), (out, err)
        assert said in err or said == OK
        assert visible(out + err) == out + err


@pytest.mark.parametrize("token", ["hf_t\xf6k\xe9n", "hf_\u202e"])
def test_a_token_that_cannot_be_sent(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    for command in ("versions", "verify"):
        code, _, err = ran([command, "lab/pairs"])
        assert code == 1
        assert err.startswith("safetypairs: the Hub token holds characters that no token has; set HF_TOKEN to a valid")
        assert token not in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", [FILE, README, DATA, ""])
def test_what_may_not_be_read(name: str, work: Work, tmp_path: Path) -> None:
    shutil.copytree(work.folder / "whole", tmp_path / "pairs")
    (tmp_path / "pairs" / name).chmod(0)
    try:
        for command in COMMANDS:
            code, out, err = answer(command, work, tmp_path)
            assert code in (0, 1), (command, out, err)
            assert "Traceback" not in err
    finally:
        (tmp_path / "pairs" / name).chmod(0o755)


def test_the_whole_folder_is_read_by_every_command(work: Work, tmp_path: Path) -> None:
    shutil.copytree(work.folder / "whole", tmp_path / "pairs")
    for command in COMMANDS:
        code, out, err = answer(command, work, tmp_path)
        assert code == 0, (command, out, err)


def test_there_are_at_least_150_and_the_page_shows_them() -> None:
    assert len(HOSTILE) >= 150
    assert PAGE.read_text(encoding="utf-8") == page()


def page() -> str:
    lines = [
        "# Hostile datasets",
        "",
        "What the commands, and `sp.load`, do with a published folder that is wrong, as",
        "`tests/dataset/test_hostile.py` tests it. A command refuses with exit status 1 and one line that holds what",
        f"stands here (`verify` with a line for each problem), or answers {OK}.",
        "",
        "| what is wrong | command | answer |",
        "|---|---|---|",
    ]
    for name, row in HOSTILE.items():
        by_answer: dict[str, list[str]] = {}
        for command, said in row.said.items():
            by_answer.setdefault(said, []).append(command)
        for said, commands in by_answer.items():
            named = "every one" if len(commands) == len(COMMANDS) else ", ".join(f"`{each}`" for each in commands)
            cells = (visible(name), named, said if said == OK else f"refused: {said.strip()}")
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
