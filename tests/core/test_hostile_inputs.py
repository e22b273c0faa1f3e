"""Hostile inputs to the readers of foreign content: each is read right, or answered in one line.

ROWS is the table; docs/hostile_inputs.md shows it, and is written anew by
`PYTHONPATH=tests python -m tests.core.test_hostile_inputs`. What is read of a published dataset has a table of its own.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import threading
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from serving import served

from safetypairs_hf.building import run_reader
from safetypairs_hf.core import decoding, default_dataset, foreign_text, remembered
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Candidate, Origin, Reject
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.evaluating.hub_results import merged
from safetypairs_hf.evaluating.prediction_file import told_by
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.guards.moderation import Moderation, ModerationServer
from safetypairs_hf.guards.zero_shot import ZeroShot
from safetypairs_hf.instructors.parse import parse
from safetypairs_hf.instructors.served_vlm import ServerInstructor
from safetypairs_hf.metric.prediction_files import read_predictions
from safetypairs_hf.models.chat_server import LONGEST_ANSWER, ChatServer
from safetypairs_hf.models.image_server import LARGEST_IMAGE
from safetypairs_hf.models.loading import MODEL, check_class
from safetypairs_hf.models.openai_server import LARGEST, LONGEST_KEPT
from safetypairs_hf.sources import FolderSource, Frame, Screen
from safetypairs_hf.sources.screen import HashFile
from safetypairs_hf.taxonomy import taxonomy_file

PAGE = Path(__file__).parents[2] / "docs" / "hostile_inputs.md"
LONGEST_LINE = 700  # characters, the path of a temporary folder among them
SIDE = 64
NFC, NFD = (unicodedata.normalize(form, "café.png") for form in ("NFC", "NFD"))
DEEP, DEPTH = "[" * 100_000, 1200
CUTS = "a\u2028b\u2029c\u0085d"


class Row(NamedTuple):
    """`call` gets an empty folder, and returns what was read as text, or raises. `said` has to be in the answer."""

    call: Callable[[Path], str]
    said: str


ROWS: dict[str, dict[str, Row]] = {}


def rows(reader: str, call: Callable[[Path, Any], str], given: dict[str, tuple[Any, str]]) -> None:
    table = ROWS.setdefault(reader, {})
    for name, (content, said) in given.items():
        assert name not in table, name
        table[name] = Row(lambda folder, content=content: call(folder, content), said)  # type: ignore[misc]


def png(level: int = 120, side: int = SIDE, **options: Any) -> bytes:
    return saved(Image.new("RGB", (side, side), (level, 90, 60)), "PNG", **options)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width: int, height: int, *more: bytes, pixels: bytes = b"") -> bytes:
    """A PNG of one bit a pixel whose header says any size."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def put(path: Path, content: Any) -> Path:
    """Write a file; a function makes what is no plain file."""
    if callable(content):
        content(path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def a_folder(path: Path) -> None:
    path.mkdir()


def broken_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def looped_link(path: Path) -> None:
    path.symlink_to(path)


def endless_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def of_size(size: int) -> Callable[[Path], None]:
    """A file without content that takes no place on the disk."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


# Tables of metadata beside images.


def source(folder: Path, **settings: Any) -> FolderSource:
    return FolderSource(str(folder), labels="guns=O6", frame=Frame(SIDE), **settings)


def taken(found: FolderSource) -> str:
    return ", ".join(f"{each.origin.id} is {each.category}, {each.origin.license}" for each in found.take(0, 99))


def metadata(name: str) -> Callable[[Path, Any], str]:
    def call(folder: Path, content: Any) -> str:
        (folder / "a.png").write_bytes(png())
        put(folder / name, content)
        return taken(source(folder, metadata=name))

    return call


HEAD = "file_name,label,license\n"
rows(
    "metadata.csv",
    metadata("m.csv"),
    {
        "a NUL": (f"{HEAD}a.png,gu\0ns,MIT\n", "line 2, holds a NUL"),
        "a cell of 200,000 characters": (f"{HEAD}a.png,{'x' * 200_000},MIT\n", "line 2, is no CSV: field larger than"),
        "a quote that is never closed": (f'{HEAD}"a.png,guns,MIT\n', "is no CSV: unexpected end of data"),
        "text after a closed quote": (f'{HEAD}"a"b.png,guns,MIT\n', "line 2, is no CSV: ',' expected after '\"'"),
        "UTF-16": ((HEAD + "a.png,guns,MIT\n").encode("utf-16"), "is not UTF-8 (at byte 0); save it as that"),
        "Latin-1": (HEAD.encode() + "é.png,guns,MIT\n".encode("latin-1"), "is not UTF-8 (at byte 24)"),
        "the same column twice": ("file_name,label,label\na.png,guns,hate\n", "has the column 'label' twice; keep one"),
        "a field too few": (f"{HEAD}a.png,guns\n", "line 2, has 2 fields, and the head 3"),
        "a field too many": (f"{HEAD}a.png,guns,MIT,x\n", "line 2, has 4 fields, and the head 3"),
        "no byte at all": ("", "no image that can be used (a.png: not_in_metadata)"),
        "a head and no row": (HEAD, "no image that can be used (a.png: not_in_metadata)"),
        "an image twice": (f"{HEAD}a.png,guns,MIT\na.png,guns,MIT\n", "line 3: 'a.png' was named before"),
        "a row that names no file": (f"{HEAD},guns,MIT\n", "line 2, has nothing as 'file_name'"),
        "U+2028, U+2029 and U+0085 in a cell": (f"{HEAD}a.png,guns,{CUTS}\n", f"weapons_substances, {CUTS}"),
        "lines that end in CR LF": (
            f"{HEAD}a.png,guns,MIT\n".replace("\n", "\r\n"),
            "a.png is weapons_substances, MIT",
        ),
        "lines that end in CR": (f"{HEAD}a.png,guns,MIT\n".replace("\n", "\r"), "a.png is weapons_substances, MIT"),
        "a byte order mark": (f"\ufeff{HEAD}a.png,guns,MIT\n", "a.png is weapons_substances, MIT"),
        "spaces in the head": (
            "file_name, label, license\na.png, guns, MIT\n",
            "a.png is weapons_substances, MIT",
        ),
        "ESC in the name of a column": (
            "file_name,\x1b[31mlabels\na.png,guns\n",
            r"the columns are file_name, \x1b[31m",
        ),
        "a folder of that name": (a_folder, "is a folder; give a file"),
        "a broken link": (broken_link, "can't be read: No such file or directory"),
        "a link to itself": (looped_link, "can't be read: Too many levels of symbolic links"),
        "a link to /dev/zero": (endless_link, "is no ordinary file; give a file"),
        "a pipe that nobody writes to": (pipe, "is no ordinary file; give a file"),
        "a file of 300 MB": (of_size(300 << 20), "has over 256 MB, more than is read"),
        "a spreadsheet": (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0\xff", "is not UTF-8 (at byte 14)"),
    },
)
ROW = '{"file_name": "a.png", "label": "guns", "license": "MIT"}'
rows(
    "metadata.jsonl",
    metadata("m.jsonl"),
    {
        "100,000 lists in one another": (f"{DEEP}\n", "line 1, is nested more than 100 deep"),
        "200 objects in one another": ('{"x": ' * 200 + "1" + "}" * 200, "line 1, is nested more than 100 deep"),
        "NaN": ('{"file_name": "a.png", "label": NaN}\n', "line 1, is no JSON: NaN is not a JSON number"),
        "a number of 5,000 digits": ('{"file_name": ' + "9" * 5000 + "}\n", "line 1, holds a number that is too long"),
        "half of a surrogate pair": ('{"file_name": "\\ud800.png"}\n', "line 1, holds half of a surrogate pair"),
        "a key twice": (
            '{"file_name": "a.png", "label": "guns", "label": "hate"}\n',
            "line 1, has the key 'label' twice",
        ),
        "a list in place of an object": (f"{ROW}\n[1]\n", "line 2, holds a list; expected a JSON object"),
        "a line that is cut off": (f"{ROW}\n{ROW[:20]}", "line 2, is no JSON: Unterminated string"),
        "an object as label": (
            '{"file_name": "a.png", "label": {"is": "guns"}}\n',
            "line 1, has {'is': 'guns'} as 'label'",
        ),
        "null as file name": ('{"file_name": null, "label": "guns"}\n', "line 1, has nothing as 'file_name'"),
        "U+2028, U+2029 and U+0085 in a text": (ROW.replace("MIT", CUTS) + "\n", f"weapons_substances, {CUTS}"),
        "lines that end in CR LF, and empty ones": (f"\r\n{ROW}\r\n\r\n", "a.png is weapons_substances, MIT"),
        "bytes of a gzip file": (b"\x1f\x8b\x08\0\0\0", "is not UTF-8 (at byte 1)"),
    },
)
rows(
    "metadata of another kind",
    lambda folder, name: metadata(name)(folder, HEAD),
    {
        "an Excel file": ("m.xlsx", "m.xlsx' is neither .csv nor .jsonl; give one of these"),
        "capital letters": ("M.CSV", "no image that can be used (a.png: not_in_metadata)"),
    },
)


# Names of files, which people see as the same.


def named(folder: Path, names: tuple[str, str]) -> str:
    on_disk, in_table = names
    (folder / on_disk).write_bytes(png())
    (folder / "m.csv").write_text(f"{HEAD}{in_table},guns,MIT\n", encoding="utf-8")
    return taken(source(folder, metadata="m.csv"))


def in_subfolder(folder: Path, names: tuple[str, str]) -> str:
    (folder / names[0]).mkdir()
    (folder / names[0] / "a.png").write_bytes(png())
    return taken(FolderSource(str(folder), labels=f"{names[1]}=O6", frame=Frame(SIDE)))


def two_names(folder: Path, names: tuple[str, ...]) -> str:
    for number, name in enumerate(names):
        (folder / name).write_bytes(png(100 + number))
    return taken(FolderSource(str(folder), category="O6", frame=Frame(SIDE)))


def metadata_named(folder: Path, names: tuple[str, str]) -> str:
    (folder / "a.png").write_bytes(png())
    (folder / names[0]).write_text(f"{HEAD}a.png,guns,MIT\n")
    return taken(source(folder, metadata=names[1]))


rows(
    "names of files",
    named,
    {
        "a decomposed name, composed in the table": ((NFD, NFC), f"{NFC} is weapons_substances, MIT"),
        "a composed name, decomposed in the table": ((NFC, NFD), f"{NFC} is weapons_substances, MIT"),
    },
)
rows(
    "names of files",
    in_subfolder,
    {
        "a decomposed subfolder, composed in labels": ((NFD[:-4], NFC[:-4]), f"{NFC[:-4]}/a.png is weapons_substances"),
        "a composed subfolder, decomposed in labels": ((NFC[:-4], NFD[:-4]), f"{NFC[:-4]}/a.png is weapons_substances"),
    },
)
rows(
    "names of files",
    two_names,
    {
        "one name both composed and decomposed": (
            (NFC, NFD),
            r"two files of one name, 'cafe\u0301.png' and 'caf\xe9.png'",
        ),
        "bytes that are not UTF-8": ((os.fsdecode(b"caf\xe9.png"),), r"caf\xe9.png is weapons_substances"),
        "a line break and ESC": (("a\n\x1b[31m.png",), "a\n\x1b[31m.png is weapons_substances"),
    },
)
rows(
    "names of files",
    metadata_named,
    {"a decomposed name of the table, composed in the setting": ((f"{NFD}.csv", f"{NFC}.csv"), "a.png is weapons_")},
)


# Images of a folder.


def images(folder: Path, content: Any) -> str:
    (folder / "good.png").write_bytes(png())
    put(folder / "x.png", content)
    found = FolderSource(str(folder), category="O6", frame=Frame(SIDE))
    return "; ".join([taken(found), *(f"{name}: {reject.reason}" for name, reject in found.rejected_inputs())])


def folder_of_images(path: Path) -> None:
    path.mkdir()
    (path / "b.png").write_bytes(png(33))


def levels(path: Path) -> None:
    for _ in range(DEPTH):
        path.mkdir()
        path /= "d"
    path.write_bytes(png(33))


def deep_images(folder: Path, depth: int) -> str:
    try:
        return images(folder, levels)
    finally:  # pytest's own cleaning would not reach the bottom
        path = folder.joinpath("x.png", *["d"] * depth)
        path.unlink()
        for parent in list(path.parents)[:depth]:
            parent.rmdir()


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (SIDE, SIDE), (level, 0, 0)) for level in (0, 255)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


SMOOTH = saved(Image.radial_gradient("L").convert("RGB"), "JPEG")
USED, PNG_OUT = "x.png is weapons_substances", "x.png: "
rows(
    "images of a folder",
    images,
    {
        "no byte at all": (b"", f"{PNG_OUT}empty"),
        "a text": ("words", f"{PNG_OUT}not_an_image"),
        "a page of HTML": ("<html><img src=x></html>", f"{PNG_OUT}not_an_image"),
        "SVG": ('<svg xmlns="http://www.w3.org/2000/svg"/>', f"{PNG_OUT}not_an_image"),
        "EPS, which Pillow would hand to another program": ("%!PS-Adobe-3.0 EPSF-3.0\n", f"{PNG_OUT}not_an_image"),
        "a PNG that is cut off": (png()[:60], f"{PNG_OUT}broken"),
        "a JPEG that is cut off": (SMOOTH[: len(SMOOTH) // 2], f"{PNG_OUT}broken"),
        "a PNG whose sum of a chunk is wrong": (png().replace(b"IDAT", b"IDAT\1", 1), f"{PNG_OUT}broken"),
        "13,000 x 13,000 pixels in 100 bytes": (png_of(13_000, 13_000), f"{PNG_OUT}oversized"),
        "2,147,483,647 pixels a side": (png_of(2**31 - 1, 2**31 - 1), f"{PNG_OUT}oversized"),
        "no pixel a side": (png_of(0, 0), f"{PNG_OUT}not_an_image"),
        "1 x 1 pixel": (png(side=1), f"{PNG_OUT}too_small"),
        "64 x 640 pixels": (png_of(64, 640, pixels=bytes(9 * 640)), f"{PNG_OUT}extreme_aspect"),
        "a comment that unpacks to 100 MB": (
            png_of(64, 64, chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(100 << 20))), pixels=bytes(9 * 64)),
            f"{PNG_OUT}broken",
        ),
        "a colour profile that unpacks to 100 MB": (
            png_of(64, 64, chunk(b"iCCP", b"c\0\0" + zlib.compress(bytes(100 << 20))), pixels=bytes(9 * 64)),
            f"{PNG_OUT}broken",
        ),
        "a colour profile that is damaged": (png(99, icc_profile=b"no profile"), USED),
        "EXIF that is damaged": (SMOOTH[:2] + b"\xff\xe1\0\x10Exif\0\0MM\0*\xff\xff\xff\xff" + SMOOTH[2:], USED),
        "an animated GIF": (animated("GIF"), f"{PNG_OUT}animated"),
        "an animated PNG": (animated("PNG"), f"{PNG_OUT}animated"),
        "a TIFF of two pages": (animated("TIFF"), f"{PNG_OUT}animated"),
        "floating-point pixels": (saved(Image.new("F", (SIDE, SIDE)), "TIFF"), f"{PNG_OUT}unsupported_depth"),
        "pixels of 32 bits": (saved(Image.new("I", (SIDE, SIDE), 70_000), "TIFF"), f"{PNG_OUT}unsupported_depth"),
        "a folder of that name": (folder_of_images, "x.png/b.png is weapons_substances"),
        "a broken link": (broken_link, f"{PNG_OUT}not_a_file"),
        "a link to itself": (looped_link, f"{PNG_OUT}unreadable"),
        "a link to /dev/zero": (endless_link, f"{PNG_OUT}not_a_file"),
        "a pipe that nobody writes to": (pipe, f"{PNG_OUT}not_a_file"),
        "a file of 2 GB": (of_size(2 << 30), f"{PNG_OUT}oversized"),
    },
)
rows(
    "images of a folder",
    deep_images,
    {f"{DEPTH:,} folders in one another": (DEPTH, "/d/d is weapons_substances")},
)


# Lists of hashes.

HASH = "ab" * 32


def listed(folder: Path, content: Any) -> str:
    path = put(folder / "list.txt", content)
    found = HashFile(str(path))
    return f"{found.holds(bytes.fromhex(HASH), '')!r}"


rows(
    "lists of hashes",
    listed,
    {
        "a byte order mark": (f"\ufeff{HASH},case 1\n", "'case 1'"),
        "U+2028 in a reason": (f"{HASH},case\u2028 1\n", "'case\\u2028 1'"),
        "UTF-16": (f"{HASH}\n".encode("utf-16"), "line 1: "),
        "ESC": ("\x1b[31m\n", r"line 1: '\\x1b[31m' is no hash; expected 64 hex digits"),
        "a folder": (a_folder, "is a folder; give a file; give a text file with a hash a line"),
        "a link to /dev/zero": (endless_link, "is no ordinary file"),
        "a broken link": (broken_link, "can't be read: No such file or directory"),
    },
)


# YAML: label maps and texts of guards, taxonomies.

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
YAML: dict[str, tuple[Any, str]] = {
    "a billion laughs": (LAUGHS, "uses an alias (*a); write the lines out"),
    "10,000 lists in one another": ("x: " + "[" * 10_000, "is nested more than 100 deep"),
    "10,000 blocks in one another": ("".join(" " * n + "a:\n" for n in range(600)), "is nested more than 100 deep"),
    "Latin-1": ("é: [x]".encode("latin-1"), "is not UTF-8 (at byte 0)"),
    "UTF-16": ("a: [x]".encode("utf-16"), "is not UTF-8 (at byte 0)"),
    "a tab": (
        "a:\n\t- x\n",
        "line 2, is no YAML: while scanning for the next token found character that cannot start any token",
    ),
    "a NUL": ("a: \0\n", "is no YAML: "),
    "ESC": ("a: \x1b[31m\n", "is no YAML: "),
    "a key twice": ("a: [x]\nb: [x]\na: [y]\n", "line 3, has the key 'a' a second time"),
    "a list as a key": ("? [a, b]\n: [x]\n", "line 1, has a key that is no text"),
    "two documents": ("a: [x]\n---\nb: [y]\n", "line 2, is no YAML: expected a single document"),
    "150,000 values": ("a: [" + "x, " * 150_000 + "x]", "holds more than 100000 values"),
    "2 MB": ("a: [" + "x" * (2 << 20) + "]", "has over 1 MB"),
    "a number of 5,000 digits": ("a: " + "9" * 5000, "holds a number that is too long"),
    "a folder": (a_folder, "is a folder; give a file"),
    "a pipe that nobody writes to": (pipe, "is no ordinary file"),
}


def label_map(folder: Path, content: Any) -> str:
    path = put(folder / "labels.yaml", content)
    guard: Any = make_guard("classifier", {"model": "m", "labels": str(path)})
    return f"{guard.unsafe} {guard.safe}"


def side_texts(folder: Path, content: Any) -> str:
    path = put(folder / "texts.yaml", content)
    guard: Any = make_guard("clip", {"model": "m", "prompts": str(path)})
    assert isinstance(guard, ZeroShot)
    return str(guard.sides)


def taxonomy(folder: Path, content: Any) -> str:
    taxonomy_file.read(put(folder / "mine.yaml", content))
    return "read"


rows(
    "label maps of classifiers",
    label_map,
    YAML
    | {
        "a tag of Python": (
            "unsafe: !!python/object/apply:os.system {hate: [x]}\nsafe: [y]\n",
            "{'hate': ('x',)} ['y']",
        ),
        "labels that YAML takes for values": (
            "unsafe: {hate: [no, 1, null, 1:30, 2024-99-99]}\nsafe: [yes]\n",
            "{'hate': ('no', '1', 'null', '1:30', '2024-99-99')} ['yes']",
        ),
        "a list": ("- a\n", "expected YAML such as 'unsafe: {nudity: [nsfw]}'"),
        "a text": ("a", "expected YAML such as 'unsafe: {nudity: [nsfw]}'"),
        "nothing": ("", "expected YAML such as 'unsafe: {nudity: [nsfw]}'"),
        "a text where a list is due": ("unsafe: {hate: nsfw}\nsafe: [x]\n", "nsfw is no list of labels; expected YAML"),
        "a list of lists": ("unsafe: {hate: [[x]]}\nsafe: [x]\n", "[['x']] is no list of labels; expected YAML"),
    },
)
rows(
    "texts of zero-shot guards",
    side_texts,
    {
        name: YAML[name]
        for name in ("a billion laughs", "10,000 lists in one another", "Latin-1", "a key twice", "a folder")
    }
    | {
        "a list of lists": (
            "hate: {unsafe: [[x]], safe: [y]}\n",
            "'hate' has no list 'unsafe' or no list 'safe' of texts",
        ),
        "ESC in a key": ('"\\e[31m": 1\n', "'\\\\x1b[31m' has no list 'unsafe' or no list 'safe'"),
    },
)
rows(
    "taxonomies",
    taxonomy,
    {
        name: (content, f"mine.yaml is not a valid taxonomy: it{',' if said.startswith('line') else ''} {said}")
        for name, (content, said) in YAML.items()
    },
)
rows(
    "prompts of trained guards",
    lambda folder, content: str(
        len(
            make_guard("llavaguard", {"fidelity": "trained", "prompt": str(put(folder / "p.txt", content))}).asked(
                "hate"
            )
        )  # type: ignore[attr-defined]
    ),
    {
        "Latin-1": ("é".encode("latin-1"), "is not UTF-8 (at byte 0); save it as that; give a text file in UTF-8"),
        "a folder": (a_folder, "no such file; save the prompt in the card of AIML-TUDA/LlavaGuard-v1.2-7B-OV-hf there"),
        "a broken link": (
            broken_link,
            "no such file; save the prompt in the card of AIML-TUDA/LlavaGuard-v1.2-7B-OV-hf there",
        ),
        "2 MB": ("x" * (2 << 20), "has over 1 MB"),
    },
)


# Servers of models. Each row is one answer to every POST; a GET is answered, so that the server counts as alive.

Send = Callable[[Any], None]  # writes to a socket's file until it breaks
ANSWERS: dict[str, Send] = {}
STOP = threading.Event()


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with contextlib.suppress(OSError):
            ANSWERS[self.path.split("/")[1]](self.wfile)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served(Server) as url:
        yield url
    STOP.set()


URL = ""


@pytest.fixture(autouse=True)
def _address(request: pytest.FixtureRequest) -> None:
    global URL
    URL = request.getfixturevalue("server")


def http(body: bytes | str | dict[str, Any], status: str = "200 OK", *heads: str) -> Send:
    """A whole answer over HTTP."""
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    head = "\r\n".join([f"HTTP/1.0 {status}", *heads])
    return lambda file: file.write(f"{head}\r\n\r\n".encode("latin-1") + data)


def raw(data: bytes) -> Send:
    return lambda file: file.write(data)


def forever(start: bytes, again: bytes) -> Send:
    """An answer without end, as fast as it is taken."""

    def send(file: Any) -> None:
        file.write(start)
        while not STOP.is_set():
            file.write(again)

    return send


def drip(start: bytes, again: bytes) -> Send:
    """An answer of which a byte comes now and then."""

    def send(file: Any) -> None:
        file.write(start)
        while not STOP.wait(0.02):
            file.write(again)
            file.flush()

    return send


def said(content: Any, **choice: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"message": {"content": content}, **choice}]}


def logprobs(value: str) -> str:
    """An answer, as JSON, whose one token has this log probability."""
    place = {"token": "Yes", "logprob": 0, "top_logprobs": [{"token": "Yes", "logprob": "HERE"}]}
    return json.dumps(said("Yes", logprobs={"content": [place]})).replace('"HERE"', value)


def settings(name: str, **more: Any) -> dict[str, Any]:
    return {"url": f"{URL}/{name}/v1", "timeout": 5.0, "retries": 0, **more}


def answer(send: Send) -> str:
    """Register an answer; returns the part of the address that gets it."""
    name = str(len(ANSWERS))
    ANSWERS[name] = send
    return name


def shown(verdict: Any) -> str:
    assert len(verdict.raw) <= LONGEST_KEPT
    verdict.raw.encode()  # what a file of predictions keeps
    return f"abstains: {verdict.note}" if verdict.p_unsafe is None else f"P(unsafe) = {verdict.p_unsafe:.3f}"


IMAGE = encode(np.full((16, 16, 3), 90, np.uint8))


def chat(folder: Path, send: Send, **more: Any) -> str:
    guard = ChatVLM(server=ChatServer("m", **settings(answer(send), **more)))
    return shown(guard.judge([IMAGE], ["hate"], [None])[0])


def slow(folder: Path, send: Send) -> str:
    return chat(folder, send, timeout=0.3)


BROKEN = "abstains: server_error"
rows(
    "chat servers",
    chat,
    {
        "no byte at all": (raw(b""), BROKEN),
        "bytes that are no HTTP": (raw(b"\0\xff\x13" * 99), BROKEN),
        "a head of 200 lines": (raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200), BROKEN),
        "a line of the head of 100 KB": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000), BROKEN),
        "chunks of a length that is none": (
            raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            BROKEN,
        ),
        "fewer bytes than it says": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"), BROKEN),
        "an empty body": (http(""), BROKEN),
        "a page of HTML": (http("<html><body>502 Bad Gateway</body></html>"), BROKEN),
        "HTML with an error's status": (http("<html>" * 9999, "500 Oops"), BROKEN),
        "events of a stream": (http("data: {}\n\ndata: [DONE]\n\n"), BROKEN),
        "a list": (http("[1]"), BROKEN),
        "null": (http("null"), BROKEN),
        "100,000 lists in one another": (http(DEEP), BROKEN),
        "500 objects in one another": (http('{"x":' * 500 + "1" + "}" * 500), BROKEN),
        "a number of 5,000 digits": (http('{"usage": ' + "9" * 5000 + "}"), BROKEN),
        "UTF-16": (http(json.dumps(said("Yes")).encode("utf-16")), BROKEN),
        "gzip that was not asked for": (
            http(b"\x1f\x8b\x08\0" + bytes(99), "200 OK", "Content-Encoding: gzip"),
            BROKEN,
        ),
        "Latin-1 in the answer": (
            http(json.dumps(said("Yes é"), ensure_ascii=False).encode("latin-1")),
            "P(unsafe) = 1.000",
        ),
        "20 MB": (http(b"x" * (20 << 20)), BROKEN),
        "a body without end": (forever(b"HTTP/1.0 200 OK\r\n\r\n", b"x" * 65536), BROKEN),
        "a redirect": (http("", "302 Found", "Location: http://127.0.0.1:9/"), BROKEN),
        "a Retry-After of NaN": (http("", "429 Wait", "Retry-After: nan"), "abstains: rate_limited"),
        "a Retry-After of the year 99999": (
            http("", "429 Wait", "Retry-After: Wed, 1 Jan 99999 00:00:00 GMT"),
            "abstains: rate_limited",
        ),
        "no choices": (http({"choices": []}), BROKEN),
        "choices that are an object": (http({"choices": {}}), BROKEN),
        "a choice that is null": (http({"choices": [None]}), BROKEN),
        "a message that is a list": (http({"choices": [{"message": [1]}]}), BROKEN),
        "null as content": (http(said(None)), BROKEN),
        "a number as content": (http(said(7)), BROKEN),
        "parts without a text": (http(said([{"type": "text", "text": None}, 7])), "abstains: no_verdict"),
        "parts with a text": (http(said([{"type": "text", "text": "Yes"}])), "P(unsafe) = 1.000"),
        "half of a surrogate pair": (http(said("Yes \ud800")), "P(unsafe) = 1.000"),
        "an answer of 2 MB": (http(said("x" * (2 << 20))), BROKEN),
        "a log probability of 1e308": (http(logprobs("1e308")), "abstains: broken_output"),
        "a log probability of NaN": (http(logprobs("NaN")), "abstains: broken_output"),
        "a log probability of 400 digits": (http(logprobs("9" * 400)), "P(unsafe) = 1.000"),
        "a log probability that is a text": (http(logprobs('"x"')), "P(unsafe) = 1.000"),
        "counts of tokens of 400 digits": (
            http(said("Yes") | {"usage": {"prompt_tokens": 10**400}}),
            "P(unsafe) = 1.000",
        ),
        "ESC in a refused key": (http("\x1b[31mno", "401 No"), r"refuses a request without a key (401): \x1b[31mno"),
        "ESC in the name of the model": (
            http(said("Yes") | {"model": "\x1b[31m"}),
            r"answers as '\\x1b[31m', not as 'm'",
        ),
        "no such model, and no list of models": (
            http("\x1b[31m", "404 No"),
            r"has no model 'm' (\x1b[31m); give its url",
        ),
    },
)
rows(
    "chat servers",
    slow,
    {
        "a byte of the head now and then": (drip(b"HTTP/1.0 200 OK\r\nX: ", b"y"), "abstains: timed_out"),
        "a byte of the body now and then": (drip(b"HTTP/1.0 200 OK\r\n\r\n", b" "), "abstains: timed_out"),
        "a byte of a chunk's length now and then": (
            drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
            "abstains: timed_out",
        ),
    },
)


def keyed(folder: Path, key: str) -> str:
    os.environ["SAFETYPAIRS_TEST_KEY"] = key
    try:
        return chat(folder, http(said("Yes")), api_key_env="SAFETYPAIRS_TEST_KEY")
    finally:
        del os.environ["SAFETYPAIRS_TEST_KEY"]


rows(
    "keys of servers",
    keyed,
    {
        "a line break": ("secret\n", "SAFETYPAIRS_TEST_KEY holds more than a key"),
        "letters that are not ASCII": ("sécret", "SAFETYPAIRS_TEST_KEY holds more than a key"),
    },
)


def moderated(folder: Path, result: Any) -> str:
    body = result if isinstance(result, str) else json.dumps({"results": [result]})
    server = ModerationServer(api_key_env="", **settings(answer(http(body))))
    return shown(Moderation(server).judge([IMAGE], ["violence"], [None])[0])


SCORES = {"violence": 0.5, "violence/graphic": 0.25}
LOOKED = {name: ["image"] for name in SCORES}
rows(
    "moderation servers",
    moderated,
    {
        "what it should be": (
            {"category_scores": SCORES, "category_applied_input_types": LOOKED},
            "P(unsafe) = 0.500",
        ),
        "a score of 400 digits": ({"category_scores": SCORES | {"violence": 10**400}}, "abstains: broken_output"),
        "a score of NaN": ({"category_scores": SCORES | {"violence": float("nan")}}, "abstains: broken_output"),
        "a score of half a surrogate pair": (
            {"category_scores": SCORES | {"violence": "\ud800"}},
            "abstains: no_verdict",
        ),
        "a score of 1 MB": ({"category_scores": SCORES | {"violence": "x" * (1 << 20)}}, "abstains: no_verdict"),
        "input types that are numbers": (
            {"category_scores": SCORES, "category_applied_input_types": {"violence": 5}},
            "abstains: no_verdict",
        ),
        "scores that are a list": ({"category_scores": [1]}, BROKEN),
        "a result that is null": (None, BROKEN),
        "100,000 lists in one another": (DEEP, BROKEN),
    },
)


# What models write, by a server or not.


def instructed(folder: Path, text: str) -> str:
    found = parse(text, 64, 64, "hate")
    return f"rejected: {found.reason}" if isinstance(found, Reject) else f"read: {found.text}"


EDIT = {"critical_feature": "a red square on the wall", "instruction": "Remove the red square from the wall."}
rows(
    "answers of instructors",
    instructed,
    {
        "100,000 objects in one another": ('{"a":' * 100_000, "rejected: not_json"),
        "100,000 braces": ("{" * 100_000, "rejected: not_json"),
        "a number of 5,000 digits": ('{"region": ' + "9" * 5000 + "}", "rejected: not_json"),
        "a corner of 400 digits": (json.dumps(EDIT | {"region": [10**400, 0, 1, 1]}), "rejected: bad_region"),
        "a corner of NaN": (json.dumps(EDIT | {"region": [float("nan"), 0, 1, 1]}), "rejected: bad_schema"),
        "half of a surrogate pair": (
            json.dumps(EDIT | {"instruction": "Remove the red square\ud800 from the wall."}),
            "read: Remove the red square? from the wall.",
        ),
        "20,000 objects before the right one": ("{}" * 20_000 + json.dumps(EDIT), "rejected: "),
    },
)


def served_edit(folder: Path, send: Send) -> str:
    instructor = ServerInstructor(ChatServer("m", **settings(answer(send))))
    origin = Origin("d", "1", "MIT")
    (found,) = instructor.write([Candidate("s", "hate", origin, IMAGE, {})])
    found.raw.encode()
    assert isinstance(found.outcome, Reject)
    return f"rejected: {found.outcome.reason}"


rows(
    "servers of instructors",
    served_edit,
    {
        "a page of HTML of 1 MB": (http("<html>" + "x" * (1 << 20)), "rejected: server_error"),
        "a refusal that is an object": (
            http({"choices": [{"message": {"refusal": {"\ud800": 1}}}]}),
            "rejected: refused",
        ),
    },
)


# Files that models, runs and other harnesses write.


def model(folder: Path, content: Any) -> str:
    put(folder / MODEL, content)
    check_class(str(folder), None, MODEL, ["Small"])
    return "read"


rows(
    "configs of models",
    model,
    {
        "what it should be": ('{"architectures": ["Small"]}', "read"),
        "a text in place of a list": ('{"architectures": "Small"}', "read"),
        "a number in place of a list": ('{"architectures": 5}', "holds 5, and this needs Small"),
        "lists in a list": ('{"architectures": [[1]]}', "holds [1], and this needs Small"),
        "ESC": ('{"_class_name": "\\u001b[31m"}', r"holds \x1b[31m, and this needs Small"),
        "a list": ("[]", "holds a list; expected a JSON object; download the model again"),
        "100,000 lists in one another": (DEEP, "is nested more than 100 deep; download the model again"),
        "Latin-1": ('{"a": "é"}'.encode("latin-1"), "is not UTF-8 (at byte 7)"),
        "a pointer of Git LFS": ("version https://git-lfs.github.com/spec/v1\n", "is no JSON: Expecting value"),
        "a file of 300 MB": (of_size(300 << 20), "has over 256 MB"),
        "a folder of that name": (a_folder, "has no config.json"),
    },
)


def run_of(folder: Path, content: Any) -> str:
    put(folder / "recipe.json", content)
    return str(run_reader.funnel(open_run(str(folder))))


rows(
    "recipe.json of runs",
    run_of,
    {
        "100,000 lists in one another": (DEEP, "recipe.json is nested more than 100 deep; was it edited by hand?"),
        "Latin-1": ('{"a": "é"}'.encode("latin-1"), "recipe.json is not UTF-8 (at byte 7)"),
        "a text that is cut off": ('{"parts": {', "recipe.json is no JSON: Expecting property name"),
        "a list": ("[]", "recipe.json is no object with 'parts'; was it edited by hand?"),
    },
)


def funnel_of(folder: Path, content: str) -> str:
    put(folder / "funnel.json", content)
    return run_of(folder, '{"parts": {}}')


rows(
    "funnel.json of runs",
    funnel_of,
    {
        "what it should be": ('{"stages": []}', "'finished': True"),
        "100,000 lists in one another": (DEEP, "funnel.json is nested more than 100 deep; was it edited by hand?"),
        "a list": ("[]", "funnel.json is no object with 'stages'; was it edited by hand?"),
        "stages that are a number": (
            '{"stages": 3}',
            "can't be read: TypeError: 'int' object is not iterable; delete it",
        ),
        "stages without counts": ('{"stages": [{}]}', "can't be read: KeyError: 'rejected'; delete it and build again"),
    },
)


def saved_settings(folder: Path, content: Any) -> str:
    os.environ["SAFETYPAIRS_CONFIG"] = str(put(folder / "config.json", content))
    try:
        return str(default_dataset.current())
    finally:
        del os.environ["SAFETYPAIRS_CONFIG"]


AGAIN = "run `safetypairs autoload on` again, or delete it"
rows(
    "saved settings",
    saved_settings,
    {
        "100,000 lists in one another": (DEEP, f"is nested more than 100 deep; {AGAIN}"),
        "numbers for texts": ('{"repo": 1, "version": 2}', f"hold no repo and version that are texts; {AGAIN}"),
        "no version": ('{"repo": "a/b"}', f"hold no repo and version that are texts; {AGAIN}"),
        "a folder of that name": (a_folder, f"is a folder; give a file; {AGAIN}"),
        "a broken link": (broken_link, f"can't be read: No such file or directory; {AGAIN}"),
    },
)


def predictions(folder: Path, metadata: str) -> str:
    columns = {"pair_id": ["a", "a"], "reference": [1, 0], "score": [0.9, 0.1]}
    table = pa.table(columns).replace_schema_metadata({"safetypairs": metadata})
    pq.write_table(table, folder / "p.parquet")
    return f"{len(read_predictions(folder / 'p.parquet')['pair_id'])} rows, {told_by(folder / 'p.parquet')}"


rows(
    "what predictions say of themselves",
    predictions,
    {
        "100,000 lists in one another": (DEEP, "2 rows, {}"),
        "numbers for objects": ('{"guard": 1, "data": 2}', "2 rows, {}"),
        "objects that lack what is needed": ('{"guard": {}, "data": {}}', "2 rows, {}"),
    },
)


def results(folder: Path, text: str) -> str:
    return merged(text, [], ".eval_results/x.yaml")


rows(
    "results on a model's page",
    results,
    {
        name: (YAML[name][0], f".eval_results/x.yaml{',' if YAML[name][1].startswith('line') else ''} {YAML[name][1]}")
        for name in (
            "a billion laughs",
            "10,000 lists in one another",
            "a tab",
            "a key twice",
            "a number of 5,000 digits",
        )
    }
    | {"a date that is none": ("- date: 2024-99-99\n", "can't be read: ValueError: month must be in 1..12")},
)


@pytest.mark.parametrize(("reader", "name"), [(reader, name) for reader, table in ROWS.items() for name in table])
def test_a_hostile_input_is_read_right_or_answered_in_one_line(reader: str, name: str, tmp_path: Path) -> None:
    row = ROWS[reader][name]
    try:
        found = row.call(tmp_path)
    except SafetyPairsError as error:
        found = str(error)
        assert found.isprintable()
        assert len(found.replace(str(tmp_path), "")) < LONGEST_LINE
    assert row.said in found


def test_bounds_of_the_readers_are_stated() -> None:
    """The limits that the page names are those of the code."""
    bounds = page().split("| bound |")[1].split("\n\n")[0]
    for constant in (foreign_text.MOST_BYTES >> 20, foreign_text.DEEPEST, decoding.MOST_BYTES >> 20, LONGEST_KEPT):
        assert f"{constant:,}" in bounds


def test_what_this_machine_remembers_is_forgotten_where_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    remembered.remember("files", "here", {"a": 1})
    assert remembered.recall("files", "here") == {"a": 1}
    (file,) = tmp_path.rglob("*.json")
    for damaged in (DEEP, "[]", '{"about": "here", "found": 3}', b"\xff"):
        file.write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
        assert remembered.recall("files", "here") == {}


def test_a_hash_list_stops_an_image_whatever_its_lines_hold(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png())
    (tmp_path / "list.txt").write_text(f"\ufeffsha256:{'0' * 64},x\u2028y\n", encoding="utf-8")
    found = FolderSource(
        str(tmp_path / "in"), category="O6", frame=Frame(SIDE), screen=Screen(hash_lists=(str(tmp_path / "list.txt"),))
    )
    assert [each.reject for each in found.take(0, 9)] == [None]


def test_the_page_shows_every_row() -> None:
    assert sum(map(len, ROWS.values())) >= 150
    assert PAGE.read_text(encoding="utf-8") == page()


def page() -> str:
    lines = [
        "# Hostile inputs",
        "",
        "What the readers of foreign content do with each, as `tests/core/test_hostile_inputs.py` tests it: it is read",
        "right, or answered by one line, a reason or an abstention that holds what stands here.",
        "",
        "| bound | is |",
        "|---|---|",
        f"| a file of text, such as metadata | {foreign_text.MOST_BYTES >> 20:,} MB |",
        f"| a file of YAML, a prompt | {foreign_text.MOST_SETTING_BYTES >> 20:,} MB |",
        f"| values in YAML | {foreign_text.MOST_YAML_NODES:,}, without aliases |",
        f"| lists and objects in one another | {foreign_text.DEEPEST:,} |",
        f"| places where an answer is searched for JSON | {foreign_text.MOST_OBJECTS:,} |",
        f"| a file of an image | {decoding.MOST_BYTES >> 20:,} MB, {decoding.MOST_PIXELS:,} pixels |",
        f"| a server's answer, until one deadline | {LARGEST >> 20} MB, "
        f"with an edited image {LARGEST_IMAGE >> 20} MB |",
        f"| the text in it | {LONGEST_ANSWER:,} characters |",
        f"| what is kept of an answer that is none | {LONGEST_KEPT:,} characters |",
    ]
    for reader, table in ROWS.items():
        lines += ["", f"## {reader}", "", "| input | answer |", "|---|---|"]
        for name, row in table.items():
            cells = (
                name,
                row.said.replace(NFC[:-4], "café").encode("unicode_escape").decode()
                if not row.said.isprintable()
                else row.said,
            )
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
