"""Read the YAML header of a dataset card: its configs, and the sizes that it states for each split."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from safetypairs_hf.core.errors import printable
from safetypairs_hf.core.foreign_text import MOST_SETTING_BYTES, ForeignTextError, parse_yaml, read_bytes

MOST_BYTES: Final = 1 << 24  # of the whole card; the header has the usual limits for YAML
_FIRST: Final = re.compile(rb"---[ \t\r]*\n")
_HEADER: Final = re.compile(rb"---[ \t\r]*\n((?:.*\n)??)---[ \t\r]*$", re.DOTALL | re.MULTILINE)


class Config(NamedTuple):
    """A config: the version that it names ("" for none), and the glob of the files of each split."""

    name: str
    version: str
    paths: list[tuple[str, str]]


class CardHeader(NamedTuple):
    """The contents of a card's header. `sizes`: (config, split) -> number of rows and bytes of their images."""

    configs: list[Config]
    sizes: dict[tuple[str, str], tuple[int, int]]


def read(path: Path) -> CardHeader:
    """Read the header of a card.

    Raises:
        ForeignTextError: The header is missing, too long or too deep, or is not that of a safetypairs card.
        UnicodeDecodeError: The file is not UTF-8 text.
        OSError: The file cannot be read.
    """
    text = _header(path)
    if text is None:
        raise ForeignTextError("has no YAML header: its first line is not ---")
    header = parse_yaml(text)
    return CardHeader(list(_configs(header)), dict(_sizes(header)))


def check(path: Path) -> None:
    """Check that any program can read a card in bounded time, whatever it says. A card without a header passes.

    Raises:
        ForeignTextError, UnicodeDecodeError, OSError: As for `read`.
    """
    if (header := _header(path)) is not None:
        parse_yaml(header)


def _header(path: Path) -> str | None:
    whole = read_bytes(path, MOST_BYTES)
    whole.decode()
    if not _FIRST.match(whole):
        return None
    found = _HEADER.match(whole[: MOST_SETTING_BYTES + 64])
    if found is None:
        raise ForeignTextError(f"has a YAML header that does not end, or is longer than {MOST_SETTING_BYTES >> 20} MB")
    return found[1].decode()


def _configs(header: Any) -> Iterator[Config]:
    for config in _list(header, "configs"):
        views = _list(config, "data_files")
        paths = [(_text(view, "split"), path) for view in views for path in _paths(view)]
        yield Config(_text(config, "config_name"), _text(config, "version"), paths)


def _paths(view: Any) -> list[str]:
    found = view.get("path") if isinstance(view, dict) else None
    paths = found if isinstance(found, list) else [found]
    return [_text({"path": path}, "path") for path in paths]


def _sizes(header: Any) -> Iterator[tuple[tuple[str, str], tuple[int, int]]]:
    for info in _list(header, "dataset_info"):
        for split in _list(info, "splits"):
            where = _text(info, "config_name"), _text(split, "name")
            yield where, (_number(split, "num_examples"), _number(split, "num_bytes"))


def _list(holder: Any, key: str) -> list[Any]:
    found = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(found, list):
        raise ForeignTextError(f"has a YAML header that safetypairs did not write: {key} is not a list")
    return found


def _text(holder: Any, key: str) -> str:
    found = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(found, str):
        raise ForeignTextError(f"has a YAML header that safetypairs did not write: {key} is not a text")
    return found


def _number(holder: Any, key: str) -> int:
    found = _text(holder, key)
    if not (found.isascii() and found.isdecimal() and len(found) < 20):
        raise ForeignTextError(
            f"has a YAML header that safetypairs did not write: {key} is {printable(found)!r}, not a number"
        )
    return int(found)
