"""`leaks`: find test pairs of a version, and near-duplicates of them, in training data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.decoding import UnusableError, decode
from safetypairs_hf.core.errors import SafetyPairsError, counted, verb
from safetypairs_hf.core.near_duplicates import NEAR_BITS, NearIndex
from safetypairs_hf.core.pictures import pdq, sha256, ways
from safetypairs_hf.probing.training_images import training_images

if TYPE_CHECKING:
    import pyarrow as pa

    from safetypairs_hf.dataset.store.base import Edition

_AT_ONCE = 64  # images in memory at once
_COLUMNS = ("pair_id", "unsafe_sha256", "safe_sha256", "unsafe_phash", "safe_phash")
_MEMBERS = ("unsafe", "safe")


@dataclass(frozen=True)
class Leak:
    """An image of the training data that shows a member of a test pair.

    `image`: its name, by file and row. `how`: "same file", "near-duplicate" (resized, encoded again, slightly changed)
    or "turned or mirrored". `bits`: the number of different bits, of 256, in their PDQ hashes.
    """

    pair_id: str
    member: str
    image: str
    how: str
    bits: int


@dataclass(frozen=True)
class Leaks:
    """The result of a search for leaks.

    `data`: the training data as the caller named it. `version`: "TARGET@X.Y.Z", whose `pairs` test pairs were searched
    for in `images` images. `unreadable`: each image that could not be read, with the reason.
    """

    data: str
    version: str
    pairs: int
    images: int
    found: list[Leak]
    unreadable: list[tuple[str, str]]

    def __str__(self) -> str:
        looked = f"{counted(self.images, 'image')} of {self.data}, {counted(self.pairs, 'test pair')} of {self.version}"
        lines = [f"No leak: {looked}." if not self.found else self._told(looked)]
        lines += [
            f"  {each.image}: {each.how} of the {each.member} image of {each.pair_id}" for each in self.found[:20]
        ]
        if len(self.found) > 20:
            lines.append(f"  and {len(self.found) - 20:,} more; --json has all")
        if self.unreadable:
            name, why = self.unreadable[0]
            lines.append(f"Not looked at: {len(self.unreadable):,} that could not be read; the first: {name} ({why}).")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def _told(self, looked: str) -> str:
        pairs = len({each.pair_id for each in self.found})
        return f"{counted(pairs, 'test pair')} {verb(pairs, 'is')} in the training data: {looked}."


def leaks(
    data: str, target: str, split: str = "test", progress: Callable[[str, int, int], None] | None = None
) -> Leaks:
    """Find the pairs of a split of a version in training data.

    An image counts as a leak if it is the same file as a member of a pair, or within 31 of 256 bits of one by PDQ hash.
    Every image of the training data is also compared in its eight rotations and reflections.

    Args:
        data: The training data, as `training_images` reads it: a folder, file or dataset of images.
        target: `TARGET@X.Y.Z`, or `TARGET` for its newest version.
        split: The split that must not be trained on.
        progress: Called with ("images", done, 0).

    Returns:
        What was searched, and each leak that was found.

    Raises:
        SafetyPairsError: The data or the version cannot be read; the version has no pairs in the split; or the data
            contain no image.
    """
    from safetypairs_hf.dataset.store.open_store import open_named

    return find_leaks(data, open_named(target), split, progress)


def find_leaks(
    data: str, version: Edition, split: str = "test", progress: Callable[[str, int, int], None] | None = None
) -> Leaks:
    """Find the pairs of a split in training data, by file and by PDQ hash (within 31 of 256 bits).

    Every image of the training data is also compared in its eight rotations and reflections. If an image is close to
    both members of a pair, only the nearer one is reported.

    Args:
        data: See `training_images`.
        version: The opened version.
        split: The split that must not be trained on.
        progress: Called with ("images", done, 0).

    Raises:
        SafetyPairsError: As `training_images`; the version has no pairs in the split; or the data contain no image.
    """
    return find_leaks_in(training_images(data), data, version, split, progress)


def find_leaks_in(
    training: Iterable[tuple[str, bytes | UnusableError]],
    data: str,
    version: Edition,
    split: str = "test",
    progress: Callable[[str, int, int], None] | None = None,
) -> Leaks:
    """Find leaks as `find_leaks` does, in images that are already open.

    Args:
        training: A name for each image of the training data, and its file, or why it could not be read.
        data: The name of the training data in the result.
        version: As in `find_leaks`.
        split: As in `find_leaks`.
        progress: As in `find_leaks`.

    Raises:
        SafetyPairsError: The version has no pairs in the split, or the data contain no image.
    """
    members = _Members(version.table.select([*_COLUMNS, "split"]), split)
    if not len(members):
        raise SafetyPairsError(f"{version.name} has no pairs in split {split!r}; there is nothing to look for")
    found: list[Leak] = []
    unreadable: list[tuple[str, str]] = []
    images = 0
    with ThreadPoolExecutor() as pool:
        for part in _parts(training):
            for (name, _), answer in zip(part, pool.map(members.like, (content for _, content in part)), strict=True):
                if isinstance(answer, UnusableError):
                    unreadable.append((name, str(answer.args[1])))
                    continue
                images += 1
                found += [Leak(pair_id, member, name, how, bits) for pair_id, member, how, bits in answer]
            if progress:
                progress("images", images + len(unreadable), 0)
    if not images and not unreadable:
        raise SafetyPairsError(f"{data} holds no image; expected image files, or .parquet or .tar files with images")
    return Leaks(data, version.name, len(members) // 2, images, found, unreadable)


class _Members:
    """An index of the members of a split by file and by PDQ hash; two per pair, the unsafe one first."""

    def __init__(self, table: pa.Table, split: str) -> None:
        rows = [row for row in table.to_pylist() if row["split"] == split]
        self._pairs = [row["pair_id"] for row in rows]
        self._hashes = [row[f"{member}_phash"] for row in rows for member in _MEMBERS]
        self._files = {
            row[f"{member}_sha256"]: 2 * number + place
            for number, row in enumerate(rows)
            for place, member in enumerate(_MEMBERS)
        }
        self._index = NearIndex(NEAR_BITS)
        self._index.extend(self._hashes)

    def __len__(self) -> int:
        return len(self._hashes)

    def like(self, content: bytes | UnusableError) -> list[tuple[str, str, str, int]] | UnusableError:
        """Return the pairs with a member that the image shows: (pair id, member, how, bits), one for each pair."""
        if isinstance(content, UnusableError):
            return content
        if (same := self._files.get(sha256(content))) is not None:
            return [(self._pairs[same // 2], _MEMBERS[same % 2], "same file", 0)]
        try:
            image = decode(content, 1)
        except UnusableError as error:
            return error
        import numpy as np

        nearest: dict[str, tuple[int, str, str]] = {}
        for turn, pixels in enumerate(ways(np.asarray(image))):
            phash = pdq(pixels)
            for number in self._index.near(phash):
                bits = (int.from_bytes(phash, "big") ^ int.from_bytes(self._hashes[number], "big")).bit_count()
                how = "turned or mirrored" if turn else "near-duplicate"
                each = (bits, _MEMBERS[number % 2], how)
                pair_id = self._pairs[number // 2]
                nearest[pair_id] = min(nearest.get(pair_id, each), each)
        return [(pair_id, member, how, bits) for pair_id, (bits, member, how) in nearest.items()]


def _parts(
    images: Iterable[tuple[str, bytes | UnusableError]],
) -> Iterator[list[tuple[str, bytes | UnusableError]]]:
    left = iter(images)
    while part := list(islice(left, _AT_ONCE)):
        yield part
