"""The splits of a source, by their usual names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# The word in a path or a name -> the split that it means.
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
    """The split that a path says by its parts: a folder `train`, or a file `train-00000-of-00001.parquet`; or ""."""
    for part in parts:
        word = re.split(r"[-_.]", part, maxsplit=1)[0].lower()
        if word in _WORDS:
            return _WORDS[word]
    return ""


def states_splits(splits: Iterable[str]) -> bool:
    """Whether the names of a source's parts divide it; a lone `train` is what is called so that nobody divided."""
    return bool({*splits} - {"", "train"})


def split_of_source(text: str | None, split_map: Mapping[str, str]) -> str | None:
    """The split, "train" or "test", that a source's own split becomes; "" where it states none, None where unknown.

    What is there to choose a model by is there to train: "validation" becomes "train".
    """
    if text is None:
        return ""
    if text in split_map:
        return split_map[text]
    word = _WORDS.get(text.lower(), "")
    return "train" if word == "validation" else word or None
