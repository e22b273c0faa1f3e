"""A small published folder, and a guard that answers by the bytes of an image: right at times, silent at times."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from builds import make_run

from safetypairs_hf.core.version import parse
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish

PAIRS = 12


def publish_squares(folder: Path) -> str:
    """Pairs of squares, all in the test split, as a folder that `sp.load` reads."""
    run = make_run(folder / "run", pairs=PAIRS, test_fraction=1.0)
    target = str(folder / "data")
    publish(run, parse_target(target), parse("1.0.0"))
    return target


def word_of(image: Any) -> str:
    """Yes, No or something else, by the pixels of a PIL image alone."""
    return ("Yes", "No.", "I would rather not")[digest(image) % 10 // 4]


def digest(image: Any) -> int:
    return hashlib.sha256(image.convert("RGB").tobytes()).digest()[0]


def expected(rows: Any) -> list[dict[str, Any]]:
    """The rows of `sp.images` with the prediction that `word_of` means."""
    names = ("pair_id", "reference", "category", "group")
    verdicts = {"Yes": 1, "No.": 0}
    return [{**{name: row[name] for name in names}, "prediction": verdicts.get(word_of(row["image"]))} for row in rows]
