"""The content of one file to columns: Parquet, Arrow, delimited text, JSON and JSON Lines, compressed or not.

What a file is, its first bytes tell; its suffix only says what it was meant to be, for the error.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric.harness_logs import inspect_archive_rows, inspect_rows, is_inspect_log, of_lmms_eval
from safetypairs_hf.metric.rows import KNOWN, OF_PAIRS, columns_of_dicts, known_of_mapping, known_of_table

# What a suffix says a file is; others are read by their content alone.
SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".arrows": "arrow",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".psv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".eval": "eval",
}
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
TEXT = ("pair_id", "category", "group", "sample", "control")
NUMBERS = ("reference", "prediction", "score", *OF_PAIRS["prediction"], *OF_PAIRS["score"])
PARQUET = b"PAR1"
MOST_BYTES = 1 << 32  # what a compressed file may unpack to
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_content(content: bytes, kind: str | None) -> dict[str, Any]:
    """Read the known columns of a file, by name; the names of others are there too, with None.

    Args:
        content: All of the file.
        kind: What its suffix says that it is, one of the values of SUFFIXES, or None.

    Raises:
        PairError: The content is of no kind that is known, or of another form than rows, columns or our logs.
    """
    content = _unpacked(content)
    if content.startswith(PARQUET) or kind == "parquet":
        import pyarrow as pa

        return read_parquet(pa.BufferReader(content))
    if content.startswith((b"ARROW1", b"\xff\xff\xff\xff")) or kind == "arrow":
        return _arrow(content)
    if content.startswith(b"PK\x03\x04"):
        rows = inspect_archive_rows(content)
        if rows is None:
            raise PairError("a zip archive, and no log of inspect-ai; give a file in it as zip://MEMBER::ARCHIVE")
        return _of_rows(rows)
    text = _text(content)
    start = text.lstrip()[:1]
    if not start:
        raise PairError("no rows at all: the file is empty")
    if text.startswith("version https://git-lfs"):
        raise PairError("a pointer of Git LFS in place of the file; fetch it with `git lfs pull`")
    if start in "[{" or kind in ("json", "jsonl"):
        return _json(text)
    return _delimited(text, named=kind is not None)


def read_parquet(source: Any) -> dict[str, Any]:
    """Read the known columns of a Parquet file, given as a path or as an open file; those of others are None."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(source) as file:
        held = file.schema_arrow.names
        table = file.read(columns=[name for name in KNOWN if name in held])
    return dict.fromkeys(held) | _valid(table)


def _unpacked(content: bytes) -> bytes:
    """Unpack gzip, bzip2, xz or zstd, as the first bytes tell. Raises PairError for more than MOST_BYTES."""
    opened = _unpacker(content)
    if opened is None:
        return content
    with opened as stream:
        plain: bytes = stream.read(MOST_BYTES + 1)
    if len(plain) > MOST_BYTES:
        raise PairError(f"it unpacks to more than {MOST_BYTES >> 30} GiB; give it as Parquet")
    return plain


def _unpacker(content: bytes) -> IO[bytes] | Any:
    import io

    if content.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.GzipFile(fileobj=io.BytesIO(content))
    if content.startswith(b"BZh"):
        import bz2

        return bz2.BZ2File(io.BytesIO(content))
    if content.startswith(b"\xfd7zXZ\x00"):
        import lzma

        return lzma.LZMAFile(io.BytesIO(content))
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        import pyarrow as pa

        return pa.CompressedInputStream(pa.BufferReader(content), "zstd")
    return None


def _arrow(content: bytes) -> dict[str, Any]:
    import pyarrow as pa

    source = pa.BufferReader(content)
    reader = pa.ipc.open_file(source) if content.startswith(b"ARROW1") else pa.ipc.open_stream(source)
    table = reader.read_all()
    return dict.fromkeys(table.column_names) | _valid(table)


def _valid(table: Any) -> dict[str, Any]:
    """Return the known columns of a table out of a file, whose offsets and texts Arrow itself trusts unread."""
    table.validate(full=True)
    return known_of_table(table)


def _text(content: bytes) -> str:
    encoding = next((name for bom, name in _BOMS if content.startswith(bom)), None)
    if encoding is None and b"\0" in content[:64]:
        raise PairError("bytes that are no text in UTF-8, or UTF-16 without a byte order mark; save it as UTF-8")
    try:
        return content.decode("utf-8-sig" if encoding in (None, "utf-8") else encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PairError(f"line {line} is not {encoding or 'utf-8'}, at byte {error.start}; save it as UTF-8") from None


def _delimited(text: str, *, named: bool) -> dict[str, Any]:
    """Read text with one row a line; the first line names the columns, and an empty cell is None.

    Ids, categories and groups stay text, so that "007" is not 7. The delimiter is the one that splits the first line
    into the most names that are known.

    Args:
        text: All of the file.
        named: Its suffix says that it is such text, so the columns that it lacks are named.
    """
    import csv

    text = text.lstrip("\r\n")
    lines = text.splitlines() if "\n" not in text else text.split("\n", 2)
    skipped = 0
    delimiters = ",;\t|"
    first = lines[0].strip("\r")
    if first.lower().startswith("sep=") and len(first) == 5 and len(lines) > 1:  # as Excel writes it
        skipped, delimiters, first = 1, first[4], lines[1].strip("\r")
    delimiters += "".join(sorted({letter for letter in first if not (letter.isalnum() or letter in "_\"' -.")}))
    split = [(next(csv.reader([first], delimiter=each)), each) for each in dict.fromkeys(delimiters) if each.strip(" ")]
    raw, delimiter = max(split, key=lambda found: sum(name.strip() in KNOWN for name in found[0]))
    names = [name.strip() for name in raw]
    known = [name for name in KNOWN if name in names]
    if not known and not named:
        raise PairError(
            "predictions are a Parquet, Arrow, CSV, TSV, JSON or JSON Lines file, compressed or not, with a column "
            f"pair_id; this begins with {first[:40]!r}"
        )
    twice = [name for name in known if names.count(name) > 1]
    if twice:
        raise PairError(f"the column {twice[0]} is there more than once; keep one")
    if not known:
        return dict.fromkeys(names)
    table = _cells(text, names, known, delimiter, skipped + 1)
    columns = {name: table.column(name) for name in known}
    for name in TEXT:
        if name in columns and raw[names.index(name)].startswith(" "):  # "a, b, c"
            import pyarrow.compute as pc

            columns[name] = pc.utf8_ltrim_whitespace(columns[name])
    if delimiter == ";":
        columns |= {name: _points(columns[name]) for name in NUMBERS if name in columns}
    return dict.fromkeys(names) | columns


def _cells(text: str, names: list[str], known: list[str], delimiter: str, skipped: int) -> Any:
    """Read the cells; a column of numbers in which one cell is none is text, so that the cell can be shown."""
    import pyarrow as pa
    import pyarrow.csv

    types = {name: pa.string() for name in TEXT if name in known}
    content = text.encode()

    def read() -> Any:
        return pyarrow.csv.read_csv(
            pa.BufferReader(content),
            read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows=skipped, block_size=1 << 24),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types, include_columns=known, null_values=[""], strings_can_be_null=True
            ),
        )

    try:
        table = read()
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise PairError("no rows at all: there is a line of names, and no more") from None
        raise
    odd = [name for name in known if pa.types.is_temporal(table.schema.field(name).type)]
    if odd:
        types |= dict.fromkeys(odd, pa.string())
        table = read()
    return table


def _points(column: Any) -> Any:
    """Write 0,5 as 0.5, which a spreadsheet of many countries writes where a semicolon parts the cells."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return column
    return pc.replace_substring_regex(column, r"^\s*(\d*),(\d+)\s*$", r"\1.\2")


def _json(text: str) -> dict[str, Any]:
    """Read an array of rows, a dict of columns, a log of inspect-ai, or one row a line."""
    start = len(text) - len(text.lstrip())
    decoder = json.JSONDecoder()
    try:
        value, end = decoder.raw_decode(text, start)
    except ValueError as error:
        raise PairError(f"line {getattr(error, 'lineno', 1)} is not JSON: {error}") from None
    if text[end:].strip():
        if "\n" in text[start:end] or "\n" not in text[end:]:
            line = text.count("\n", 0, end) + 1
            raise PairError(f"line {line} is not JSON: more follows where its value ends; write one value a line")
        return _of_rows(of_lmms_eval(_objects(text)))
    if isinstance(value, list):
        return _of_rows(of_lmms_eval(value))
    if is_inspect_log(value):
        return _of_rows(inspect_rows(value))
    return _of_object(value)


def _of_object(value: Any) -> dict[str, Any]:
    """Read one JSON object: columns by name, rows below one of its keys, or one row."""
    if not isinstance(value, dict):
        raise PairError(f"JSON that is {type(value).__name__}; give an array of rows or an object of columns")
    columns, data = value.get("columns"), value.get("data")
    if isinstance(columns, list) and isinstance(data, list) and "pair_id" not in value:  # pandas, orient="split"
        return _of_rows(dict(zip(columns, row, strict=False)) for row in data)
    if isinstance(data, list) and "pair_id" not in value:  # pandas, orient="table"
        return _of_rows(data)
    if value and not any(isinstance(value.get(name), list | dict) for name in KNOWN):
        return _of_rows(of_lmms_eval([value]))
    known, names = known_of_mapping(value)
    return dict.fromkeys(names) | known


def _objects(text: str) -> Iterator[Any]:
    # Not `splitlines`: it also cuts at U+2028, U+2029 and U+0085, which JSON has inside of texts.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:
                raise PairError(f"line {number} is not JSON; each line is one object, a row") from None


def _of_rows(rows: Any) -> dict[str, Any]:
    columns, names = columns_of_dicts(rows)
    return {**dict.fromkeys(names), **columns}
