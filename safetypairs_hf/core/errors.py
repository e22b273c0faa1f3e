"""The exception tree. Every message is one line: what was given, what was expected, what to do next."""

from __future__ import annotations

import re
from typing import Any


class SafetyPairsError(Exception):
    """Anything that went wrong in a way that the message can explain; the command prints it and exits 1.

    As text it is one line without control characters: a message may quote what others wrote.
    """

    def __str__(self) -> str:
        return visible(super().__str__(), lines=False)


class PairError(SafetyPairsError, ValueError):
    """Predictions that are not whole pairs. Names the rule, how many pairs break it and the first five ids."""


class RecipeError(SafetyPairsError):
    """A recipe that does not exist, does not load, or takes no such setting."""


class UserCodeError(RecipeError):
    """Code of the user's own that does not load, raises something, or returns what cannot be used."""


class RunError(SafetyPairsError):
    """A run folder that is not one, belongs to another recipe, or cannot be written."""


class PublishError(SafetyPairsError):
    """A release that was refused, with nothing changed at the target."""


class VersionMismatch(SafetyPairsError):  # noqa: N818 - the name that the documentation promises
    """The version that could be loaded is not the one that was asked for."""


class HubUnavailable(SafetyPairsError):  # noqa: N818 - a state, not a mistake
    """The Hub did not answer, refused the token, or has no such repo."""


# What moves the cursor, changes how a terminal shows what follows, or is no character: control codes (a tab and a line
# feed aside), the marks that turn the direction of text, invisible ones, line ends of Unicode's own, and surrogates.
_UNSEEN = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ufff9-\\ufffb\\ud800-\\udfff\\U000e0000-\\U000e007f]"
)


def visible(text: str, *, lines: bool = True) -> str:
    r"""Return a text with every control character as an escape such as \x1b; `lines`: line feeds stay as they are."""
    shown = _UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)
    return shown if lines else shown.replace("\n", "\\n")


def reason(error: BaseException) -> str:
    """The first line of what an error says, or what it is."""
    return cut((str(error).strip() or type(error).__name__).split("\n")[0], 200)


def in_a_line(error: BaseException) -> str:
    """Any exception on one line of some 200 characters, the same for the same cause: without addresses in memory."""
    return f"{type(error).__name__}: {re.sub(r' at 0x[0-9a-fA-F]+', '', ' '.join(str(error).split()))[:200]}"


def printable(text: Any) -> str:
    """Return a text that others wrote as it may be printed: on one line, without control characters, not too long."""
    return cut("".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text)), most=300)


def cut(text: str, most: int = 60) -> str:
    """Return a text of at most so many characters, with "..." where it was cut."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
