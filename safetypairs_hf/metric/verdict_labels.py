"""What a text or a number says as a verdict: unsafe and safe, true and false, 1 and 0, abstained, users' own labels.

Which of two labels means unsafe is never guessed: 1 is unsafe by definition, and other words have to be named.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from safetypairs_hf.core.errors import PairError

ABSTAINED = -1
OTHER = -2  # no verdict at all
MEANINGS: dict[str, int] = {"unsafe": 1, "safe": 0, "abstained": ABSTAINED}
_WORDS = {**MEANINGS, "true": 1, "false": 0}


def parse_labels(settings: Iterable[str]) -> dict[str, str]:
    """Parse `--label TEXT=MEANING` settings into the dict that `labels` takes.

    Args:
        settings: Texts such as "yes=unsafe". The last "=" separates, so that a label may hold one.

    Returns:
        Each label's meaning: "unsafe", "safe" or "abstained".

    Raises:
        PairError: A setting has no "=" or no label, another meaning, or contradicts an earlier one.
    """
    found: dict[str, str] = {}
    for setting in settings:
        label, equals, meaning = setting.rpartition("=")
        if not equals or not label.strip():
            raise PairError(f"--label {setting}: expected TEXT=unsafe, TEXT=safe or TEXT=abstained")
        if _folded(meaning) not in MEANINGS:
            raise PairError(f"--label {setting}: {meaning.strip()!r} is none of unsafe, safe and abstained")
        if found.setdefault(_folded(label), _folded(meaning)) != _folded(meaning):
            raise PairError(f"--label {setting}: {label.strip()!r} was said to mean {found[_folded(label)]} before")
    return found


def codes_of(labels: Mapping[Any, Any] | None) -> dict[str, int]:
    """Return the verdict that each label means, by the label in lower case without surrounding blanks.

    Args:
        labels: Labels (text, numbers or booleans) and what each means: "unsafe" or 1, "safe" or 0, "abstained" or None.

    Raises:
        PairError: A meaning is none of these, or two spellings of one label contradict each other.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise PairError(f"labels={labels!r}: give a dict such as {{'yes': 'unsafe', 'no': 'safe'}}")
    found: dict[str, int] = {}
    for label, meaning in labels.items():
        code = _meaning(meaning)
        if code is None:
            raise PairError(f"labels: {label!r} is said to mean {meaning!r}; it means 'unsafe', 'safe' or 'abstained'")
        if found.setdefault(_folded(label), code) != code:
            raise PairError(f"labels: {label!r} is said to mean two things; give each label once, in any case")
    return found


def speaks_of_numbers(codes: Mapping[str, int]) -> bool:
    """Return whether one of the labels is a number or a boolean, so that numbers do not mean what they mean else."""
    return any(label in ("true", "false") or number_of_text(label) is not None for label in codes)


def verdict_of_text(text: str, codes: Mapping[str, int]) -> float | None:
    """Return what a text says: 1, 0, None where it is empty or means an abstention, NaN where it is no verdict.

    Args:
        text: In any case, with or without surrounding blanks.
        codes: What `codes_of` gave; it comes before the words that are known anyway.
    """
    word = _folded(text)
    if not word and word not in codes:
        return None
    number = number_of_text(word)
    code = codes.get(word, _WORDS.get(word))
    if code is None and number is not None:
        of_number = {number_of_text(label): code for label, code in codes.items()}
        code = of_number.get(number, int(number) if number in (0, 1) else None)
    if code is None:
        return math.nan
    return None if code == ABSTAINED else code


def number_of_text(text: str) -> float | None:
    """Return the number that a text is, or None."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _meaning(meaning: Any) -> int | None:
    if meaning is None:
        return ABSTAINED
    if isinstance(meaning, str):
        return MEANINGS.get(_folded(meaning))
    return int(meaning) if isinstance(meaning, bool | int) and meaning in (0, 1) else None


def _folded(label: Any) -> str:
    return str(label).strip().casefold()
