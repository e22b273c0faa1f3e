"""A source that streams a dataset on the Hub at a pinned commit, with any column names."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import RecipeError, counted
from safetypairs_hf.core.file_names import as_seen
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.hub import explained
from safetypairs_hf.core.records import Candidate, Origin, Reject
from safetypairs_hf.core.settings import check_counts
from safetypairs_hf.core.target_name import is_hub_id
from safetypairs_hf.sources.admission import Admission, Raw
from safetypairs_hf.sources.columns import Names, Row, Table, open_table
from safetypairs_hf.sources.frame import Frame
from safetypairs_hf.sources.labels import Judged, Labels, category_of, check_one, read_labels
from safetypairs_hf.sources.pinned_dataset import look_up
from safetypairs_hf.sources.screen import Screen
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE


@dataclass
class _Cursor:
    """A position in the rows. `seen` maps the SHA-256 of each usable image before it to the number of its row."""

    rows: Iterator[Row]
    position: int = 0
    seen: dict[bytes, int] = field(default_factory=dict)


class _Numbered(NamedTuple):
    number: int
    row: Row
    category: str | Reject
    duplicate: Reject | None


@dataclass(frozen=True)
class HubSource:
    """The rows of a split of a Hub dataset, in its order.

    One process reads the rows in order, so that nothing is fetched twice. A build that is resumed reads the rows before
    its position again, to know the duplicates among them. Of rows with the same file, the first is used.

    The number of rows on the card is not trusted. Parquet files are counted by their footers. A split of other files
    that turns out to be longer or shorter than its card states is an error.

    Args:
        dataset: `org/name`; HF_ENDPOINT and the usual token apply.
        revision: A branch, a tag or a commit. The run is bound to the commit that it names when the build begins.
        config: The dataset's configuration, if it has several.
        split: The split.
        image_column: The column of images; None for the only one.
        category: The category of every row.
        judged: A judge that assigns the category.
        label_column: The column whose value, a class label or text, gives the category.
        labels: A mapping of labels to categories, for labels that are not categories; as text `gun=O6, fire=disasters`.
        id_column: A column with a readable id of the row; None for its number in the split.
        license: The SPDX id of the licence of all rows for which `license_column` gives none.
        license_column: The column of the licence.
        rows: The most rows to use; needed if the dataset does not state how many it has.
        streaming: Read over the network as needed, instead of downloading the dataset first.
        frame: The size to which images are resized.
        screen: The images that must not become a source.
        taxonomy: The taxonomy of the categories.

    Raises:
        RecipeError: Settings exclude each other. At the first use: there is no such config, split or column, no column
            of images, or a label that the column does not have.
        HubUnavailable: At the first use: the network is down, or the dataset does not exist or refuses access.
    """

    dataset: str
    revision: str = "main"
    config: str | None = None
    split: str = "train"
    image_column: str | None = None
    category: str | None = None
    judged: Judged | None = None
    label_column: str | None = None
    labels: Labels = ""
    id_column: str | None = None
    license: str = "NOASSERTION"
    license_column: str | None = None
    rows: int | None = None
    streaming: bool = True
    frame: Frame = field(default_factory=Frame)
    screen: Screen = field(default_factory=Screen)
    taxonomy: Taxonomy = field(default=NINE, compare=False, repr=False)

    # One process reads it, like a step that holds a model.
    holds_model: bool = field(default=True, init=False, compare=False)

    def __post_init__(self) -> None:
        if not is_hub_id(self.dataset, owner=False):
            raise RecipeError(f"the source is {self.dataset!r}, which is no Hub id; expected org/name")
        check_one(category=self.category, judged=self.judged, label_column=self.label_column)
        if not (self.category or self.judged or self.label_column):
            raise RecipeError(f"nothing says the category of {self.dataset}; give category, label_column or judged")
        if read_labels(self.labels, self.taxonomy) and not self.label_column:
            raise RecipeError("labels are given, and no label_column that holds them; give that too")
        if self.category is not None:
            self.taxonomy.find(self.category)
        check_counts(rows=self.rows)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_cursor", "_table")}

    @property
    def encoder(self) -> str:
        """The encoder of the run's PNG files."""
        return self.frame.encoder

    def release(self) -> None:
        """Close the stream, and release the judge's model."""
        self.__dict__.pop("_cursor", None)
        if self.judged is not None and hasattr(self.judged.judge, "release"):
            self.judged.judge.release()

    @property
    def size(self) -> int:
        stated = self._table.rows
        if stated is None and self.rows is None:
            raise RecipeError(
                f"{self.dataset} does not say how many rows {self.split} has; give rows = how many to use"
            )
        return min(count for count in (stated, self.rows) if count is not None)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that a row can have, in the order of the taxonomy."""
        if self.category is not None:
            return (self.taxonomy.find(self.category).slug,)
        if self.judged is not None:
            found = set(self.judged.chosen)
        else:
            mapping = read_labels(self.labels, self.taxonomy)
            names = self._table.labels
            found = {str(category_of(name, mapping, self.taxonomy)) for name in names or ()}
            found = found or set(self.taxonomy.slugs)
        return tuple(self.taxonomy.present(found))

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        """Return an empty list: every row becomes a candidate, and some are rejected at once."""
        return []

    def fingerprint(self) -> str:
        """Return the commit of the revision, and the screen's fingerprint."""
        return f"{self._commit} {self.screen.fingerprint()}".strip()

    def take(self, start: int, stop: int) -> list[Candidate]:
        numbered = self._read(start, min(stop, self.size))
        return Admission(self.frame, self.screen, self.judged)([self._raw(each) for each in numbered])

    @cached_property
    def _commit(self) -> str:
        return look_up(self.dataset, self.revision)[0]

    @cached_property
    def _table(self) -> Table:
        names = Names(self.image_column, self.label_column, self.id_column, self.license_column)
        table = open_table(self.dataset, self.config, self.split, self._commit, self.streaming, names, self.rows)
        given = read_labels(self.labels, self.taxonomy)
        held = [as_seen(label) for label in table.labels]
        unknown = [label for label in given if held and label not in held]
        if unknown:
            raise RecipeError(
                f"labels: the column {self.label_column!r} of {self.dataset} has no label {unknown[0]!r}; "
                f"it has {', '.join(table.labels)}"
            )
        return table

    def _read(self, start: int, stop: int) -> list[_Numbered]:
        cursor: _Cursor | None = self.__dict__.get("_cursor")
        if cursor is None or cursor.position > start:
            cursor = self.__dict__["_cursor"] = _Cursor(iter(self._table))
        mapping = read_labels(self.labels, self.taxonomy)
        found = []
        try:
            with reading(f"{self.dataset}, split {self.split!r},", "", RecipeError), explained(self.dataset):
                for row in itertools.islice(cursor.rows, max(0, stop - cursor.position)):
                    numbered = self._number(row, cursor, mapping)
                    if numbered.number >= start:
                        found.append(numbered)
                self._check_end(cursor, stop)
        except BaseException:
            self.__dict__.pop("_cursor", None)  # a broken stream cannot be continued
            raise
        return found

    def _check_end(self, cursor: _Cursor, stop: int) -> None:
        """Raise RecipeError if a split that was not counted has more or fewer rows than its card states."""
        stated = self._table.rows
        if self._table.counted or stated is None or (self.rows or stated) < stated:
            return
        more = cursor.position == stated and next(cursor.rows, None) is not None
        if more or cursor.position < min(stop, stated):
            held = "more" if more else f"only {cursor.position}"
            raise RecipeError(
                f"the card of {self.dataset} says that {self.split} has {counted(stated, 'row')}, and its files hold "
                f"{held}; give streaming = False, which counts them"
            )

    def _number(self, row: Row, cursor: _Cursor, mapping: dict[str, str]) -> _Numbered:
        number, slug = cursor.position, self._category(row, mapping)
        cursor.position += 1
        duplicate = None
        if row.data and not isinstance(slug, Reject):
            first = cursor.seen.setdefault(hashlib.sha256(row.data).digest(), number)
            duplicate = Reject("source", "duplicate", f"the same file as row {first}") if first != number else None
        return _Numbered(number, row, slug, duplicate)

    def _category(self, row: Row, mapping: dict[str, str]) -> str | Reject:
        if self.judged is not None:
            return ""
        if self.category:
            return self.taxonomy.find(self.category).slug
        return category_of(row.label, mapping, self.taxonomy)

    def _raw(self, numbered: _Numbered) -> Raw:
        row, reject = numbered.row, numbered.duplicate
        if not row.data:
            reject = Reject("source", "no_image", row.lost or "the row has none")
        where = "/".join(filter(None, (self.config, self.split, str(numbered.number))))
        origin = Origin(f"{self.dataset}@{self._commit}", row.id or where, row.license or self.license)
        return Raw(where, origin, row.data, numbered.category, row.label, reject)
