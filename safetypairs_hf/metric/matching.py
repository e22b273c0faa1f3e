"""Which rows hold equal values: how the two images of a pair, and the pairs of a group, find each other.

A hash of each value carries its row number in its low bits, so that one sort of integers, which numpy does with vector
instructions, brings equal values together: several times as quick as a hash table on a million 16-character ids. The
values themselves are compared afterwards, so a collision costs time and never an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Numbers = NDArray[np.int64]

# Longer texts go through Arrow's dictionary: a word more for each 8 bytes would cost more than it saves.
LONGEST = 64
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
BLOCK = 16384  # rows hashed at once: their words stay in the processor's cache from step to step
LOW_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)


class Runs(NamedTuple):
    """`order`: (n,) row numbers, equal values side by side, row order within a value. `starts`: (r,) where each begins.

    The order of the values themselves means nothing, and depends on the values' names.
    """

    order: Numbers
    starts: Numbers

    @property
    def lengths(self) -> Numbers:
        """(r,) how many rows hold each value."""
        return np.diff(self.starts, append=len(self.order))

    def numbered(self) -> Numbers:
        """(n,) from 0 to r - 1, the number of the value at each place of `order`."""
        return np.repeat(np.arange(len(self.starts)), self.lengths)


def words_of(values: Any) -> Words:
    """(n, w) integers whose rows are equal where, and only where, two values of an Arrow array are.

    `values`: int64, uint64 or large_string with no null in it.
    """
    import pyarrow as pa

    if pa.types.is_integer(values.type):
        return np.asarray(values.to_numpy().view(np.uint64)[:, None])
    _, offset_buffer, data = values.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[values.offset : values.offset + len(values) + 1]
    lengths = np.diff(offsets)
    longest = int(lengths.max(initial=0))
    if longest > LONGEST:
        return np.asarray(values.dictionary_encode().indices.to_numpy().astype(np.uint64)[:, None])
    if not longest:
        return np.zeros((len(values), 1), dtype=np.uint64)
    text = np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]]
    if longest % 8 == 0 and bool((lengths == longest).all()):
        return text.view(np.uint64).reshape(len(values), -1)
    return _padded(text, offsets[:-1] - offsets[0], lengths, longest)


def _padded(text: NDArray[np.uint8], begin: Numbers, lengths: Numbers, longest: int) -> Words:
    """Texts of several lengths, as their length and then their bytes, zeros after the last."""
    # Eight bytes are read at a time, whatever a text's length: the padding keeps the last reads inside.
    padded = np.concatenate((text, np.zeros(longest + 8, dtype=np.uint8)))
    readable = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
    words = np.empty((len(lengths), 1 + -(-longest // 8)), dtype=np.uint64)
    words[:, 0] = lengths
    for column, start in enumerate(range(0, longest, 8), 1):
        words[:, column] = readable[begin + start] & LOW_BYTES[np.clip(lengths - start, 0, 8)]
    return words


def equal_runs(words: Words) -> Runs:
    """The runs of equal rows of `words`."""
    hashed, low = _hashed(words)
    hashed.sort()
    same = (hashed[1:] ^ hashed[:-1]) <= low
    hashed &= low
    order = hashed.view(np.int64)
    ordered = words.take(order, axis=0)
    equal = equal_rows(ordered[1:], ordered[:-1])
    if not np.array_equal(equal, same):
        order = np.lexsort(words.T)
        ordered = words.take(order, axis=0)
        equal = equal_rows(ordered[1:], ordered[:-1])
    return Runs(order, np.flatnonzero(np.concatenate(([True], ~equal))))


def twins(words: Words, is_unsafe: NDArray[np.bool_]) -> tuple[Numbers, Numbers] | None:
    """(n,) rows of the unsafe and of the safe image of each pair, where every id has one of each; else None."""
    unsafe, safe = np.flatnonzero(is_unsafe), np.flatnonzero(~is_unsafe)
    if len(unsafe) != len(safe):
        return None
    of_unsafe = words.take(unsafe, axis=0)
    if equal_rows(of_unsafe, words.take(safe, axis=0)).all():
        # In one order already, as the pairs of a release are: it is left to show that no id is there twice.
        hashed, low = _hashed(of_unsafe)
        hashed.sort()
        return None if ((hashed[1:] ^ hashed[:-1]) <= low).any() else (unsafe, safe)
    hashed, low = _hashed(words)
    one, other = hashed[unsafe], hashed[safe]
    one.sort()
    other.sort()
    if ((one ^ other) > low).any() or ((one[1:] ^ one[:-1]) <= low).any():
        return None
    unsafe, safe = (one & low).view(np.int64), (other & low).view(np.int64)
    return (unsafe, safe) if equal_rows(words.take(unsafe, axis=0), words.take(safe, axis=0)).all() else None


def equal_rows(one: Words, other: Words) -> NDArray[np.bool_]:
    """(n,) whether rows of `one` and `other`, both (n, w), are equal."""
    equal: NDArray[np.bool_] = one[:, 0] == other[:, 0]
    for column in range(1, one.shape[1]):
        equal &= one[:, column] == other[:, column]
    return equal


def _hashed(words: Words) -> tuple[NDArray[np.uint64], np.uint64]:
    """(n,) hashes with the row number in the low bits, and the mask of these bits."""
    n = len(words)
    low = np.uint64((1 << max(1, (n - 1).bit_length())) - 1)
    hashed = np.arange(n, dtype=np.uint64)
    for start in range(0, n, BLOCK):
        block = words[start : start + BLOCK]
        mixed = block[:, 0] * MULTIPLIER
        for column in range(1, block.shape[1]):
            mixed ^= mixed >> np.uint64(32)
            mixed += block[:, column]
            mixed *= MULTIPLIER
        mixed &= ~low
        hashed[start : start + BLOCK] |= mixed
    return hashed, low
