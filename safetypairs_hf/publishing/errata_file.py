"""Read a file of corrections: CSV or JSON Lines. Every message names the line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from safetypairs_hf.core.errors import PublishError, counted, cut, printable
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.dataset.errata import ACTIONS, TEXTS

NEEDED: Final = ("pair_id", "action", "reason", "by")
COLUMNS: Final = ("pair_id", "action", "value", "reason", "by", *TEXTS)
LONGEST: Final = 2000  # characters of a value
MOST_BYTES: Final = 1 << 26
_WITH_TEXTS: Final = ("swap", "category", "text")
_EXAMPLE: Final = "pair_id,action,value,reason,by"


class Correction(NamedTuple):
    """A line of the file. `where` names it in messages; `texts` are the new texts by column, if any are given."""

    where: str
    pair_id: str
    action: str
    value: str
    reason: str
    by: str
    texts: dict[str, str]

    def refused(self, what: str) -> PublishError:
        return PublishError(f"{self.where}: {what}; nothing was changed")


def read_corrections(errata: str | Path | Iterable[Mapping[str, Any]]) -> list[Correction]:
    """Read corrections from a file (CSV or JSON Lines, by its first character), or from rows with the same names.

    Args:
        errata: The path, or mappings with the keys `pair_id`, `action`, `reason`, `by`, and, if the action takes one,
            `value`, `critical_feature` or `instruction`.

    Raises:
        PublishError: A line is invalid, or there is none. The message names the line.
    """
    named = isinstance(errata, str | Path)
    name = str(errata) if isinstance(errata, str | Path) else "errata"
    rows = _rows_of(Path(name), name) if named else _given(errata, name)
    found: dict[str, Correction] = {}
    for where, row in rows:
        made = _correction(where, row)
        if made.pair_id in found:
            raise made.refused(
                f"pair {made.pair_id} already has an action ({found[made.pair_id].where}); a version takes one "
                "action for each pair: keep one, and put the other into a file for a later version"
            )
        found[made.pair_id] = made
    if not found:
        raise PublishError(f"{name} holds no correction; expected lines of {', '.join(COLUMNS[:5])}")
    return list(found.values())


def _given(rows: Any, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise PublishError(f"{name}, row {number} is of type {type(row).__name__}; expected a dict")
        yield f"{name}, row {number}", row


def _rows_of(path: Path, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each line that is not empty, as its name for messages and its row."""
    text = _text(path, name)
    if text.lstrip()[:1] == "{":
        yield from _of_json_lines(text, name)
    elif text.lstrip()[:1] == "[":
        raise PublishError(f"{name} is a JSON array; expected JSON Lines (one object on each line) or CSV")
    else:
        yield from _of_csv(text, name)


def _text(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)  # a device may have no end
        if len(data) > MOST_BYTES:
            raise PublishError(f"{name} has more than {MOST_BYTES >> 20} MB; expected CSV or JSON Lines of corrections")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PublishError(f"{name}, line {line} is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise PublishError(f"{name} does not read: {error.strerror or error}; expected CSV or JSON Lines") from error


def _of_json_lines(text: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = getattr(error, "msg", "nested too deep")
            raise PublishError(f"{name}, line {number} is not JSON ({what}); expected one object a line") from None
        if not isinstance(row, dict):
            raise PublishError(f"{name}, line {number} is {type(row).__name__}; expected an object with {_EXAMPLE}")
        yield f"{name}, line {number}", row


def _of_csv(text: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    while True:
        began = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise PublishError(f'{name}, line {began} is not CSV: {error}; quote cells as "..."') from None
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if names is None:
            names = [cell.strip() for cell in cells]
            _check_names(names, f"{name}, line {began}")
            continue
        if len(cells) > len(names):
            raise PublishError(
                f"{name}, line {began} has {len(cells)} cells, and line 1 names {counted(len(names), 'column')}; "
                "quote a cell "
                f'that holds {delimiter!r}: "..."'
            )
        yield f"{name}, line {began}", dict(zip(names, cells, strict=False))


def _check_names(names: Iterable[str], where: str) -> None:
    listed = list(names)
    for name in listed:
        if name not in COLUMNS:
            said = hint(name, COLUMNS)
            raise PublishError(f"{where}: no column {cut(printable(name))!r}{said}; expected {', '.join(COLUMNS)}")
        if listed.count(name) > 1:
            raise PublishError(f"{where}: the column {name} occurs more than once; keep one")
    if missing := [name for name in NEEDED if name not in listed]:
        raise PublishError(f"{where}: there is no column {missing[0]}; expected a line of names such as {_EXAMPLE}")


def _correction(where: str, row: Mapping[str, Any]) -> Correction:
    for name in row:
        if name not in COLUMNS:
            said = hint(str(name), COLUMNS)
            raise PublishError(f"{where}: no field {cut(printable(name))!r}{said}; expected {', '.join(COLUMNS)}")
    texts = {name: _cell(where, name, row.get(name)) for name in COLUMNS}
    for name in NEEDED:
        if not texts[name]:
            what = {"reason": "why, in words that everybody may read", "by": "who says so; a pseudonym will do"}
            raise PublishError(f"{where}: no {name}; expected {what.get(name, f'one on each line, as in {_EXAMPLE}')}")
    action = texts["action"].lower()
    if action not in ACTIONS:
        raise PublishError(
            f"{where}: no action {cut(printable(texts['action']))!r}{hint(action, ACTIONS)}; the actions are "
            f"{', '.join(ACTIONS)}"
        )
    made = Correction(where, texts["pair_id"], action, texts["value"], texts["reason"], texts["by"], {})
    return made._replace(texts=_new_texts(made, {name: texts[name] for name in TEXTS if texts[name]}))


def _new_texts(made: Correction, given: dict[str, str]) -> dict[str, str]:
    """Return the new texts of a line, and check that its action takes the given value."""
    if given and made.action not in _WITH_TEXTS:
        raise made.refused(f"{made.action} takes no {next(iter(given))}; leave it empty")
    if made.action == "swap" and made.value:
        raise made.refused(f"swap takes no value, but {cut(printable(made.value))!r} was given; leave it empty")
    if made.action == "drop" and made.value:
        raise made.refused(f"drop takes no value, but {cut(printable(made.value))!r} was given; leave it empty")
    if made.action == "category" and not made.value:
        raise made.refused("category needs the new category as its value")
    if made.action != "text":
        return given
    if made.value and "critical_feature" in given:
        raise made.refused("the value is the new critical_feature, but that column has one too; keep one")
    found = ({"critical_feature": made.value} if made.value else {}) | given
    if not found:
        raise made.refused("text needs the new critical_feature as its value, or one in the column instruction")
    return found


def _cell(where: str, name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise PublishError(f"{where}: {name} is {cut(printable(value))}; expected a text: quote it")
    text = " ".join(value.split())
    if len(text) > LONGEST:
        raise PublishError(f"{where}: {name} has {len(text)} characters; expected at most {LONGEST}: shorten it")
    return text
