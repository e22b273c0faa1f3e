"""Images to pairs: each unsafe image beside its safe twin, by `pair_id` and never by position."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from safetypairs_hf.errors import PairError
from safetypairs_hf.metric.matching import Runs, equal_rows, equal_runs, twins, words_of
from safetypairs_hf.metric.values import Images, broken, images_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

MOST_CATEGORIES = 10_000


@dataclass(frozen=True)
class Pairs:
    """One row a pair, in no order that means anything; what was not given is None.

    Verdicts: (n,) int8, 1 unsafe, 0 safe, -1 an abstention. Scores: (n,) float64, NaN where None. `category`: (n,)
    positions in `categories`. `group`: (n,) numbers from 0 that never fall: a group's pairs lie side by side.
    `images`, `rows`: the input, and which of its rows the (n,) unsafe images are.
    """

    unsafe_verdict: NDArray[np.int8]
    safe_verdict: NDArray[np.int8]
    unsafe_score: NDArray[np.float64] | None
    safe_score: NDArray[np.float64] | None
    category: NDArray[np.uint16] | None
    categories: tuple[str, ...]
    group: Numbers | None
    n_incomplete: int
    images: Images
    rows: Numbers

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(n,) whether the unsafe image was called unsafe and the safe one safe."""
        right: NDArray[np.bool_] = (self.unsafe_verdict == 1) & (self.safe_verdict == 0)
        return right

    def texts(self, name: str) -> Any:
        """(n,) Arrow array of `pair_id`, `category` or `group` by pair, None where not given."""
        import pyarrow as pa

        values = getattr(self.images, name)
        return None if values is None else values.take(pa.array(self.rows))


def pairs_of(rows: Any, *, threshold: float, incomplete: str) -> Pairs:
    """Rows in any form that `score` takes, checked and paired; raises PairError by the first rule broken."""
    if incomplete not in ("error", "drop"):
        raise PairError(f"incomplete={incomplete!r}: it is 'error' or 'drop'")
    if not (isinstance(threshold, int | float | np.number) and 0 <= threshold <= 1):
        raise PairError(f"threshold={threshold!r}: it is a number in [0, 1]")
    if isinstance(rows, str | os.PathLike):
        from safetypairs_hf.metric.files import read_predictions

        rows = read_predictions(rows)
    images = images_of(rows)
    with ThreadPoolExecutor(1) as beside:  # Arrow and numpy let go of the interpreter while they work
        encoded = beside.submit(_encoded, images.category)
        unsafe, safe, n_incomplete = _match(images, drop=incomplete == "drop")
        group = None
        if images.group is not None:
            unsafe, safe, group = _grouped(images, unsafe, safe, beside)
    category, names = _categories(images, *encoded.result(), unsafe, safe)
    verdict = images.prediction
    if verdict is None:
        assert images.score is not None
        verdict = np.where(np.isnan(images.score), -1, images.score >= threshold).astype(np.int8)
    return Pairs(
        unsafe_verdict=verdict[unsafe],
        safe_verdict=verdict[safe],
        unsafe_score=None if images.score is None else images.score[unsafe],
        safe_score=None if images.score is None else images.score[safe],
        category=category,
        categories=names,
        group=group,
        n_incomplete=n_incomplete,
        images=images,
        rows=unsafe,
    )


def _match(images: Images, *, drop: bool) -> tuple[Numbers, Numbers, int]:
    """(n,) row numbers of the unsafe and of the safe image of each pair, and how many pairs were left out."""
    words = words_of(images.pair_id)
    found = twins(words, images.reference == 1)
    if found:
        return *found, 0
    runs = equal_runs(words)
    lengths = runs.lengths
    doubled = runs.starts[lengths > 2]
    _refuse(images, runs, doubled, "a doubled image: more than two images", "give each image once")
    first = runs.starts[lengths == 2]
    one, other = runs.order[first], runs.order[first + 1]
    equal = images.reference[one] == images.reference[other]
    _refuse(images, runs, first[equal], "two images with one reference", "a pair has one unsafe and one safe image")
    halves = runs.starts[lengths == 1]
    if not drop:
        advice = "give both images, or incomplete='drop' (--incomplete drop) to score the whole pairs only"
        _refuse(images, runs, halves, "a missing half", advice)
    elif not len(first):
        raise PairError(f"a missing half: all {len(halves)} pairs have one image only, so no pair is left to score")
    is_unsafe = images.reference[one] == 1
    return np.where(is_unsafe, one, other), np.where(is_unsafe, other, one), len(halves)


def _refuse(images: Images, runs: Runs, at: Numbers, rule: str, advice: str) -> None:
    if len(at):
        raise PairError(broken(rule, images.pair_id, runs.order[at], advice))


def _grouped(
    images: Images, unsafe: Numbers, safe: Numbers, beside: ThreadPoolExecutor
) -> tuple[Numbers, Numbers, Numbers]:
    """The pairs again, those of a group side by side, and (n,) the number of each pair's group, rising from 0."""
    words = words_of(images.group)
    of_unsafe = words.take(unsafe, axis=0)
    equal = beside.submit(lambda: equal_rows(of_unsafe, words.take(safe, axis=0)))
    runs = equal_runs(of_unsafe)
    _refuse_unequal("group", images, equal.result(), unsafe)
    return unsafe[runs.order], safe[runs.order], runs.numbered()


def _encoded(category: Any) -> tuple[NDArray[Any] | None, list[str]]:
    """A number for each image's category, and the names by number."""
    if category is None:
        return None, []
    encoded = category.dictionary_encode()
    codes = encoded.indices.to_numpy()
    if len(encoded.dictionary) <= 2**16:
        codes = codes.astype(np.uint16)  # lookups are about twice as quick in half of the memory
    return codes, [str(name) for name in encoded.dictionary.to_pylist()]


def _categories(
    images: Images, codes: NDArray[Any] | None, names: list[str], unsafe: Numbers, safe: Numbers
) -> tuple[NDArray[np.uint16] | None, tuple[str, ...]]:
    """(n,) positions in the sorted names of the categories that whole pairs have, and these names."""
    if codes is None:
        return None, ()
    of_pairs = codes[unsafe]
    _refuse_unequal("category", images, of_pairs == codes[safe], unsafe)
    present = sorted(np.flatnonzero(np.bincount(of_pairs)).tolist(), key=lambda code: names[code])
    if len(present) > MOST_CATEGORIES:
        raise PairError(f"{len(present)} categories: more than {MOST_CATEGORIES} are no categories; was an id meant?")
    position = np.zeros(len(names), dtype=np.uint16)
    position[present] = np.arange(len(present))
    return position[of_pairs], tuple(names[code] for code in present)


def _refuse_unequal(name: str, images: Images, equal: NDArray[np.bool_], unsafe: Numbers) -> None:
    if not equal.all():
        rule = f"the two images of a pair in different {'categories' if name == 'category' else 'groups'}"
        raise PairError(broken(rule, images.pair_id, unsafe[~equal], f"give both images the same {name}"))
