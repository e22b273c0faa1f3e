"""Compare file names as people see them.

Unicode has two forms of é: one letter, or e followed by a combining accent. macOS returns the second form, and most
editors and tables use the first. Every match of a name from a table or a setting with files uses `as_seen`.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePath


def as_seen(name: str) -> str:
    """Return a name in Unicode's composed form (NFC), in which names that look the same are equal."""
    return unicodedata.normalize("NFC", name)


def name_in(folder: Path, path: Path) -> str:
    """Return the path of a file relative to a folder, with forward slashes, as `as_seen` gives it.

    Bytes that are not UTF-8 become backslash escapes, so that the name can be written to a report.
    """
    relative: PurePath = path.relative_to(folder)
    return as_seen(os.fsencode(relative.as_posix()).decode("utf-8", "backslashreplace"))


def find_seen(path: Path) -> Path:
    """Return the path of the one file whose name is equal by `as_seen`; `path` itself if there is none or several."""
    if path.exists() or not path.parent.is_dir():
        return path
    try:
        found = [each for each in path.parent.iterdir() if as_seen(each.name) == as_seen(path.name)]
    except OSError:
        return path
    return found[0] if len(found) == 1 else path
