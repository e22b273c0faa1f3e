"""Compare names of files as people see them.

Unicode writes é in two ways: as one letter, or as e with an accent that combines. macOS gives names in the second,
most editors and tables the first. Every match of a name from a table or a setting against files goes through `as_seen`.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePath


def as_seen(name: str) -> str:
    """Return a name with every letter composed (Unicode's form NFC): names that look the same are the same."""
    return unicodedata.normalize("NFC", name)


def name_in(folder: Path, path: Path) -> str:
    """Return the name of a file below a folder, with forward slashes, `as_seen`.

    A name that is not UTF-8 could be written to no report: its odd bytes are there as backslash escapes.
    """
    relative: PurePath = path.relative_to(folder)
    return as_seen(os.fsencode(relative.as_posix()).decode("utf-8", "backslashreplace"))


def find_seen(path: Path) -> Path:
    """Return the path of the file that has this name `as_seen`; the path as it is where there is none, or several."""
    if path.exists() or not path.parent.is_dir():
        return path
    try:
        found = [each for each in path.parent.iterdir() if as_seen(each.name) == as_seen(path.name)]
    except OSError:
        return path
    return found[0] if len(found) == 1 else path
