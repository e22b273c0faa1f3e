"""`study`: compare training a light guard on k pairs, on k or 2k unpaired images, and with usual augmentation."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from safetypairs_hf.core.errors import SafetyPairsError, counted
from safetypairs_hf.training.cached_features import cache_folder, cached_features
from safetypairs_hf.training.fit_head import fit_head
from safetypairs_hf.training.new_folder import new_folder, refuse_existing
from safetypairs_hf.training.study_pairs import LOOKS, StudyImage, StudyPair, StudySets, augmented, study_sets
from safetypairs_hf.training.study_report import Cell, Contrast, StudyResult, draw_study
from safetypairs_hf.training.train_head import HeadTraining

if TYPE_CHECKING:
    from safetypairs_hf.evaluating.judging import Progress

_SIZES: Final = (5, 10, 20, 50, 100, 200, 300)
_FOLDS: Final = 3
PAIRED, TWICE, ONCE, AUGMENTED, UNVERIFIED = (
    "k pairs",
    "2k unpaired",
    "k unpaired",
    "k unpaired, augmented",
    "k unverified pairs",
)
Interval: TypeAlias = tuple[float, float]


class Shown(NamedTuple):
    """A training image of a fit, with its label and the pair that it belongs to."""

    image: StudyImage
    unsafe: bool
    pair: StudyPair


def study(
    data: str,
    out: str | Path,
    *,
    sizes: Sequence[int] = (),
    seeds: int = 5,
    also: Sequence[str] = (),
    look: str = "image",
    limit: int = 300,
    cache: str | Path | None = None,
    check: str = "error",
    progress: Progress = lambda stage, done, total: None,
    **settings: Any,
) -> StudyResult:
    """Measure what pairs are worth as training data, and write a table, a plot and the conclusion to a folder.

    Each seed orders the pairs of the train split differently. A fit is trained on the first k pairs, or on one image
    of each of the first k or 2k pairs, so "k pairs" and "2k unpaired" have the same number of images. Each fit chooses
    its penalty by cross-validation over families, is calibrated, and judges the measured sets at the threshold 0.5.

    Args:
        data: `TARGET@X.Y.Z`, or `TARGET` for its newest version.
        out: The folder, which must not exist: study.json, study.md and study.png.
        sizes: The numbers k; by default from 5 to 300, while the train split has 2k pairs.
        seeds: The number of orders, at least 2.
        also: Further versions whose test pairs are judged too.
        look: As in `study_sets`.
        limit: The largest number of pairs in each measured set.
        cache: The folder of cached features; one below HF_HOME by default.
        check: As in `load`.
        progress: Called with (stage, done, total).
        **settings: The fields of `HeadTraining`; a text is read as the command reads it.

    Returns:
        The figures of every fit, and the conclusion.

    Raises:
        SafetyPairsError: `out` exists or cannot be written; there are too few pairs for one of the sizes; the data
            cannot be read; or the backbone cannot be loaded.
    """
    from safetypairs_hf.training.train import read_settings

    chosen = read_settings("head", settings)
    assert isinstance(chosen, HeadTraining)
    refuse_existing(out)
    if look not in LOOKS:
        raise SafetyPairsError(f"look is {look!r}; expected {' or '.join(LOOKS)}")
    if seeds < 2 or limit < 2:
        raise SafetyPairsError(f"seeds is {seeds} and limit {limit}; each is 2 or more, so that there is an interval")
    sets = study_sets(data, also, look, limit, check)
    sizes = _sizes(sizes, len(sets.pool), sets.name)
    sets = _bounded(sets, 2 * sizes[-1])
    draws = [_order(sets, seed) for seed in range(seeds)]
    arms = [ONCE, AUGMENTED, TWICE, PAIRED, *([UNVERIFIED] if sets.failures else [])]
    plan = {(arm, k): [_shown(arm, k, sets, order) for order in draws] for k in sizes for arm in arms}
    place = Path(cache).expanduser() if cache else cache_folder()
    images = {shown.image.key: shown.image.read for several in plan.values() for each in several for shown in each}
    for pairs in sets.measured.values():
        images |= {image.key: image.read for pair in pairs for image in (pair.unsafe, pair.safe)}
    features = cached_features(chosen.backbone, images, place, lambda done, total: progress("features", done, total))
    judged = _judge(plan, sets, features, chosen, progress)
    result = _result(judged, sets, sizes, arms, seeds, look, chosen)
    with new_folder(out) as new:
        (new / "study.json").write_text(json.dumps(result.to_dict(), indent=2) + "\n", "utf-8")
        (new / "study.md").write_text(result.to_markdown(), "utf-8")
        draw_study(result, new / "study.png")
    return result


def _sizes(asked: Sequence[int], there: int, name: str) -> list[int]:
    sizes = sorted(set(asked)) or [k for k in _SIZES if 2 * k <= there]
    if not sizes or sizes[0] < 2 or 2 * sizes[-1] > there:
        k = sizes[-1] if sizes else _SIZES[0]
        if sizes and sizes[0] < 2:
            raise SafetyPairsError(f"k = {sizes[0]}; it is 2 or more")
        advice = f"the largest k is {there // 2}" if there >= 4 else "build more with a lower test_fraction"
        raise SafetyPairsError(
            f"{name} has {counted(there, 'train pair')} to draw from, and k = {k} takes {2 * k:,}: an image of each of "
            f"2k pairs; {advice}"
        )
    return sizes


def _bounded(sets: StudySets, most: int) -> StudySets:
    """Limit the pool to 1.5 times the pairs of the largest fit, so that no unneeded features are computed.

    The pairs with the lowest ids are kept; ids are hashes, so this is a random sample.
    """
    pool = sorted(sets.pool, key=lambda pair: pair.pair_id)[: most + most // 2]
    share = len(pool) / len(sets.pool)
    failures = sorted(sets.failures, key=lambda pair: pair.pair_id)[: round(share * len(sets.failures))]
    return StudySets(sets.name, sets.categories, pool, failures, sets.measured)


class _Order(NamedTuple):
    """The pool in the order of a seed, and the same pool with failed attempts, as in a run without judges."""

    verified: list[StudyPair]
    mixed: list[StudyPair]


def _order(sets: StudySets, seed: int) -> _Order:
    import numpy as np

    def shuffled(pairs: list[StudyPair]) -> list[StudyPair]:
        return [pairs[place] for place in np.random.default_rng(seed).permutation(len(pairs))]

    return _Order(shuffled(sets.pool), shuffled([*sets.pool, *sets.failures]))


def _shown(arm: str, k: int, sets: StudySets, order: _Order) -> list[Shown]:
    if arm in (PAIRED, UNVERIFIED):
        pairs = (order.verified if arm == PAIRED else order.mixed)[:k]
        return [Shown(pair.member(unsafe), unsafe, pair) for pair in pairs for unsafe in (True, False)]
    pairs = order.verified[: 2 * k if arm == TWICE else k]
    # One image of each pair, alternating between the unsafe and the safe one.
    single = [Shown(pair.member(place % 2 == 0), place % 2 == 0, pair) for place, pair in enumerate(pairs)]
    if arm != AUGMENTED:
        return single
    return [*single, *(Shown(augmented(each.image, 0), each.unsafe, each.pair) for each in single)]


# (arm, k) -> the name of a measured set -> for each seed, the scores of its unsafe and of its safe members.
_Judged: TypeAlias = dict[tuple[str, int], dict[str, list[tuple[list[float], list[float]]]]]


def _judge(
    plan: dict[tuple[str, int], list[list[Shown]]],
    sets: StudySets,
    features: dict[str, Any],
    settings: HeadTraining,
    progress: Callable[[str, int, int], None],
) -> _Judged:
    import numpy as np

    columns = {slug: place for place, slug in enumerate(sets.categories)}
    total, done = sum(map(len, plan.values())), 0
    judged: _Judged = {}
    for arm_k, several in plan.items():
        found = judged.setdefault(arm_k, {name: [] for name in sets.measured})
        for seed, shown in enumerate(several):
            fitted = fit_head(
                np.stack([features[each.image.key] for each in shown]),
                [int(each.unsafe) for each in shown],
                [columns[each.pair.category] for each in shown],
                [each.pair.family for each in shown],
                columns=len(columns),
                kind=settings.head,
                folds=_FOLDS,
                seed=seed,
            )
            for name, pairs in sets.measured.items():
                if pairs:
                    places = [columns[pair.category] for pair in pairs]
                    sides = [
                        fitted.weights.logits(np.stack([features[pair.member(unsafe).key] for pair in pairs]), places)
                        for unsafe in (True, False)
                    ]
                    unsafe_scores, safe_scores = (_probabilities(side) for side in sides)
                    found[name].append((unsafe_scores, safe_scores))
            done += 1
            progress("fits", done, total)
    return judged


def _probabilities(logits: Any) -> list[float]:
    import numpy as np

    return [float(each) for each in 0.5 * (1 + np.tanh(np.asarray(logits) / 2))]


def _rows(pairs: Sequence[StudyPair], scores: Sequence[tuple[list[float], list[float]]]) -> dict[str, list[Any]]:
    """Return rows with the columns of docs/metric.md; each seed is a sample."""
    rows: dict[str, list[Any]] = {name: [] for name in ("pair_id", "reference", "score", "category", "group", "sample")}
    for seed, sides in enumerate(scores):
        for reference, side in zip((1, 0), sides, strict=True):
            rows["pair_id"] += [pair.pair_id for pair in pairs]
            rows["reference"] += [reference] * len(pairs)
            rows["score"] += side
            rows["category"] += [pair.category for pair in pairs]
            rows["group"] += [pair.family for pair in pairs]
            rows["sample"] += [seed] * len(pairs)
    return rows


def _right(scores: Sequence[tuple[list[float], list[float]]]) -> list[float]:
    """Return the pair accuracy of each seed, at the threshold 0.5."""
    return [statistics.fmean(unsafe >= 0.5 > safe for unsafe, safe in zip(*sides, strict=True)) for sides in scores]


def widened(value: float, ends: Interval, of_seeds: Sequence[float]) -> Interval:
    """Widen an interval over families by the variance between seeds, as MOVER adds variances (Zou & Donner 2008).

    Args:
        value: The mean over the seeds.
        ends: Its interval over families.
        of_seeds: The value of each seed; 2 or more.
    """
    from safetypairs_hf.metric.inference import t_point

    spread = t_point(len(of_seeds) - 1) * statistics.stdev(of_seeds) / len(of_seeds) ** 0.5
    low, high = ((value - ends[0]) ** 2 + spread**2) ** 0.5, ((ends[1] - value) ** 2 + spread**2) ** 0.5
    return value - low, value + high


def _result(
    judged: _Judged,
    sets: StudySets,
    sizes: Sequence[int],
    arms: Sequence[str],
    seeds: int,
    look: str,
    settings: HeadTraining,
) -> StudyResult:
    from safetypairs_hf.metric.compare import compare
    from safetypairs_hf.metric.score import score

    cells, contrasts = [], []
    for name, pairs in sets.measured.items():
        if not pairs:
            continue
        for k in sizes:
            rows = {arm: _rows(pairs, judged[arm, k][name]) for arm in arms}
            right = {arm: _right(judged[arm, k][name]) for arm in arms}
            for arm in arms:
                figures = score(rows[arm])
                low, high = widened(figures.pair_accuracy, figures.pair_accuracy_ci, right[arm])
                ranking = figures.ranking_accuracy
                cells.append(
                    Cell(name, k, arm, figures.pair_accuracy, (max(low, 0.0), min(high, 1.0)), float(ranking or 0.0))
                )
            for other in arms:
                if other == PAIRED:
                    continue
                found = compare(rows[PAIRED], rows[other])
                of_seeds = [a - b for a, b in zip(right[PAIRED], right[other], strict=True)]
                ends = widened(found.difference, found.difference_ci, of_seeds)
                contrasts.append(Contrast(name, k, other, found.difference, (max(ends[0], -1.0), min(ends[1], 1.0))))
    counts = {
        name: (len(pairs), len({pair.family for pair in pairs})) for name, pairs in sets.measured.items() if pairs
    }
    told = {key: value for key, value in asdict(settings).items() if key not in ("device", "folds", "seed")}
    return StudyResult(
        data=sets.name,
        backbone={**told, "revision": settings.backbone.revision},
        look=look,
        seeds=seeds,
        pool=len(sets.pool),
        failures=len(sets.failures),
        measured=counts,
        cells=cells,
        contrasts=contrasts,
    )
