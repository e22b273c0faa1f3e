"""Make pairs of images: each unsafe image is matched with its safe counterpart by `pair_id`, never by position.

`pairs_of` reads the rows, matches them, and numbers the categories and groups; `repeats_of` does so for each sample of
a guard that answered several times. The matching, in the second half, turns ids into fixed-width integers ("words") and
finds equal ones by sorting their hashes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

import numpy as np

from safetypairs_hf.core.errors import PairError, counted, verb
from safetypairs_hf.metric.column_values import numpy_of
from safetypairs_hf.metric.ranking import Ranks
from safetypairs_hf.metric.rows import Images, broken, images_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Offsets = NDArray[np.signedinteger[Any]]
    Words = NDArray[np.uint64]
    At = Numbers | slice  # row numbers, or every other row

OUTCOMES = ("correct", "both_unsafe", "both_safe", "inverted", "abstained")  # the possible outcomes of a pair
# Indexed by `cells_of`: four abstentions, then (0, 0), (0, 1), an abstention, (1, 0), (1, 1).
_OF_CELL: Numbers = np.array([4, 4, 4, 4, 2, 3, 4, 0, 1])
MOST_CATEGORIES = 10_000
MOST_SAMPLES = 1_000
# Longer texts go through Arrow's dictionary, because one word for each 8 bytes would cost more than it saves.
LONGEST = 64
MULTIPLIER = 0x9E3779B97F4A7C15
BLOCK = 16384  # rows hashed at once: their words stay in the processor's cache
LOW_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)


class Reading(TypedDict, total=False):
    """How rows are read: the keyword arguments of every function that reads rows, as `score` describes them."""

    threshold: float | None
    by: str
    incomplete: str
    labels: Mapping[Any, str] | None


class Threshold(NamedTuple):
    """The score from which an image counts as unsafe.

    Attributes:
        value: In [0, 1].
        given: Whether the user gave it or chose it on other predictions; if not, it is the default.
        chosen_on: The digest of the pairs on which it was chosen.
    """

    value: float = 0.5
    given: bool = False
    chosen_on: str | None = None


@dataclass(frozen=True)
class Pairs:
    """One row for each pair; the order has no meaning. A column that was not given is None.

    Attributes:
        unsafe_verdict, safe_verdict: (n,) int8; 1 unsafe, 0 safe, -1 an abstention.
        unsafe_score, safe_score: (n,) float64; NaN for None.
        category: (n,) positions in `categories`.
        categories: The names of the categories, in alphabetical order.
        group: (n,) nondecreasing numbers from 0, so that a group's pairs are contiguous.
        n_incomplete: Pairs with one image only, left out.
        images: The input; None if it is not kept.
        at: The rows of the input that hold the unsafe images: their (n,) numbers, or a slice.
        threshold: The threshold that turned scores into verdicts; None if the verdicts came with the rows.
        notes: What a reader of the figures should know about how the rows were read.
    """

    unsafe_verdict: NDArray[np.int8]
    safe_verdict: NDArray[np.int8]
    unsafe_score: NDArray[np.float64] | None
    safe_score: NDArray[np.float64] | None
    category: NDArray[np.unsignedinteger[Any]] | None
    categories: tuple[str, ...]
    group: Offsets | None
    n_incomplete: int
    images: Images | None
    at: At
    threshold: Threshold | None
    notes: tuple[str, ...] = ()

    @cached_property
    def rows(self) -> Numbers:
        """(n,) the numbers of the rows `at`."""
        return _numbers(self.at, 2 * len(self.unsafe_verdict))

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(n,) whether the unsafe image was called unsafe and the safe one safe."""
        right: NDArray[np.bool_] = (self.unsafe_verdict == 1) & (self.safe_verdict == 0)
        return right

    @property
    def outcome(self) -> Numbers:
        """(n,) positions in OUTCOMES."""
        return _OF_CELL[self.cells]

    @cached_property
    def cells(self) -> NDArray[np.int8]:
        """(n,) the combination of the two verdicts, as `cells_of` numbers them."""
        return cells_of(self.unsafe_verdict, self.safe_verdict)

    @cached_property
    def scored(self) -> NDArray[np.bool_] | None:
        """(n,) whether a pair has two verdicts and two scores, as threshold-free figures need; None without scores."""
        if self.unsafe_score is None or self.safe_score is None:
            return None
        answered = (self.unsafe_verdict >= 0) & (self.safe_verdict >= 0)
        return answered & ~np.isnan(self.unsafe_score) & ~np.isnan(self.safe_score)

    @cached_property
    def digest(self) -> str:
        """A digest of the ids of the scored pairs, the same in any order; see `digest_of`."""
        assert self.images is not None
        return digest_of(self.images.pair_id, self.at)

    def taken(self, at: Numbers) -> Pairs:
        """Return the pairs at the (m,) positions `at`."""
        columns = ("unsafe_verdict", "safe_verdict", "unsafe_score", "safe_score", "category", "group")
        values = {name: value for name in columns if (value := getattr(self, name)) is not None}
        return replace(self, at=self.rows[at], **{name: value[at] for name, value in values.items()})

    def texts(self, name: str) -> Any:
        """Return the (n,) Arrow array of `pair_id`, `category` or `group` by pair; None if it was not given."""
        import pyarrow as pa

        values = getattr(self.images, name, None)
        return None if values is None else values.take(pa.array(self.rows))


def outcomes_of(unsafe: NDArray[np.int8], safe: NDArray[np.int8]) -> Numbers:
    """Return positions in OUTCOMES, from the verdicts 1, 0, -1 on the unsafe and on the safe images, of any shape."""
    return _OF_CELL[cells_of(unsafe, safe)]


def cells_of(unsafe: NDArray[np.int8], safe: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return 3 * unsafe verdict + safe verdict + 4, which numbers the combinations of two verdicts from 0 to 8."""
    return unsafe * np.int8(3) + safe + np.int8(4)


def pairs_of(rows: Any, *, threshold_from: Any = None, **reading: Unpack[Reading]) -> Pairs:
    """Check and pair rows in any form that `score` takes, with one answer for each image.

    Args:
        rows: One row an image, or one a pair, or the path of a file.
        threshold_from: As in `score`.
        **reading: As in `score`.

    Raises:
        PairError: The rows break a rule, an argument is wrong, or there are several samples.
    """
    first, *others = repeats_of(rows, threshold_from=threshold_from, **reading)
    if others:
        raise PairError(
            f"{len(others) + 1} samples: `score` and `compare` of two guards take repeated answers; here give the rows "
            "of one sample, without the column sample"
        )
    return first


def repeats_of(rows: Any, *, threshold_from: Any = None, **reading: Unpack[Reading]) -> tuple[Pairs, ...]:
    """Check and pair rows as `pairs_of` does, separately for each sample: the same pairs, in the same order.

    Raises:
        PairError: As in `pairs_of`, with the name of the sample; or a sample lacks pairs that another has.
    """
    images, threshold, notes = judged(rows, threshold_from=threshold_from, **reading)
    drop = reading.get("incomplete") == "drop"
    if images.sample is None:
        return (_pairs(images, threshold, notes, drop=drop),)
    return _samples(images, threshold, notes, drop=drop)


def judged(
    rows: Any, *, threshold_from: Any = None, **reading: Unpack[Reading]
) -> tuple[Images, Threshold | None, tuple[str, ...]]:
    """Read rows as images that each have a verdict. Raises PairError as `pairs_of` does, for the images only.

    Returns:
        The images; the threshold that turned their scores into verdicts, or None; notes.
    """
    by, incomplete, labels = reading.get("by", "prediction"), reading.get("incomplete", "error"), reading.get("labels")
    if incomplete not in ("error", "drop"):
        raise PairError(f"incomplete={incomplete!r}: it is 'error' or 'drop'")
    if by not in ("prediction", "score"):
        raise PairError(f"by={by!r}: it is 'prediction' or 'score'")
    threshold, train = _threshold(reading.get("threshold"), threshold_from, incomplete, labels)
    if isinstance(rows, str | os.PathLike):
        from safetypairs_hf.metric.prediction_files import read_predictions

        rows = read_predictions(rows)
    images = images_of(rows, labels)
    verdicts, used, notes = _verdicts(images, threshold, by)
    if train is not None:
        notes += _shared_with_train(images.pair_id, train)
    return replace(images, prediction=verdicts), used, notes


def _threshold(
    given: Any, chosen_from: Any, incomplete: str, labels: Mapping[Any, str] | None
) -> tuple[Threshold, Pairs | None]:
    """Return the given threshold, the best one for other pairs, or the default; and these other pairs."""
    if chosen_from is not None:
        if given is not None:
            raise PairError(f"threshold={given!r} and threshold_from: give one of the two")
        try:
            train = pairs_of(chosen_from, by="score", incomplete=incomplete, labels=labels)
        except PairError as error:
            raise PairError(f"threshold_from: {error}") from None
        scored = train.scored
        if scored is None or train.unsafe_score is None or train.safe_score is None or not scored.any():
            raise PairError("threshold_from: no pair has two scores; a threshold is chosen on P(unsafe), column score")
        best, _ = Ranks.of(train.unsafe_score[None, scored], train.safe_score[None, scored]).best
        return Threshold(best, True, f"{len(train.rows)}-{train.digest}"), train
    if given is None:
        return Threshold(), None
    if isinstance(given, bool) or not (isinstance(given, int | float | np.number) and 0 <= given <= 1):
        raise PairError(f"threshold={given!r}: it is a number in [0, 1]")
    return Threshold(float(given), True), None


def _shared_with_train(ids: Any, train: Pairs) -> tuple[str, ...]:
    """Return a note if pairs on which a threshold was chosen are also scored."""
    import pyarrow.compute as pc

    of_train = train.texts("pair_id")
    if ids.type != of_train.type:
        ids, of_train = ids.cast("large_string"), of_train.cast("large_string")
    shared = len(ids.filter(pc.is_in(ids, value_set=of_train)).unique())
    if not shared:
        return ()
    return (
        f"the threshold was chosen on {counted(len(train.rows), 'pair')}, and {shared:,} with the ids of these "
        f"{verb(shared, 'is')} scored: optimistic where they are the same pairs",
    )


def _verdicts(
    images: Images, threshold: Threshold, by: str
) -> tuple[NDArray[np.int8], Threshold | None, tuple[str, ...]]:
    """Return (n,) verdicts, the threshold that made them or None, and notes."""
    asked = "threshold_from" if threshold.chosen_on else f"threshold={threshold.value!r}"
    if images.score is None and (by == "score" or threshold.chosen_on):
        raise PairError(
            f"a column that is not there: score; {asked if threshold.given else repr(by)} judges by P(unsafe)"
        )
    if images.prediction is not None and by == "prediction":
        if threshold.given and images.score is not None:
            raise PairError(
                f"{asked} with predictions, which decide the verdicts; by='score' (--by score) judges by the "
                "scores instead"
            )
        if threshold.given:
            return images.prediction, None, (f"{asked} changed nothing: the rows bring verdicts and no scores",)
        return images.prediction, None, ()
    score = images.score
    assert score is not None  # the rows have prediction or score
    return np.where(np.isnan(score), -1, score >= threshold.value).astype(np.int8), threshold, ()


def _samples(images: Images, threshold: Threshold | None, notes: tuple[str, ...], *, drop: bool) -> tuple[Pairs, ...]:
    """Return the pairs of each sample, all in the order of the first."""
    codes, names = _codes(images.sample)
    if len(names) > MOST_SAMPLES:
        raise PairError(f"{len(names)} samples: more than {MOST_SAMPLES} are no repeats; was an id meant?")
    found: list[Pairs] = []
    for code in sorted(range(len(names)), key=lambda code: names[code]):
        at = np.flatnonzero(codes == code)
        try:
            pairs = _pairs(_images_at(images, at), threshold, notes, drop=drop)
        except PairError as error:
            raise PairError(f"sample {names[code]}: {error}") from None
        found.append(pairs if not found else _in_order_of(found[0], pairs, names[code]))
    return tuple(found)


def _images_at(images: Images, at: Numbers) -> Images:
    import pyarrow as pa

    values = {name: value for name, value in vars(images).items() if value is not None}
    arrow = pa.array(at)
    return replace(
        images,
        **{name: value[at] if isinstance(value, np.ndarray) else value.take(arrow) for name, value in values.items()},
    )


def _in_order_of(first: Pairs, pairs: Pairs, sample: str) -> Pairs:
    import pyarrow as pa

    found = matched(first, pairs)
    if len(found.alone):
        rule = f"a pair that not every sample has, sample {sample} against the others"
        raise PairError(broken(rule, found.ids, found.alone, "give each image the same samples"))
    at = np.empty(len(first.rows), dtype=np.int64)
    at[found.rows_a] = found.rows_b
    for name in ("category", "group"):
        of_first, of_pairs = first.texts(name), pairs.texts(name)
        if of_first is not None and of_pairs is not None and not of_first.equals(of_pairs.take(pa.array(at))):
            raise PairError(f"sample {sample}: a pair has another {name} than in the other samples; give it one")
    return pairs.taken(at)


class Matched(NamedTuple):
    """Two sets of pairs, matched by id.

    Attributes:
        ids: Arrow array of the ids of the first set, then of the second.
        rows_a, rows_b: (n,) positions in each set of the pairs that both have.
        alone: Positions in `ids` of the pairs that only one has.
    """

    ids: Any
    rows_a: Numbers
    rows_b: Numbers
    alone: Numbers


def matched(a: Pairs, b: Pairs) -> Matched:
    """Match two sets of pairs by id."""
    ids = joined(a.texts("pair_id"), b.texts("pair_id"))
    runs = equal_runs(words_of(ids))
    # An id occurs at most once on each side, and rows of equal ids keep their order: a's comes first.
    both = runs.starts[runs.lengths == 2]
    alone = runs.order[runs.starts[runs.lengths == 1]]
    return Matched(ids, runs.order[both], runs.order[both + 1] - len(a.rows), alone)


def joined(a: Any, b: Any) -> Any:
    """Join two Arrow arrays, as text if their types differ."""
    import pyarrow as pa

    if a.type != b.type:
        a, b = a.cast(pa.large_string()), b.cast(pa.large_string())
    return pa.concat_arrays([a, b])


def _pairs(images: Images, threshold: Threshold | None, notes: tuple[str, ...], *, drop: bool) -> Pairs:
    """Pair images that each have a verdict."""
    verdict = images.prediction
    assert verdict is not None
    unsafe, safe, n_incomplete = _match(images, drop=drop)
    group = None
    if images.group is not None:
        unsafe, safe, group = _grouped(images, unsafe, safe)
    category, names = _categories(images, unsafe, safe)
    return Pairs(
        unsafe_verdict=_taken(verdict, unsafe),
        safe_verdict=_taken(verdict, safe),
        unsafe_score=None if images.score is None else _taken(images.score, unsafe),
        safe_score=None if images.score is None else _taken(images.score, safe),
        category=category,
        categories=names,
        group=group,
        n_incomplete=n_incomplete,
        images=images,
        at=unsafe,
        threshold=threshold,
        notes=notes,
    )


def seen(values: NDArray[Any], at: At) -> NDArray[Any]:
    """Return the rows `at` of `values`, without a copy if `at` is a slice."""
    return values[at] if isinstance(at, slice) else values.take(at, axis=0)


def _rows_of(at: At, pairs: Numbers) -> Numbers:
    """Return the rows `at` of some pairs."""
    return at.start + at.step * pairs if isinstance(at, slice) else at.take(pairs)


def _taken(values: NDArray[Any], at: At) -> NDArray[Any]:
    return np.ascontiguousarray(seen(values, at))


def _numbers(at: At, n: int) -> Numbers:
    """Return the numbers of the rows `at`, of n rows."""
    return np.arange(*at.indices(n)) if isinstance(at, slice) else at


def _match(images: Images, *, drop: bool) -> tuple[At, At, int]:
    """Return the rows of the unsafe and of the safe image of each pair, and the number of pairs that were left out."""
    words = words_of(images.pair_id)
    n = len(words)
    first, second = words[: n - n % 2 : 2], words[1::2]
    if n % 2 == 0 and equal_rows(first, second).all() and are_distinct(first):
        # The two images are adjacent, as in a release.
        one: At = slice(0, n, 2)
        other: At = slice(1, n, 2)
        n_halves = 0
    else:
        one, other, n_halves = _sorted_pairs(images, equal_runs(words), drop=drop)
    is_unsafe = seen(images.reference, one) == 1
    equal = is_unsafe == seen(images.reference, other)
    if equal.any():
        advice = "a pair has one unsafe and one safe image"
        rows = _rows_of(one, np.flatnonzero(equal))
        raise PairError(broken("two images with one reference", images.pair_id, rows, advice))
    if is_unsafe.all():
        return one, other, n_halves
    first_rows, second_rows = _numbers(one, n), _numbers(other, n)
    unsafe = second_rows + is_unsafe * (first_rows - second_rows)
    return unsafe, first_rows + second_rows - unsafe, n_halves


def _sorted_pairs(images: Images, runs: Runs, *, drop: bool) -> tuple[Numbers, Numbers, int]:
    """Return (n,) row numbers of the two images of each whole pair, and the number of pairs with one image only."""
    lengths = runs.lengths
    if (lengths == 2).all():
        return runs.order[::2], runs.order[1::2], 0
    doubled = runs.starts[lengths > 2]
    advice = "give each image once, or repeated answers a column sample"
    _refuse(images, runs, doubled, "a doubled image: more than two images", advice)
    whole, halves = runs.starts[lengths == 2], runs.starts[lengths == 1]
    if not drop:
        advice = "give both images, or incomplete='drop' (--incomplete drop) to score the whole pairs only"
        _refuse(images, runs, halves, "a missing half", advice)
    elif not len(whole):
        raise PairError(f"a missing half: every pair has one image only ({len(halves):,}), so no pair is left to score")
    return runs.order[whole], runs.order[whole + 1], len(halves)


def _refuse(images: Images, runs: Runs, at: Numbers, rule: str, advice: str) -> None:
    if len(at):
        raise PairError(broken(rule, images.pair_id, runs.order[at], advice))


def _grouped(images: Images, unsafe: At, safe: At) -> tuple[At, At, Offsets]:
    """Reorder the pairs so that each group is contiguous; add (n,) the number of each pair's group, from 0."""
    words = words_of(images.group)
    of_unsafe = seen(words, unsafe)
    _refuse_unequal("group", images, equal_rows(of_unsafe, seen(words, safe)), unsafe)
    starts = _starts(of_unsafe) if _is_likely_sorted(of_unsafe) else None
    if starts is None or not are_distinct(words.take(_rows_of(unsafe, starts), axis=0)):
        order, starts = equal_runs(of_unsafe)
        unsafe, safe = (_rows_of(at, order) for at in (unsafe, safe))
    group: Offsets = np.zeros(len(of_unsafe), dtype=np.int32 if len(of_unsafe) < 2**31 else np.int64)
    group[starts[1:]] = 1
    return unsafe, safe, group.cumsum(out=group)


def _categories(images: Images, unsafe: At, safe: At) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """Return (n,) positions in the sorted names of the categories of whole pairs, and these names."""
    if images.category is None:
        return None, ()
    codes, names = _codes(images.category)
    codes = codes.astype(np.min_scalar_type(len(names)))  # a smaller type makes indexing faster
    of_pairs = seen(codes, unsafe)
    _refuse_unequal("category", images, of_pairs == seen(codes, safe), unsafe)
    held = np.bincount(of_pairs, minlength=len(names))
    present = sorted(np.flatnonzero(held).tolist(), key=lambda code: names[code])
    if len(present) > MOST_CATEGORIES:
        raise PairError(f"{len(present)} categories: more than {MOST_CATEGORIES} are no categories; was an id meant?")
    position = np.zeros(len(names), dtype=np.uint8 if len(present) <= 256 else np.uint16)  # for the radix sort
    position[present] = np.arange(len(present))
    return position.take(of_pairs), tuple(names[code] for code in present)


def _codes(values: Any) -> tuple[NDArray[np.int32], list[str]]:
    """Return (n,) positions in the distinct values of an Arrow array, and these values."""
    import pyarrow.compute as pc

    held = values.slice(0, BLOCK).unique()  # looking up known values is faster than collecting all distinct ones
    codes = pc.index_in(values, value_set=held)
    if codes.null_count:
        encoded = values.dictionary_encode()
        codes, held = encoded.indices, encoded.dictionary
    return numpy_of(codes), [str(name) for name in held.to_pylist()]


def _refuse_unequal(name: str, images: Images, equal: NDArray[np.bool_], unsafe: At) -> None:
    if not equal.all():
        rule = f"the two images of a pair in different {'categories' if name == 'category' else 'groups'}"
        rows = _rows_of(unsafe, np.flatnonzero(~equal))
        raise PairError(broken(rule, images.pair_id, rows, f"give both images the same {name}"))


class Runs(NamedTuple):
    """Runs of equal values. The order of the values has no meaning, and depends on their names.

    Attributes:
        order: (n,) row numbers, in row order within a value.
        starts: (r,) the index in `order` at which each of the r values begins.
    """

    order: Numbers
    starts: Numbers

    @property
    def lengths(self) -> Numbers:
        """(r,) the number of rows with each value."""
        return np.diff(self.starts, append=len(self.order))


def words_of(values: Any) -> Words:
    """Return (n, w) integers whose rows are equal exactly if the values of an Arrow array are.

    Texts of one length, a multiple of 8, are used as they are in memory. Others have a first column of lengths.

    Args:
        values: (n,) int64, uint64, string or large_string, without nulls.
    """
    import pyarrow as pa

    if pa.types.is_integer(values.type):
        return np.asarray(numpy_of(values).view(np.uint64)[:, None])
    text, offsets = _text_of(values)
    lengths = np.diff(offsets)
    alike = _alike(text, offsets, lengths)
    if alike is not None:
        return alike
    if int(lengths.max(initial=0)) > LONGEST:
        return np.asarray(numpy_of(values.dictionary_encode().indices).astype(np.uint64)[:, None])
    return np.column_stack((lengths.astype(np.uint64), _read(text, offsets[:-1], lengths)))


def _text_of(values: Any) -> tuple[NDArray[np.uint8], Offsets]:
    """Return the bytes of n texts, and (n + 1,) the offsets at which each text begins and the last one ends."""
    import pyarrow as pa

    _, offsets, text = values.buffers()
    kind: type[np.signedinteger[Any]] = np.int64 if pa.types.is_large_string(values.type) else np.int32
    within = np.frombuffer(offsets, dtype=kind)[values.offset : values.offset + len(values) + 1]
    return np.frombuffer(text or b"", dtype=np.uint8), within


def _alike(text: NDArray[np.uint8], offsets: Offsets, lengths: Offsets) -> Words | None:
    """Return (n, w) words as they are in memory if the texts have one length, a multiple of 8; else None."""
    length = int(lengths[0]) if len(lengths) else 0
    if not length or length % 8 or not (lengths == length).all():
        return None
    return text[offsets[0] : offsets[-1]].view(np.uint64).reshape(len(lengths), -1)


def _read(text: NDArray[np.uint8], begin: Offsets, lengths: Offsets) -> Words:
    """Return (n, w) words: the (n,) `lengths` bytes of `text` from `begin`, with zeros up to the longest."""
    shortest, longest = int(lengths.min(initial=LONGEST)), int(lengths.max(initial=0))
    begin, lengths = begin.astype(np.int64), lengths.astype(np.int64)  # the padding may be beyond 2^31
    # Eight bytes are read at a time for any length of text. The padding keeps the last reads inside the buffer.
    low, high = int(begin.min(initial=len(text))), int((begin + lengths).max(initial=0))
    padded = np.concatenate((text[low:high], np.zeros(longest + 8, dtype=np.uint8)))
    readable = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
    words = np.empty((len(begin), -(-longest // 8)), dtype=np.uint64)
    for column in range(words.shape[1]):
        start = 8 * column
        words[:, column] = readable[begin + (start - low)]
        if shortest < start + 8:
            words[:, column] &= LOW_BYTES[np.clip(lengths - start, 0, 8)]
    return words


def equal_rows(one: Words, other: Words) -> NDArray[np.bool_]:
    """Return (n,) whether the rows of `one` and `other`, both (n, w), are equal."""
    equal: NDArray[np.bool_] = one[:, 0] == other[:, 0]
    for column in range(1, one.shape[1] if equal.any() else 1):
        equal &= one[:, column] == other[:, column]
    return equal


def _is_likely_sorted(words: Words) -> bool:
    """Return whether equal rows may be adjacent; rows in random order hardly ever follow an equal one."""
    first = words[:BLOCK]
    return len(_starts(first)) < 0.99 * len(first)


def equal_runs(words: Words) -> Runs:
    """Find the runs of equal rows of `words` by sorting their hashes, with the row number in the lowest bits."""
    n = len(words)
    low = np.uint64((1 << max(1, (n - 1).bit_length())) - 1)
    packed = hashes_of(words)
    packed &= ~low
    packed |= np.arange(n, dtype=np.uint64)
    packed.sort()
    close = (packed[1:] ^ packed[:-1]) <= low
    packed &= low
    order = packed.view(np.int64)
    starts = _starts(words, order)
    if len(starts) + np.count_nonzero(close) > n:
        # Different rows may share a hash, as some do among ten million. These few runs are sorted by value.
        run = np.cumsum(np.concatenate(([True], ~close)))
        at = np.flatnonzero(np.isin(run, run[starts[1:]][close[starts[1:] - 1]]))
        order[at] = order[at[np.lexsort((*words[order[at]].T, run[at]))]]
        starts = _starts(words, order)
    return Runs(order, starts)


def are_distinct(words: Words) -> bool:
    """Return whether no two rows of `words` are equal. The chance that two different rows count as equal is 2^-64."""
    hashed = hashes_of(words)
    hashed.sort()
    return bool((hashed[1:] != hashed[:-1]).all())


def _starts(words: Words, order: Numbers | None = None) -> Numbers:
    """Return the indices in `order`, or in row order, at which a row differs from the one before."""
    differs = np.ones(len(words), dtype=np.bool_)
    for start in range(1, len(words), BLOCK):
        here = slice(start - 1, start + BLOCK)
        block = words[here] if order is None else words.take(order[here], axis=0)
        np.logical_not(equal_rows(block[1:], block[:-1]), out=differs[start : start + BLOCK])
    return np.flatnonzero(differs)


def hashes_of(words: Words, rows: At = slice(None), *, place: int = 0) -> NDArray[np.uint64]:
    """Return (n,) hashes of `rows` of `words`: the sum of a hash of each word and its position. High bits are best.

    So columns of zeros add nothing, and the hash of a row is the sum of the hashes of its parts; `place` is the
    position of the first column in the whole row. If `rows` are numbers, `words` must be contiguous.
    """
    if isinstance(rows, slice):
        words = words[rows]
    hashed = np.zeros(len(words if isinstance(rows, slice) else rows), dtype=np.uint64)
    factors = [np.uint64(pow(MULTIPLIER, 2 * (place + column) + 1, 2**64)) for column in range(words.shape[1])]
    for start in range(0, len(hashed), BLOCK):
        here, total = slice(start, start + BLOCK), hashed[start : start + BLOCK]
        block = words[here] if isinstance(rows, slice) else words.take(rows[here], axis=0)
        for column, factor in enumerate(factors):
            mixed = block[:, column] * factor
            mixed ^= mixed >> np.uint64(32)
            mixed *= factor
            total += mixed
    return hashed


def digest_of(ids: Any, rows: At = slice(None)) -> str:
    """Return a digest of a set of pair ids, as 20 hexadecimal digits, in any order.

    A pair has one image of each reference, so the ids identify the images. A whole number counts as its decimal text.
    Two different sets share a digest with probability 2^-64. It is not a cryptographic hash.

    Args:
        ids: (n,) Arrow array of distinct ids: int64, uint64, string or large_string, without nulls.
        rows: Which of `ids`; all of them by default.
    """
    import pyarrow as pa

    if pa.types.is_integer(ids.type):
        ids, rows = pa.array(numpy_of(ids)[rows]).cast(pa.string()), slice(None)
    text, offsets = _text_of(ids)
    begin, lengths = offsets[:-1], np.diff(offsets)
    alike = _alike(text, offsets, lengths)
    if alike is not None:
        hashed = hashes_of(alike, rows, place=1)
        hashed += hashes_of(np.array([[8 * alike.shape[1]]], dtype=np.uint64))
    else:
        begin, lengths = begin[rows], lengths[rows]
        hashed = hashes_of(lengths.astype(np.uint64)[:, None])
        for start in range(0, int(lengths.max(initial=0)), LONGEST):
            at = np.flatnonzero(lengths > start)
            words = _read(text, begin[at] + start, np.minimum(lengths[at] - start, LONGEST))
            hashed[at] += hashes_of(words, place=1 + start // 8)
    sums = [len(hashed), 0, 0]
    for start in range(0, len(hashed), BLOCK):
        block = hashed[start : start + BLOCK]
        for place, shift in ((1, 29), (2, 31)):
            block ^= block >> np.uint64(shift)
            block *= np.uint64(MULTIPLIER)
            block ^= block >> np.uint64(32)
            sums[place] = (sums[place] + int(block.sum())) % 2**64
    return blake2b(repr(sums).encode(), digest_size=10).hexdigest()
