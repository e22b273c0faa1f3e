"""Recognise the splits of a source by their usual names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# A word in a path or a name -> its split.
_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}


def split_in(parts: Iterable[str]) -> str:
    """Return the split that the parts of a path name (`train`, or `train-00000-of-00001.parquet`), or ""."""
    for part in parts:
        word = re.split(r"[-_.]", part, maxsplit=1)[0].lower()
        if word in _WORDS:
            return _WORDS[word]
    return ""


def states_splits(splits: Iterable[str]) -> bool:
    """Return whether split names divide a source. A single `train` does not: it is the usual name of undivided data."""
    return bool({*splits} - {"", "train"})


def split_of_source(text: str | None, split_map: Mapping[str, str]) -> str | None:
    """Return "train" or "test" for a split of the source; "" if it states none, None if its name is unknown.

    "validation" becomes "train", because model selection is part of training.
    """
    if text is None:
        return ""
    if text in split_map:
        return split_map[text]
    word = _WORDS.get(text.lower(), "")
    return "train" if word == "validation" else word or None
