"""reviews.parquet: the human review of each reviewed pair of a version, by pair id.

A pair that was reviewed before publication also has the status, the number of reviewers and their agreement in its own
row. The review of an already published pair is only in this file, so a review is a patch release that changes no data
file. If both exist, this file counts.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.core.errors import PublishError, counted, printable
from safetypairs_hf.core.foreign_text import ForeignTextError
from safetypairs_hf.core.version import parse

NAME = "reviews.parquet"
CONFIG = "reviews"  # the config that shows the file to plain `datasets`, with one split of the same name

# The possible results of a review; `reviewing/pair_status.py` defines them.
STATUSES = ("accepted", "rejected", "borderline", "disputed")
SAID = ("accept", "reject", "borderline")
BLIND = ("unsafe", "safe", "both", "neither")
LONGEST_TEXT = 1024

_SAID = pa.struct(
    {"reviewer": pa.string(), "decision": pa.string(), "reason": pa.string(), "blind_answer": pa.string()}
)
REVIEW_COLUMNS: dict[str, pa.DataType] = {
    "pair_id": pa.string(),
    "status": pa.string(),
    "reviewers": pa.int32(),
    "agreement": pa.float64(),
    "decisions": pa.list_(_SAID),
    "version": pa.string(),
}
_SCHEMA = pa.schema(REVIEW_COLUMNS)
_MOST_ROW_BYTES = 1 << 16  # of the values before compression


class Said(NamedTuple):
    """One reviewer's answers: pseudonym, decision (one of SAID), reason of a reject or "", blind answer or None.

    Pseudonyms (R1, R2, ...) are valid within one review: R1 of another version may be somebody else.
    """

    reviewer: str
    decision: str
    reason: str
    blind_answer: str | None


class Review(NamedTuple):
    """The review of one pair.

    Attributes:
        status: One of STATUSES.
        agreement: The share of pairs of reviewers who decided alike, in [0, 1]; None with one reviewer.
        version: The version that brought this review; "" before it is published.
    """

    pair_id: str
    status: str
    reviewers: int
    agreement: float | None
    decisions: tuple[Said, ...]
    version: str = ""

    def cell(self) -> dict[str, Any]:
        """Return the value of the column `review` in the row of the pair."""
        return {"status": self.status, "reviewers": self.reviewers, "agreement": self.agreement}

    def same(self, other: Review | None) -> bool:
        """Return whether another review is equal, apart from the version that brought it."""
        return other is not None and self._replace(version=other.version) == other


def dump(reviews: Iterable[Review]) -> bytes:
    """Return the bytes of reviews.parquet, sorted by pair id."""
    rows = [
        {**review._asdict(), "decisions": [said._asdict() for said in review.decisions]}
        for review in sorted(reviews, key=lambda review: review.pair_id)
    ]
    buffer = io.BytesIO()
    table = pa.Table.from_pylist(rows, _SCHEMA)
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True, store_schema=False)
    return buffer.getvalue()


def load(source: Path | bytes, pairs: int) -> dict[str, Review]:
    """Read the reviews of a version with `pairs` pairs, by pair id.

    Raises:
        ForeignTextError: The file is damaged, or holds a value that no review has. Errors of pyarrow are raised as they
            are: call this within `reading`.
    """
    opened: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    with pq.ParquetFile(opened, page_checksum_verification=True) as file:
        names, kinds = file.schema_arrow.names, file.schema_arrow.types
        if names != _SCHEMA.names or kinds != _SCHEMA.types:
            raise ForeignTextError(f"has the columns {printable(', '.join(names))}; expected those of reviews")
        held = file.metadata
        whole = sum(held.row_group(number).total_byte_size for number in range(held.num_row_groups))
        if held.num_rows > pairs or whole > held.num_rows * _MOST_ROW_BYTES + (1 << 16):
            raise ForeignTextError(
                f"says that it holds {held.num_rows} rows of {whole} bytes, for {counted(pairs, 'pair')}"
            )
        rows = file.read().to_pylist()
    found: dict[str, Review] = {}
    for row in rows:
        review = _checked(row)
        if review.pair_id in found:
            raise ForeignTextError(f"has the pair {printable(review.pair_id)} twice")
        found[review.pair_id] = review
    return found


def _checked(row: Mapping[str, Any]) -> Review:
    """Return a row as a Review. Every value is checked."""
    lacking = [name for name, value in row.items() if value is None and name != "agreement"]
    if lacking or None in row["decisions"]:
        raise ForeignTextError(f"has a row without {[*lacking, 'a decision'][0]}")
    said = tuple(Said(**each) for each in row["decisions"])
    review = Review(**{**row, "decisions": said})
    texts = [review.pair_id, review.version, *(text or "" for each in said for text in each)]
    right = (
        review.status in STATUSES
        and review.reviewers == len(said) > 0
        and (review.agreement is None or 0 <= review.agreement <= 1)
        and (review.agreement is None) == (review.reviewers == 1)
        and all(each.decision in SAID and each.blind_answer in (*BLIND, None) for each in said)
        and all(each.reviewer is not None and each.reason is not None for each in said)
        and all(len(text) <= LONGEST_TEXT for text in texts)
    )
    if not right:
        raise ForeignTextError(f"says of the pair {printable(review.pair_id)} what no review says")
    try:
        parse(review.version)
    except PublishError as error:
        raise ForeignTextError(f"names a version wrongly: {error}") from None
    return review
