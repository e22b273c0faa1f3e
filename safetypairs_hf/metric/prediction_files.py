"""Read predictions from a file, a folder of shards, standard input or an address, in any supported format.

The format is recognised by the first bytes of a file; its suffix is only used in error messages. Logs of our own tasks
are read without the harness: inspect-ai keeps a row in the metadata of each sample's score by `pair_verdict`, and
lmms-eval, with `--log_samples`, writes the row of each metric next to the answer.
"""

from __future__ import annotations

import codecs
import json
import os
import struct
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any

from safetypairs_hf.core.errors import PairError, counted, in_a_line, printable, verb
from safetypairs_hf.metric.column_values import all_null, to_array
from safetypairs_hf.metric.rows import KNOWN, OF_PAIRS, columns_of_dicts, known_of_mapping, known_of_table

STDIN = "-"
MOST_SHARDS = 10_000


def read_predictions(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the columns of predictions by name, in a form that `score` takes.

    Only columns that the metric uses are read; the names of others are returned with None. A column that is None in
    every row counts as absent. In delimited text the first line names the columns, an empty cell is None, and ids,
    categories and groups stay text, so that "007" is not 7.

    Args:
        path: A file: Parquet, Arrow (file or stream), delimited text, JSON (an array of rows or an object of columns),
            JSON Lines, or a log of our own task by inspect-ai or lmms-eval; plain or compressed with gzip, bzip2, xz or
            zstd. Or a folder or glob pattern of such files, which are joined in the order of their names; a folder that
            `datasets` saved; "-" for standard input; or an address that fsspec opens, such as hf://, https://, zip://.

    Returns:
        The columns by name, each a sequence of one value per row; None for a column that is not read.

    Raises:
        PairError: The file does not exist, is empty, or cannot be read; or the shards differ in format or columns.
    """
    given = os.fspath(path)
    if given == STDIN:
        columns = _named("standard input", lambda: read_content(sys.stdin.buffer.read(), None))
    elif "://" in given:
        columns = _named(given, lambda: _of_address(given))
    else:
        columns = _of_path(Path(given))
    known = {name: to_array(name, values) for name, values in columns.items() if values is not None}
    return dict.fromkeys(columns) | {name: values for name, values in known.items() if not all_null(values)}


def as_list(column: Any) -> list[Any]:
    """Return a column of predictions as a list, or [] if it is absent."""
    if column is None:
        return []
    return list(column.to_pylist() if hasattr(column, "to_pylist") else column)


def _named(name: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read a file, and turn any error of a library into one that names the file."""
    kind = kind_of(name)
    try:
        return read()
    except FileNotFoundError:
        raise PairError(f"{name}: there is no such file") from None
    except PairError as error:
        said = str(error)
        raise (error if said.startswith(f"{name}") else PairError(f"{name}: {said}")) from None
    except Exception as error:
        reason = in_a_line(error).partition(": ")[2] or type(error).__name__
        raise PairError(f"{name}: cannot be read{f' as {kind}' if kind else ''}: {printable(reason)}") from None


def kind_of(name: str) -> str | None:
    """Return the format that the suffixes of a file name or address stand for, or None."""
    suffixes = PurePosixPath(name.partition("::")[0].partition("?")[0].lower()).suffixes
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def _of_path(path: Path) -> dict[str, Any]:
    if path.is_dir():
        return _of_folder(path)
    if not path.exists() and any(letter in path.name for letter in "*?["):
        found = sorted(each for each in path.parent.glob(path.name) if each.is_file())
        return _of_shards(str(path), [(str(each), partial(_of_file, each)) for each in found])
    return _named(str(path), lambda: _of_file(path))


def _of_file(path: Path) -> dict[str, Any]:
    if path.is_char_device() or path.is_block_device():
        raise PairError("a device, whose content has no end; give a file")
    with path.open("rb") as file:
        if file.read(len(PARQUET)) == PARQUET:
            return read_parquet(path)
        file.seek(0)
        return read_content(file.read(), kind_of(path.name))


def _of_folder(folder: Path) -> dict[str, Any]:
    if (folder / "dataset_dict.json").is_file():  # a DatasetDict that `datasets` saved
        splits = _names(folder / "dataset_dict.json", "splits")
        if len(splits) != 1:
            raise PairError(
                f"{folder}: a DatasetDict of {len(splits)} splits; give one: {folder / (splits or ['?'])[0]}"
            )
        return _of_folder(folder / splits[0])
    if (folder / "state.json").is_file():  # a Dataset that `datasets` saved
        files = [folder / name for name in _names(folder / "state.json", "_data_files")]
    else:
        files = _shards(folder)
    return _of_shards(str(folder), [(str(each), partial(_of_file, each)) for each in files])


def _names(file: Path, key: str) -> list[str]:
    try:
        held = json.loads(file.read_text("utf-8"))[key]
        return [str(Path(each["filename"] if isinstance(each, dict) else each).name) for each in held]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PairError(f"{file}: cannot be read as what `datasets` saves: {in_a_line(error)}") from None


def _shards(folder: Path) -> list[Path]:
    """Return the files of predictions in a folder, or in its subfolders if it has none itself."""
    for pattern in ("*", "*/*"):
        found = []
        for path in folder.glob(pattern):
            if not path.name.startswith((".", "_")) and kind_of(path.name) and path.is_file():
                found.append(path)
            if len(found) > MOST_SHARDS:
                raise PairError(f"{folder}: more than {MOST_SHARDS} files; give a folder of predictions alone")
        if found:
            return sorted(found)
    return []


def _of_address(url: str) -> dict[str, Any]:
    import fsspec

    system, path = fsspec.core.url_to_fs(url)
    if any(letter in path for letter in "*[") or (kind_of(url) is None and system.isdir(path)):
        paths = sorted(system.glob(path) if any(letter in path for letter in "*[") else system.find(path, maxdepth=2))
        paths = [each for each in paths if kind_of(each)]
        return _of_shards(url, [(each, partial(_of_opened, system, each, kind_of(each))) for each in paths])
    return _of_opened(system, path, kind_of(url))


def _of_opened(system: Any, path: str, kind: str | None) -> dict[str, Any]:
    with system.open(path, "rb") as file:
        head = file.read(len(PARQUET))
        if head == PARQUET:
            file.seek(0)
            return read_parquet(file)
        return read_content(head + file.read(), kind)


def _of_shards(name: str, shards: list[tuple[str, Callable[[], dict[str, Any]]]]) -> dict[str, Any]:
    """Join the columns of files of one format with the same known columns."""
    if not shards:
        raise PairError(f"{name}: there is no file of predictions in it ({', '.join(SUFFIXES)})")
    if any(shard.rsplit("/", 1)[-1] == "manifest.parquet" for shard, _ in shards):
        raise PairError(f"{name} is a dataset; give predictions on it, such as the file that `evaluate --out` wrote")
    kinds: dict[str | None, str] = {}
    for shard, _ in shards:
        kinds.setdefault(kind_of(shard), shard)
    if len(kinds) > 1:
        raise PairError(f"{name}: shards are of one kind, and {' and '.join(kinds.values())} are not; give one of them")
    read = [(shard, _named(shard, opened)) for shard, opened in shards]
    first, columns = read[0]
    for shard, others in read[1:]:
        differ = sorted(set(KNOWN) & (columns.keys() ^ others.keys()))
        if differ:
            raise PairError(
                f"{shard}: the column {differ[0]} is {'' if differ[0] in others else 'not '}in it, and "
                f"{'not ' if differ[0] in others else ''}in {first}; give all shards the same columns"
            )
    joined = {column: _joined(column, [each[column] for _, each in read]) for column in columns if column in KNOWN}
    return dict.fromkeys(columns) | joined


def _joined(name: str, columns: Iterable[Any]) -> Any:
    import pyarrow as pa

    arrays = [to_array(name, values) for values in columns]
    if not any(isinstance(each, list) for each in arrays):
        try:
            parts = [pa.table({name: each}) for each in arrays]
            return pa.concat_tables(parts, promote_options="permissive").column(name)
        except pa.ArrowException:
            pass
    return [value for each in arrays for value in (each if isinstance(each, list) else each.to_pylist())]


# The format by suffix. Files with other suffixes are recognised only by their content.
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
TEXT = ("pair_id", "category", "group", "sample", "control", "sha256", "policy")
NUMBERS = ("reference", "prediction", "score", *OF_PAIRS["prediction"], *OF_PAIRS["score"])
PARQUET = b"PAR1"
MOST_BYTES = 1 << 32  # the largest unpacked size of a compressed file
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_content(content: bytes, kind: str | None) -> dict[str, Any]:
    """Read the known columns of a file by name; the names of others are returned with None.

    Args:
        content: The bytes of the whole file.
        kind: The format of its suffix, one of the values of SUFFIXES, or None.

    Raises:
        PairError: The format is not supported, or the content is neither rows, columns nor one of our logs.
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
    """Unpack gzip, bzip2, xz or zstd, recognised by the first bytes. Raises PairError for more than MOST_BYTES."""
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
    """Return the known columns of a table from a file, validated: Arrow trusts the offsets and texts of a file."""
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
    into the largest number of known names.

    Args:
        text: The whole file.
        named: Whether its suffix is one of delimited text, so that an error names the missing columns.
    """
    import csv

    text = text.lstrip("\r\n")
    lines = text.split("\n" if "\n" in text else "\r", 2)
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
        raise PairError(f"the column {twice[0]} occurs more than once; keep one")
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
    """Read the cells; a column with a cell that is not a number is read as text, so that an error can show the cell."""
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
    """Write 0,5 as 0.5: spreadsheets in many countries use a decimal comma, with a semicolon between cells."""
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
    # Not `splitlines`: it also splits at U+2028, U+2029 and U+0085, which JSON allows inside texts.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:
                raise PairError(f"line {number} is not JSON; each line is one object, a row") from None


def _of_rows(rows: Any) -> dict[str, Any]:
    columns, names = columns_of_dicts(rows)
    return {**dict.fromkeys(names), **columns}


_OURS = {"pair_id", "reference", "prediction"}
_COLUMNS = ("pair_id", "reference", "prediction", "score", "category", "group", "sample")
_SCORER = "pair_verdict"
_ZSTD = 93  # the compression of inspect-ai's logs; Python's zipfile knows the number, but not always the method


def is_inspect_log(value: Any) -> bool:
    """Return whether a JSON value is a log of inspect-ai."""
    return isinstance(value, Mapping) and {"version", "status", "eval"} <= value.keys()


def inspect_rows(log: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each sample of a log of inspect-ai.

    Raises:
        PairError: The log has no samples, some are not of our task, or some have no score.
    """
    samples = log.get("samples")
    if not isinstance(samples, list) or not samples:
        raise PairError("a log of inspect-ai without samples; run `inspect eval` without --no-log-samples")
    found, unscored = [], []
    for sample in samples:
        scores = sample.get("scores") if isinstance(sample, Mapping) else None
        row = ((scores or {}).get(_SCORER) or {}).get("metadata") or {}
        if row.keys() >= _OURS:
            found.append({name: row.get(name) for name in _COLUMNS} | {"sample": sample.get("epoch", 1)})
        else:
            unscored.append(sample)
    if unscored:
        name = unscored[0].get("id") if isinstance(unscored[0], Mapping) else unscored[0]
        raise PairError(
            f"a log of inspect-ai in which {len(unscored)} of {counted(len(samples), 'sample')} "
            f"{verb(len(unscored), 'has')} no score of {_SCORER}, first {name!r}; finish it with `inspect "
            "eval-retry`, or log the task safetypairs_hf/safetypairs"
        )
    return found if len({row["sample"] for row in found}) > 1 else [row | {"sample": None} for row in found]


def inspect_archive_rows(content: bytes) -> list[dict[str, Any]] | None:
    """Return the rows of a log in inspect-ai's .eval format, a zip archive; or None if the archive is not such a log.

    Raises:
        PairError: As in `inspect_rows`.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = archive.namelist()
        if not any(name in ("header.json", "_journal/start.json") for name in names):
            return None
        members = sorted(name for name in names if name.startswith("samples/") and name.endswith(".json"))
        if sum(archive.getinfo(name).file_size for name in members) > MOST_BYTES:
            raise PairError(f"it unpacks to more than {MOST_BYTES >> 30} GiB; log fewer samples")
        samples = [json.loads(_member(content, archive.getinfo(name), archive)) for name in members]
    return inspect_rows({"samples": samples})


def _member(content: bytes, member: zipfile.ZipInfo, archive: zipfile.ZipFile) -> bytes:
    if member.compress_type != _ZSTD:
        return archive.read(member)
    import pyarrow as pa

    # The local header is 30 bytes, then the name and an extra field, whose lengths are in it.
    lengths = struct.unpack_from("<HH", content, member.header_offset + 26)
    start = member.header_offset + 30 + sum(lengths)
    packed = content[start : start + member.compress_size]
    plain: bytes = pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read(member.file_size)
    return plain


def of_lmms_eval(rows: Iterable[Any]) -> Iterator[Any]:
    """Replace the samples of a log of lmms-eval by their rows; other content is returned unchanged.

    Raises:
        PairError: A sample of lmms-eval contains no row of our task.
    """
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping) or not {"doc_id", "filtered_resps"} <= row.keys() or "pair_id" in row:
            yield row
            continue
        ours = next((each for each in row.values() if isinstance(each, Mapping) and each.keys() >= _OURS), None)
        if ours is None:
            raise PairError(
                f"a log of lmms-eval whose sample {number} is not of our task; log the task safetypairs_images"
            )
        yield ours
