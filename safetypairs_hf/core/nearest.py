"""The nearest of the names that there are, for the message about one that there is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like `name`, whatever their case; None where none is like it."""
    plain: dict[str, str] = {}
    for each in known:
        plain.setdefault(each.lower(), each)
    found = difflib.get_close_matches(name.lower(), plain, n=1, cutoff=0.5)
    return plain[found[0]] if found else None


def hint(name: str, known: Iterable[str]) -> str:
    """Return "; the nearest is 'x'", to stand in a message after the name that was given; "" where none is like it."""
    found = nearest(name, known)
    return f"; the nearest is {found!r}" if found else ""
