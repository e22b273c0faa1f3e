"""Find the known name that is nearest to an unknown one, for the message about it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to `name`, ignoring case, or whose words begin with its letters.

    For example, "scroe" gives "score", and "cc" gives "colour-and-clutter". None if no name fits.
    """
    plain: dict[str, str] = {}
    for each in known:
        plain.setdefault(each.lower(), each)
    found = difflib.get_close_matches(name.lower(), plain, n=1, cutoff=0.5)
    return plain[found[0]] if found else next((plain[each] for each in plain if name.lower() in _initials(each)), None)


def _initials(name: str) -> tuple[str, str]:
    """Return the first letters of the words of a name, with and without the word "and"."""
    words = re.split(r"[-_ ]+", name)
    if len(words) < 2:
        return "", ""
    return "".join(word[:1] for word in words), "".join(word[:1] for word in words if word != "and")


def hint(name: str, known: Iterable[str]) -> str:
    """Return "; the nearest is 'x'", to follow the unknown name in a message; "" if no name is similar."""
    found = nearest(name, known)
    return f"; the nearest is {found!r}" if found else ""
