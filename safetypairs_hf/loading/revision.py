"""A revision that a load is held to."""

from __future__ import annotations


class Pinned(str):
    """A revision that must be the one loaded: a commit hash.

    `asked` is what the user asked for, for messages. `reachable`: whether the Hub answered when it was resolved.
    """

    asked: str
    reachable: bool

    def __new__(cls, commit: str, asked: str = "", reachable: bool = True) -> Pinned:
        pinned = super().__new__(cls, commit)
        pinned.asked = asked
        pinned.reachable = reachable
        return pinned
