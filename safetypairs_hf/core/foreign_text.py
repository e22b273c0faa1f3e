"""Read text that others wrote: JSON, JSON Lines, CSV and YAML in UTF-8, within limits, with errors of one line.

The parsers here raise ForeignTextError, or what their library raises. The context manager `reading` turns both, and
errors of other code that reads foreign content, into one message that names the file and the expected content.
"""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.core.errors import SafetyPairsError, in_a_line, printable

MOST_BYTES: Final = 1 << 28  # in a text file; a table of a few million images fits
MOST_SETTING_BYTES: Final = 1 << 20  # in a file of settings, such as YAML or a prompt
MOST_YAML_NODES: Final = 100_000
DEEPEST: Final = 100  # nested lists and objects
LONGEST_NUMBER: Final = 1000  # characters in YAML; the time to read a number grows with their square
MOST_OBJECTS: Final = 1000  # places in a text at which a JSON object is looked for
_LONG_NUMBER: Final = re.compile(rf"[0-9_:.+-]{{{LONGEST_NUMBER},}}")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class ForeignTextError(ValueError):
    """A text does not have the expected content.

    Attributes:
        args: One predicate, such as "holds a NUL"; the name of the text is put before it.
        line: The line of the fault, from 1; 0 if it is not known.
    """

    def __init__(self, fault: str, line: int = 0) -> None:
        super().__init__(fault)
        self.line = line


@contextmanager
def reading(what: str, expected: str = "", error_class: type[SafetyPairsError] = SafetyPairsError) -> Iterator[None]:
    """Turn any exception of the block into a message of one line.

    Args:
        what: What is read, as the subject of the message, such as "the metadata 'm.csv'".
        expected: The end of the message: what the content should be, or what to do.
        error_class: The class of the exception to raise.

    Raises:
        SafetyPairsError: An exception of `error_class`. A SafetyPairsError that the block raises passes unchanged.
    """
    try:
        yield
    except SafetyPairsError:
        raise
    except Exception as error:
        raise error_class(f"{fault(what, error)}{f'; {expected}' if expected else ''}") from error


def fault(what: str, error: Exception) -> str:
    """Describe an error as one sentence with the subject `what`."""
    if isinstance(error, ForeignTextError) and error.line:
        what = f"{what}, line {error.line},"
    return f"{what} {_predicate(error)}"


def _predicate(error: Exception) -> str:
    if isinstance(error, ForeignTextError):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8 (at byte {error.start}); save it as that"
    if isinstance(error, OSError):
        return f"can't be read: {error.strerror or printable(error)}"
    if isinstance(error, RecursionError):
        return "is nested too deep"
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    because = f" ({in_a_line(error.__cause__)})" if error.__cause__ else ""
    return f"can't be read: {printable(in_a_line(error) + because)}"


def read_bytes(path: str | Path, most: int = MOST_BYTES) -> bytes:
    """Read a file. Raises OSError, or ForeignTextError if it is not a regular file or has more than `most` bytes."""
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise ForeignTextError(f"is {'a folder' if stat.S_ISDIR(found.st_mode) else 'no ordinary file'}; give a file")
    if found.st_size > most:
        raise ForeignTextError(f"has over {most >> 20} MB, more than is read")
    return Path(path).read_bytes()


def read_text(path: str | Path, most: int = MOST_BYTES) -> str:
    """Read a UTF-8 file, with or without a byte order mark. Raises UnicodeDecodeError, and what `read_bytes` raises."""
    return read_bytes(path, most).decode("utf-8-sig")


def lines(text: str | Iterable[str]) -> Iterator[tuple[int, str]]:
    r"""Yield the number of each line, from 1, and the line without its end, which is \n or \r\n.

    `str.splitlines` also cuts at U+2028, U+2029 and U+0085, which occur inside JSON strings.

    Args:
        text: A text, or its lines from a file that was opened with newline="\n".
    """
    for number, line in enumerate(text.split("\n") if isinstance(text, str) else text, 1):
        yield number, line.removesuffix("\n").removesuffix("\r")


def parse_json(text: str, *, strict: bool = True) -> Any:
    """Parse JSON.

    Args:
        text: The whole text.
        strict: Refuse what other parsers read differently or not at all: a repeated key, NaN and Infinity, and half of
            a surrogate pair, which no file can hold.

    Raises:
        ForeignTextError: The text is not JSON, or nested more than DEEPEST deep.
    """
    try:
        value = _STRICT.decode(text) if strict else json.loads(text)
    except json.JSONDecodeError as error:
        raise ForeignTextError(f"is no JSON: {error}") from None
    except RecursionError:
        raise ForeignTextError(f"is nested more than {DEEPEST} deep") from None
    except ForeignTextError:
        raise
    except ValueError:  # `int` refuses more than 4300 digits
        raise ForeignTextError("holds a number that is too long to be read") from None
    if text.count("[") + text.count("{") > DEEPEST:
        _check_depth(value)
    if strict and _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ForeignTextError("holds half of a surrogate pair, which is no letter") from None
    return value


def parse_object(text: str) -> dict[str, Any]:
    """Parse JSON that is one object. Raises ForeignTextError as `parse_json` does."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ForeignTextError(f"holds {_kind(value)}; expected a JSON object")
    return value


def json_lines(text: str | Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Parse JSON Lines: yield the line number and the object of each line that is not empty.

    Args:
        text: A text, or its lines; see `lines`.

    Raises:
        ForeignTextError: A line is not a JSON object; the error has its number.
    """
    for number, line in lines(text):
        if line.strip():
            try:
                value = parse_object(line)
            except ForeignTextError as error:
                raise ForeignTextError(str(error), number) from None
            yield number, value


def objects_in(text: str) -> dict[int, dict[str, Any]]:
    """Find the JSON objects in any text, by their position. At most MOST_OBJECTS positions are tried."""
    decoder, found, start = json.JSONDecoder(strict=False), {}, text.find("{")
    for _ in range(MOST_OBJECTS):
        if start < 0:
            break
        try:
            value, end = decoder.raw_decode(text, start)
            _check_depth(value)
            found[start] = value
        except (ValueError, RecursionError):
            end = start + 1
        start = text.find("{", end)
    return found


def csv_rows(text: str | Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Parse CSV with a header: yield the number of each row's last line, and its values by column.

    Args:
        text: A text, or its lines from a file that was opened with newline="".

    Raises:
        ForeignTextError: A column name is repeated, a row and the header differ in length, a quote is not closed, the
            text contains NUL, or a field is longer than `csv.field_size_limit()` (131072 characters by default).
    """
    reader = csv.reader(io.StringIO(text, newline="") if isinstance(text, str) else text, strict=True)
    names: list[str] = []
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise ForeignTextError(f"is no CSV: {error}", reader.line_num) from None
        if fields is None:
            return
        if "\0" in "".join(fields):
            raise ForeignTextError("holds a NUL; save it as UTF-8 text", reader.line_num)
        if not names:
            names = [name.strip() for name in fields]
            if twice := [name for name in names if names.count(name) > 1]:
                raise ForeignTextError(f"has the column {printable(twice[0])!r} twice; keep one")
        elif len(fields) == len(names):
            yield reader.line_num, dict(zip(names, fields, strict=True))
        elif fields:
            raise ForeignTextError(f"has {len(fields)} fields, and the head {len(names)}", reader.line_num)


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file as strings, lists and dicts; see `parse_yaml`."""
    return parse_yaml(read_text(path, MOST_SETTING_BYTES))


def parse_yaml(text: str, *, typed: bool = False) -> Any:
    """Parse YAML as strings, lists and dicts. Every value stays the string that was written, so a label `no` is "no".

    Args:
        text: The whole text.
        typed: Convert numbers, dates and so on by the rules of YAML.

    Raises:
        ForeignTextError: The text is not YAML, uses an alias (a few aliases can expand to billions of values), repeats
            a key, or is longer or deeper than the limits of this module.
    """
    import yaml

    if len(text) > MOST_SETTING_BYTES:
        raise ForeignTextError(f"has over {MOST_SETTING_BYTES >> 20} MB; a few pages of text were expected")
    plain, values = (getattr(yaml, f"C{name}", getattr(yaml, name)) for name in ("BaseLoader", "SafeLoader"))
    try:
        _check_events(yaml.parse(text, plain))
        loader = (values if typed else plain)(text)
        node = loader.get_single_node()
        _check_keys(node)
        return "" if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        problem = printable(" ".join(filter(None, (error.context, error.problem))))
        raise ForeignTextError(
            f"is no YAML: {problem}", error.problem_mark.line + 1 if error.problem_mark else 0
        ) from None
    except yaml.YAMLError as error:
        raise ForeignTextError(f"is no YAML: {printable(' '.join(str(error).split()))}") from None


def are_texts(value: Any) -> bool:
    """Return whether a value is a list of one or more strings."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _check_events(events: Iterator[Any]) -> None:
    import yaml

    deep = 0
    for number, event in enumerate(events):
        if number > MOST_YAML_NODES:
            raise ForeignTextError(f"holds more than {MOST_YAML_NODES} values; a few pages of text were expected")
        if isinstance(event, yaml.AliasEvent):
            raise ForeignTextError(f"uses an alias (*{printable(event.anchor)}); write the lines out")
        if isinstance(event, yaml.CollectionStartEvent):
            deep += 1
            if deep > DEEPEST:
                raise ForeignTextError(f"is nested more than {DEEPEST} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            deep -= 1
        elif isinstance(event, yaml.ScalarEvent) and event.implicit[0] and _LONG_NUMBER.fullmatch(event.value):
            raise ForeignTextError("holds a number that is too long to be read")


def _check_keys(document: Any) -> None:
    """Raise ForeignTextError if a mapping of a YAML document has a repeated key, or one that is not a string."""
    import yaml

    left = [document]
    while left:
        node = left.pop()
        if isinstance(node, yaml.SequenceNode):
            left += reversed(node.value)
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, _ in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise ForeignTextError("has a key that is no text", line)
                if key.value in seen:
                    raise ForeignTextError(f"has the key {printable(key.value)!r} a second time", line)
                seen.add(key.value)
            left += reversed([value for _, value in node.value])


def whole(text: str) -> str:
    """Return a text that can be encoded: half of a surrogate pair, which JSON can contain, becomes "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ForeignTextError(f"has the key {printable(name)!r} twice in one object")
        found[name] = value
    return found


def _constant(name: str) -> None:
    raise ForeignTextError(f"is no JSON: {name} is not a JSON number")


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _check_depth(value: Any) -> None:
    level, deep = [value], 0
    while level:
        deep += 1
        if deep > DEEPEST + 1:
            raise ForeignTextError(f"is nested more than {DEEPEST} deep")
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        level = inner


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
