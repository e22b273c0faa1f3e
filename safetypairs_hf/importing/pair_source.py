"""The source of an import: finished pairs as candidates. Both members are decoded and encoded in the same way."""

from __future__ import annotations

import contextlib
import copy
import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

import numpy as np

from safetypairs_hf.building.preservation import Preserving
from safetypairs_hf.core.decoding import UnusableError, decode
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.ids import content_id
from safetypairs_hf.core.packed_list import PackedList
from safetypairs_hf.core.pictures import encode, sha256
from safetypairs_hf.core.records import (
    UNKNOWN_LICENSE,
    Candidate,
    Finished,
    Generator,
    Input,
    Instruction,
    Origin,
    Picture,
    Reject,
)
from safetypairs_hf.importing.fitting import fit
from safetypairs_hf.importing.image_cells import read_cell
from safetypairs_hf.importing.measuring import AsItIs
from safetypairs_hf.importing.pairing import FoundPair, Half
from safetypairs_hf.importing.source_rows import Rows, value_at
from safetypairs_hf.sources.screen import Screen
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

LEAST_SIDE = 32  # pixels; below it, hashes and similarities carry no information
EMPTY: Final = -1  # marks a place without a pair


@dataclass(frozen=True)
class PairSource:
    """The pairs of a source's rows, in order.

    Args:
        rows: The rows of the source.
        pairs: Its pairs; `category` in their texts is a slug of the taxonomy.
        rejects: The rows and pairs that were left out: (name, reason).
        settings: Everything that decides how a pair is made, as plain values, for the recipe.
        fit: See `fitting.fit`.
        generator: What made the other member, for pairs without a value in a column; "" if unknown.
        license: The licence of every pair whose texts have none; "" if unknown.
        screen: Excludes images from the pairs.
        measuring: Measures the edit box and how well the rest was preserved.
        taxonomy: The taxonomy of the categories.
    """

    rows: Rows = field(compare=False, repr=False)
    pairs: Sequence[FoundPair] = field(compare=False, repr=False)
    rejects: Sequence[tuple[str, Reject]] = field(compare=False, repr=False)
    settings: dict[str, Any] = field(default_factory=dict)
    fit: str = ""
    generator: str = ""
    license: str = ""
    screen: Screen = field(default_factory=Screen)
    measuring: Preserving = field(default_factory=AsItIs)
    taxonomy: Taxonomy = field(default=NINE, compare=False, repr=False)

    @property
    def size(self) -> int:
        return len(self._places)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories of the pairs, in the order of the taxonomy."""
        return tuple(self.taxonomy.present({pair.texts["category"] for pair in self.pairs}))

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        """Return the rows and pairs of the source that were left out: (name, reason)."""
        return list(self.rejects)

    def fingerprint(self) -> str:
        """Return the fingerprint of the rows and of the screen."""
        return f"{self.rows.fingerprint} {self.screen.fingerprint()}".strip()

    def take(self, start: int, stop: int) -> list[Candidate]:
        return [self._candidate(number) for number in self._places[start:stop] if number != EMPTY]

    @cached_property
    def _places(self) -> Sequence[int]:
        """Return the number of the pair at each place, or EMPTY."""
        return range(len(self.pairs))

    def _candidate(self, number: int) -> Candidate:
        pair = self.pairs[number]
        license = pair.texts.get("license") or self.license or UNKNOWN_LICENSE
        origin = Origin(self.rows.origin, pair.texts.get("id", pair.name), license)
        candidate = Candidate("", pair.texts["category"], origin, Picture(b""), family=pair.texts.get("group", ""))
        try:
            files = tuple(self._read(half, lane) for lane, half in _lanes(pair.unsafe, pair.safe))
            self._check(number, pair, files)
            candidate.source_id = content_id(pair.name, *files)
            self._make(candidate, pair, *files)
        except UnusableError as error:
            candidate.source_id = candidate.source_id or content_id(pair.name)
            candidate.reject = Reject("source", *error.args)
        return candidate

    def _read(self, half: Half, lane: str) -> bytes:
        row = self.rows.take(half.row, (half.column,), lane)
        with _of(lane):
            return read_cell(value_at(row, half.column), self.rows.files(half.row))

    def _check(self, number: int, pair: FoundPair, files: Sequence[bytes]) -> None:
        """Check nothing: the commit of the source identifies its files."""

    def _make(self, candidate: Candidate, pair: FoundPair, unsafe_file: bytes, safe_file: bytes) -> None:
        """Fill in what a build would make. Raises UnusableError if a member cannot be used."""
        with _of("unsafe"):
            unsafe_image = decode(unsafe_file, LEAST_SIDE)
        with _of("safe"):
            safe_image = decode(safe_file, LEAST_SIDE)
        unsafe, safe = (np.asarray(image) for image in fit(unsafe_image, safe_image, self.fit))
        box, preservation = self.measuring.measure(unsafe, safe, None)
        safe_policy = pair.texts.get("safe_category", "")
        if safe_policy and box is not None:
            raise UnusableError("two_images", "rows that should show one image show two")
        if not safe_policy and (box is None or preservation is None):
            raise UnusableError("unchanged", "the members are equal, pixel by pixel")
        pictures = encode(unsafe), encode(safe)
        for (lane, data), picture in zip(_lanes(unsafe_file, safe_file), pictures, strict=True):
            if (reject := self.screen.reject(picture, sha256(data))) is not None:
                raise UnusableError(reject.reason, f"the {lane} member: {reject.detail}")
        texts = pair.texts
        candidate.unsafe, candidate.safe = pictures
        candidate.edit_box, candidate.preservation = box, preservation
        candidate.instruction = Instruction(
            texts.get("critical_feature", ""),
            texts.get("instruction", ""),
            None,
            texts.get("caption_unsafe", ""),
            texts.get("caption_safe", ""),
        )
        if made_by := texts.get("generator") or self.generator:
            candidate.generator = Generator("", made_by, "", None, None)
        hashes = sha256(unsafe_file), sha256(safe_file)
        candidate.finished = Finished(texts["direction"], texts.get("split", ""), *hashes, safe_policy)


@dataclass(frozen=True)
class ListedPairs(PairSource):
    """Pairs whose files are on this machine. A hash of the content identifies each, so the source may gain pairs."""

    def __getstate__(self) -> dict[str, Any]:
        # Read the files now, so that a worker with a copy of this source does not read them again.
        _ = self._looked
        return self.__dict__

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        """Return those of any source, then the pairs whose files cannot be read."""
        looked = zip(self.pairs, self._looked, strict=True)
        return [*self.rejects, *((pair.name, found) for pair, found in looked if isinstance(found, Reject))]

    def inputs(self) -> Sequence[Input]:
        """Return the pairs whose files can be read, each with a hash over both files and its texts."""
        order = dict.fromkeys([*(number for number in self._places if number != EMPTY), *self._usable])
        found = ((self.pairs[number], self._looked[number]) for number in order)
        return PackedList(Input(pair.name, str(looked), pair.texts["category"]) for pair, looked in found)

    def in_places(self, names: Sequence[str | None]) -> Self:
        """Return this source with only these pairs, at these places. No file is read again."""
        number_of = {self.pairs[number].name: number for number in self._usable}
        placed = copy.copy(self)
        placed.__dict__["_places"] = array("q", (number_of.get(name or "", EMPTY) for name in names))
        return placed

    @cached_property
    def _places(self) -> Sequence[int]:
        return self._usable

    @cached_property
    def _usable(self) -> Sequence[int]:
        """Return the numbers of the pairs whose files can be read."""
        return array("q", (number for number, found in enumerate(self._looked) if not isinstance(found, Reject)))

    @cached_property
    def _looked(self) -> Sequence[str | Reject]:
        """Return the hash of each pair, or why its files cannot be read."""
        return PackedList(map(self._look, self.pairs))

    def _look(self, pair: FoundPair) -> str | Reject:
        try:
            return _digest(pair, [self._read(half, lane) for lane, half in _lanes(pair.unsafe, pair.safe)])
        except UnusableError as error:
            return Reject("source", *error.args)

    def _check(self, number: int, pair: FoundPair, files: Sequence[bytes]) -> None:
        if _digest(pair, files) != self._looked[number]:
            raise RecipeError(
                f"the pair {pair.name} of {self.rows.origin} changed since the import began; put it back, or run the "
                "same command again, which takes the source as it is then"
            )


def _lanes(unsafe: Any, safe: Any) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("unsafe", unsafe), ("safe", safe)


def _digest(pair: FoundPair, files: Sequence[bytes]) -> str:
    said = repr(sorted(pair.texts.items())).encode()
    return sha256(said + b"".join(hashlib.sha256(data).digest() for data in files))[:16]


@contextlib.contextmanager
def _of(lane: str) -> Iterator[None]:
    """Add the name of the member to an error."""
    try:
        yield
    except UnusableError as error:
        reason, detail = error.args
        raise UnusableError(reason, f"the {lane} member: {detail}") from None
