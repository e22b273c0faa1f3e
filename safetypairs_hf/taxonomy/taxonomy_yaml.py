"""The YAML of a taxonomy: reading reports every fault, and writing always gives the same text.

Every value is read as the text in the file, so the version 1.10 is not the number 1.1, and a line `- no` is not False.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import fault, parse_yaml
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.taxonomy.categories import Category, Taxonomy, plain

_LONGEST: Final = {"id": 64, "version": 32, "slug": 64, "code": 16, "name": 120}
_LONGEST_LINE: Final = 600
_TOP: Final = ("id", "version", "categories")
_TEXTS: Final = ("slug", "name", "code", "scope", "maps_to")
_LISTS: Final = ("never", "should_not", "default_only", "can", "never_add", "unless")
_NEEDED: Final = ("slug", "name", "scope", "should_not", "can")
# A slug is also the name of a config, a split and a folder.
_SLUG: Final = re.compile(r"[a-z][a-z0-9_]*")
RESERVED: Final = ("all", "by_category", "controls", "default", "failures", "reviews", "test", "train", "validation")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# `never_add` and `unless` are compared with instructions word by word, in lower case.
_WORDS: Final = re.compile(r"[a-z]+(?:-[a-z]+)*(?: [a-z]+(?:-[a-z]+)*)*")
_WORD_LISTS: Final = (": never_add", ": unless")
VERSION: Final = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){1,2}")


class Parsed(NamedTuple):
    """A taxonomy, or None and the faults of its text, one line each."""

    taxonomy: Taxonomy | None
    faults: list[str]


def parse(text: str, nine: Taxonomy | None) -> Parsed:
    """Read the YAML of a taxonomy.

    Args:
        text: The content of the file.
        nine: The taxonomy that `maps_to` refers to; None if the text is that taxonomy itself.
    """
    try:
        value = parse_yaml(text)
    except Exception as error:
        return Parsed(None, [fault("it", error)])
    return from_values(value, nine)


def from_values(value: Any, nine: Taxonomy | None) -> Parsed:
    """Read a taxonomy from the values of its YAML or of `Taxonomy.to_dict`; see `parse`."""
    if not isinstance(value, Mapping):
        return Parsed(None, ["it is not a mapping; a taxonomy has id, version and categories"])
    faults = [*_keys(value, _TOP, _TOP, "it"), *_name_faults(value)]
    rows = value.get("categories")
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        if "categories" in value:
            faults.append("categories is not a list, or is empty; each category starts with '- slug: ...'")
        return Parsed(None, faults)
    categories: list[Category] = []
    for number, row in enumerate(rows, 1):
        found = list(_category_faults(row, number, nine))
        faults += found
        if not found:
            categories.append(_category(row, nine))
    faults += _twice(row for row in rows if isinstance(row, Mapping))
    if nine is None:
        slugs = {category.slug for category in categories}
        faults += [
            f"{each.slug}: maps_to is not a slug of this taxonomy" for each in categories if each.maps_to not in slugs
        ]
    if faults:
        return Parsed(None, faults)
    return Parsed(Taxonomy(value["id"], value["version"], tuple(categories)), [])


def dump(taxonomy: Taxonomy) -> str:
    """Write a taxonomy as YAML. The text depends only on the taxonomy, not on the file that it was read from."""
    import yaml

    return yaml.safe_dump(taxonomy.to_dict(), sort_keys=False, allow_unicode=True, width=1 << 16)


def _keys(row: Mapping[str, Any], known: Sequence[str], needed: Sequence[str], where: str) -> Iterator[str]:
    for key in row:
        if key not in known:
            yield f"{where} has an unknown key {key!r}{hint(str(key), known)}; there are {', '.join(known)}"
    for key in needed:
        if key not in row:
            yield f"{where} has no {key!r}"


def _name_faults(value: Mapping[str, Any]) -> Iterator[str]:
    wanted = {
        "id": (_ID, "letters, digits, '.', '_' and '-'"),
        "version": (VERSION, "two or three numbers such as 1.0"),
    }
    for key, (grammar, expected) in wanted.items():
        if key in value:
            text = value[key]
            if not isinstance(text, str) or not grammar.fullmatch(text) or len(text) > _LONGEST[key]:
                yield f"{key} is {_short(text)}; expected {expected}"


def _category_faults(row: Any, number: int, nine: Taxonomy | None) -> Iterator[str]:
    """Yield every fault of a category, with the name of the category."""
    if not isinstance(row, Mapping):
        yield f"category {number} is {_short(row)}; expected a mapping with slug, name, scope, should_not and can"
        return
    slug = row.get("slug")
    where = slug if isinstance(slug, str) and _SLUG.fullmatch(slug) else f"category {number}"
    yield from _keys(row, (*_TEXTS, *_LISTS), _NEEDED, where)
    for key in _TEXTS:
        longest, empty = _LONGEST.get(key, _LONGEST_LINE), key not in _NEEDED
        if key in row and (fault := _text_fault(row[key], longest, empty=empty)):
            yield f"{where}: {key} is {_short(row[key])}; {fault}"
    for key in _LISTS:
        if key in row:
            yield from _list_faults(row[key], f"{where}: {key}", empty=key not in _NEEDED)
    if isinstance(slug, str) and slug and (not _SLUG.fullmatch(slug) or slug in RESERVED):
        taken = ", a reserved name of configs and splits" if slug in RESERVED else ""
        yield f"{where}: slug is {_short(slug)}{taken}; expected lower-case letters, digits and '_'"
    code, maps_to = row.get("code"), row.get("maps_to")
    if isinstance(code, str) and code and not _CODE.fullmatch(code):
        yield f"{where}: code is {_short(code)}; expected a short code such as 'O3'"
    if nine is not None and isinstance(maps_to, str) and maps_to:
        try:
            nine.find(maps_to)
        except SafetyPairsError as error:
            yield f"{where}: maps_to names {error}"


def _text_fault(value: Any, longest: int, *, empty: bool = False) -> str:
    if not isinstance(value, str):
        return "expected a text"
    if not value.strip() and not empty:
        return "expected some words"
    if len(value) > longest:
        return f"it has {len(value)} characters; expected at most {longest}"
    if "\n" in value.strip():
        return "expected one line"
    if not value.strip().isprintable():
        return "it holds characters that cannot be printed"
    return ""


def _list_faults(value: Any, where: str, *, empty: bool) -> Iterator[str]:
    if value == "":  # a key without a value
        value = []
    if not isinstance(value, Sequence) or isinstance(value, str):
        yield f"{where} is {_short(value)}; expected a list, a line '- ...' for each"
        return
    if not value and not empty:
        yield f"{where} is empty; a policy says what an image should not show, and what it can"
    for item in value:
        if fault := _text_fault(item, _LONGEST_LINE):
            yield f"{where} holds {_short(item)}; {fault}"
        elif where.endswith(_WORD_LISTS) and not _WORDS.fullmatch(item.strip()):
            yield f"{where} holds {_short(item)}; expected English words in lower case, such as 'poker chip'"
    for item, count in Counter(item.strip() for item in value if isinstance(item, str)).items():
        if count > 1:
            yield f"{where} holds {_short(item)} twice"


def _category(row: Mapping[str, Any], nine: Taxonomy | None) -> Category:
    """Return a category from a row without faults."""
    texts: dict[str, Any] = {key: row[key].strip() for key in _TEXTS if key in row}
    lists: dict[str, Any] = {key: tuple(item.strip() for item in row[key]) for key in _LISTS if row.get(key)}
    if nine is not None and texts.get("maps_to"):
        texts["maps_to"] = nine.find(texts["maps_to"]).slug
    return Category(**texts, **lists)


def _twice(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a fault for each text that names two categories, which makes labels with that text ambiguous."""
    named: dict[str, set[int]] = {}
    shown: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        for key in ("slug", "name", "code"):
            text = row.get(key)
            if isinstance(text, str) and plain(text):
                named.setdefault(plain(text), set()).add(number)
                shown.setdefault(plain(text), text)
    for text, numbers in named.items():
        if len(numbers) > 1:
            yield f"{shown[text]!r} names the categories {' and '.join(map(str, sorted(numbers)))}; each needs its own"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
