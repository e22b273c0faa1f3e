"""The exceptions, and the text of messages: one line with what was given, what was expected, what to do next."""

from __future__ import annotations

import re
from typing import Any


class SafetyPairsError(Exception):
    """The base of all errors that this package raises on purpose. A command prints the message and exits with status 1.

    `str(error)` is one line without control characters, because a message may quote text that others wrote.
    """

    def __str__(self) -> str:
        return visible(super().__str__(), lines=False)


class PairError(SafetyPairsError, ValueError):
    """Predictions do not form whole pairs. The message names the rule, how many pairs break it and five ids at most."""


class RecipeError(SafetyPairsError):
    """A recipe does not exist, does not load, or does not accept a setting."""


class UserCodeError(RecipeError):
    """The user's own code does not load, raises an exception, or returns a value that cannot be used."""


class RunError(SafetyPairsError):
    """A folder is not a run, belongs to another recipe, or cannot be written."""


class PublishError(SafetyPairsError):
    """A release was refused; nothing has changed at the target."""


class VersionMismatch(SafetyPairsError):  # noqa: N818 - the name that the documentation promises
    """The version that could be loaded is not the requested one."""


class HubUnavailable(SafetyPairsError):  # noqa: N818 - a state, not a mistake
    """The Hub did not answer, refused the token, or does not have the repo."""


# Characters that move the cursor or change how a terminal shows the text after them: control codes except tab and line
# feed, marks of text direction, invisible characters, Unicode's own line ends, and surrogates.
_UNSEEN = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ufff9-\\ufffb\\ud800-\\udfff\\U000e0000-\\U000e007f]"
)


def visible(text: str, *, lines: bool = True) -> str:
    r"""Return a text with every control character as an escape such as \x1b; with `lines`, line feeds are kept."""
    shown = _UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)
    return shown if lines else shown.replace("\n", "\\n")


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its type if it has no message."""
    return cut((str(error).strip() or type(error).__name__).split("\n")[0], 200)


def in_a_line(error: BaseException) -> str:
    """Return an exception as one line of about 200 characters, without memory addresses, so that equal causes match."""
    return f"{type(error).__name__}: {re.sub(r' at 0x[0-9a-fA-F]+', '', ' '.join(str(error).split()))[:200]}"


def printable(text: Any) -> str:
    """Return a text that others wrote as one line of 300 characters at most, without control characters."""
    return cut("".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text)), most=300)


def cut(text: str, most: int = 60) -> str:
    """Return a text cut to `most` characters, of which the last three are "..." if it was longer."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def counted(n: int, noun: str) -> str:
    """Return a number and its noun, which is in the plural unless the number is 1: "1 pair", "1,200 categories"."""
    return f"{n:,} {noun if n == 1 else _plural(noun)}"


def verb(n: int, singular: str) -> str:
    """Return the form of a verb that agrees with a number: "has" for 1, and "have" for any other."""
    return singular if n == 1 else _PLURAL_VERBS.get(singular, singular.removesuffix("s"))


_PLURAL_VERBS = {"is": "are", "was": "were", "has": "have", "does": "do"}


def _plural(noun: str) -> str:
    if noun.endswith("person"):
        return f"{noun.removesuffix('person')}people"
    return re.sub(r"(?<![aeiou])y$", "ie", noun) + "s"
