"""The pairs that a guard has wrong, worst first, and their images from the published data."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.records import Picture
from safetypairs_hf.report.outcomes import OUTCOMES, Outcome

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.report.guard_files import Guard

SIDE = 240  # pixels of a thumbnail's longer side: about 10 KB each
_VERDICTS = {1: "unsafe", 0: "safe", -1: "none"}
_COLUMNS = ["pair_id", "unsafe_image", "safe_image", "critical_feature", "instruction"]


class Failure(NamedTuple):
    """A pair that is not correct, with its two verdicts as words, and its two scores where there are any."""

    pair_id: str
    category: str | None
    outcome: Outcome
    unsafe_verdict: str
    safe_verdict: str
    unsafe_score: float | None
    safe_score: float | None


class Shown(NamedTuple):
    """What the data says about a pair. The images are data URIs of JPEG, of SIDE pixels at most."""

    unsafe: str
    safe: str
    width: int
    height: int
    critical_feature: str
    instruction: str


def worst(guard: Guard, most: int) -> tuple[list[Failure], int]:
    """Return the `most` worst failures of a guard, and how many it has in all.

    They are sorted by s_safe - s_unsafe, largest first: how sure the guard is of the wrong answer. Pairs without two
    scores come after the others, and abstained pairs last. Ties go by id.
    """
    import numpy as np

    pairs = guard.pairs
    outcome = pairs.outcome
    rows = np.flatnonzero(outcome != 0)
    if pairs.unsafe_score is None or pairs.safe_score is None:
        margin = np.full(len(rows), np.nan)
    else:
        margin = (pairs.safe_score - pairs.unsafe_score)[rows]
    # Without scores the outcomes still differ: inverted is wrong twice.
    kind = np.select([outcome[rows] == 4, np.isnan(margin) & (outcome[rows] != 3)], [2, 1], 0)
    ids = np.array([str(each) for each in pairs.texts("pair_id").take(rows).to_pylist()], dtype=object)
    keys = (ids.astype(str), -np.nan_to_num(margin, nan=-2.0), kind)
    order = np.lexsort(keys)[:most]
    return [_failure(guard, int(row), str(name)) for row, name in zip(rows[order], ids[order], strict=True)], len(rows)


def _failure(guard: Guard, row: int, pair_id: str) -> Failure:
    pairs = guard.pairs

    def score(scores: Any) -> float | None:
        return None if scores is None or scores[row] != scores[row] else float(scores[row])

    return Failure(
        pair_id,
        None if pairs.category is None else pairs.categories[int(pairs.category[row])],
        OUTCOMES[int(pairs.outcome[row])],
        _VERDICTS[int(pairs.unsafe_verdict[row])],
        _VERDICTS[int(pairs.safe_verdict[row])],
        score(pairs.unsafe_score),
        score(pairs.safe_score),
    )


def shown(edition: Edition, failures: Iterable[Failure]) -> dict[str, Shown]:
    """Return the published images and texts of some pairs, by pair id.

    Only the data files that hold one of the pairs are fetched.

    Raises:
        SafetyPairsError: A data file does not read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = sorted({failure.pair_id for failure in failures})
    places = edition.table.select(["pair_id", "file"])
    places = places.filter(pc.is_in(places["pair_id"], value_set=pa.array(wanted, pa.string())))
    by_file: dict[str, list[str]] = defaultdict(list)
    for place in places.to_pylist():
        by_file[place["file"]].append(place["pair_id"])
    found: dict[str, Shown] = {}
    for file, ids in by_file.items():
        for row in edition.rows(file, ids, _COLUMNS):
            with reading(f"{edition.name}: pair {row['pair_id']}", "see: safetypairs verify"):
                found[row["pair_id"]] = _shown(row)
    return found


def _shown(row: dict[str, Any]) -> Shown:
    unsafe, width, height = _thumbnail(row["unsafe_image"]["bytes"])
    safe, _, _ = _thumbnail(row["safe_image"]["bytes"])
    return Shown(unsafe, safe, width, height, row["critical_feature"] or "", row["instruction"] or "")


def _thumbnail(data: bytes) -> tuple[str, int, int]:
    from PIL import Image

    image = Image.fromarray(Picture(data).pixels)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}", image.width, image.height


def all_failures(guards: Sequence[Guard], most: int) -> list[tuple[Guard, list[Failure], int]]:
    """Return each guard with its worst failures and how many it has in all, in order."""
    return [(guard, *worst(guard, most)) for guard in guards]
