"""Compute the data for the page of a run: funnel, yield, rejects with examples, judges, preservation, groups, pairs.

Inputs that were refused at the source, and pairs that were taken down, are counted but never shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from safetypairs_hf.building.rounds import steps
from safetypairs_hf.building.run_reader import (
    Attempt,
    RunState,
    attempts,
    candidates_of,
    open_finished,
    read_state,
    read_taxonomy,
    rounds,
)
from safetypairs_hf.building.yields import by_category, by_round
from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.near_duplicates import TAKEN_DOWN
from safetypairs_hf.core.run_folder import RECIPE, RunFolder
from safetypairs_hf.report.page import Report
from safetypairs_hf.report.pair_pictures import Pictured, thumbnail, within_budget
from safetypairs_hf.report.pair_sample import groups_of, sample_of
from safetypairs_hf.reviewing.read_review import read_review, review_stages

if TYPE_CHECKING:
    from safetypairs_hf.building.run_reader import FinishedRun
    from safetypairs_hf.core.records import Candidate

EXAMPLES = 3  # of each reject reason
BINS = 20
MOST_POINTS = 3000  # of each judge
_NEVER_SHOWN = ("source",)  # the stage that refuses inputs, among them known unlawful images


def run_report(run: RunFolder) -> Report:
    """Make the report of a run, finished or not. Raises RunError if there is no run, or if a part of it is damaged."""
    state = read_state(run)
    stages = state.funnel["stages"]
    if state.finished:
        stages = [*stages, *review_stages(run, read_review(run))]
    every = list(attempts(run))
    reasons = reasons_of(every)
    taxonomy = read_taxonomy(run, run.read_json(RECIPE, "parts"))
    data: dict[str, Any] = {
        "kind": "run",
        "run": run.url,
        "finished": state.finished,
        "taxonomy": taxonomy.name,
        "names": {category.slug: category.name for category in taxonomy.categories},
        "stages": stages,
        "rounds": _rounds(state),
        "categories": _categories(state),
        "reasons": reasons,
        "judges": _judges(every),
        "preservation": _preservation(every),
        "rejected_inputs": state.rejected_inputs,
        "groups": None,
        "pairs": [],
    }
    pictures: dict[str, Pictured] = {}
    if state.finished:
        finished = open_finished(run)
        data |= _drawn(finished)
        shown = [pair["pair_id"] for pair in data["pairs"]]
        shown += [pair_id for group in data["groups"]["largest"] for pair_id in group["pairs"]]
        pictures |= pictures_of(finished, set(shown))
    pictures |= _examples(run, [example["picture"] for reason in reasons for example in reason["examples"]])
    return Report("run", data, within_budget(pictures, pictures), run=run)


def pictures_of(run: FinishedRun, wanted: Collection[str]) -> dict[str, Pictured]:
    """Return the thumbnails of some pairs of a finished run, by pair id."""
    found = {}
    for candidate, _ in run.pairs(wanted):
        assert candidate.identity
        found[candidate.identity.pair_id] = _pictured(candidate, run.url)
    return found


def _pictured(candidate: Candidate, url: str) -> Pictured:
    instruction = candidate.instruction
    with reading(f"{url}: an image of source {candidate.source_id}", "delete its part and build again", RunError):
        unsafe = thumbnail(candidate.unsafe.data)
        edited = candidate.safe and candidate.safe.data != candidate.unsafe.data  # a policy pair has one image
        safe = thumbnail(candidate.safe.data) if candidate.safe and edited else None
    return Pictured(
        unsafe,
        safe,
        instruction.critical_feature if instruction else "",
        instruction.text if instruction else "",
    )


def _rounds(state: RunState) -> list[dict[str, Any]]:
    return [
        {"round": number, "sources": begun, "passed": passed, **_share(passed, begun)}
        for number, begun, passed in by_round(state.funnel)
    ]


def _categories(state: RunState) -> list[dict[str, Any]]:
    """Return the yield of each category (the share of sources with a passed pair), and its number of drawn pairs."""
    drawn: Mapping[str, Any] = next((each for each in state.funnel["stages"] if each["stage"] == "select"), {})
    found = []
    for slug, sources, passed, why in by_category(state.funnel):
        if slug not in ("", "-"):
            cell = drawn.get("by_category", {}).get(slug)
            selected = cell and cell["out"]
            row = {"category": slug, "sources": sources, "passed": passed, "selected": selected, "rejected": why}
            found.append({**row, **_share(passed, sources)})
    return found


def _share(hits: int, of: int) -> dict[str, Any]:
    """Return a share with Wilson's 95% interval, which assumes that the sources are independent."""
    from safetypairs_hf.metric.inference import wilson

    return {"share": hits / of, "share_ci": list(wilson(hits / of, of))} if of else {"share": None, "share_ci": None}


def reasons_of(every: Iterable[Attempt]) -> list[dict[str, Any]]:
    """Return the reject reasons of each stage, most frequent first, with the first sources that they rejected."""
    counts: Counter[tuple[str, str]] = Counter()
    seen: set[tuple[str, str, str]] = set()
    examples: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for each in every:
        if each.reject is None:
            continue
        key = each.step.stage, each.reject.reason
        counts[key] += 1
        hidden = each.step.stage in _NEVER_SHOWN or each.reject.reason == TAKEN_DOWN or (*key, each.source_id) in seen
        if len(examples[key]) < EXAMPLES and not hidden:
            seen.add((*key, each.source_id))
            picture = f"{each.step.name}/{each.unit}/{each.number}"
            examples[key].append({"picture": picture, "category": each.category, "detail": each.reject.detail})
    ranked = sorted(counts, key=lambda key: (-counts[key], key))
    return [{"stage": key[0], "reason": key[1], "count": counts[key], "examples": examples[key]} for key in ranked]


def _examples(run: RunFolder, wanted: Sequence[str]) -> dict[str, Pictured]:
    """Return the thumbnails of attempts, which are named by step, unit and number."""
    by_name = {step.name: step for step in steps(rounds(run))}
    places: dict[tuple[str, int], list[int]] = defaultdict(list)
    for name in wanted:
        step, unit, number = name.split("/")
        places[step, int(unit)].append(int(number))
    found: dict[str, Pictured] = {}
    for (step_name, part), numbers in sorted(places.items()):
        candidates = candidates_of(run, part, by_name[step_name])
        found |= {f"{step_name}/{part}/{number}": _pictured(candidates[number], run.url) for number in numbers}
    return {name: found[name] for name in wanted}


def _judges(every: Iterable[Attempt]) -> list[dict[str, Any]]:
    """Return each judge's P(unsafe) before and after the edit, separately for passed and for rejected candidates."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    silent: Counter[str] = Counter()
    for each in every:
        for judgement in each.judgements:
            points = found.setdefault(judgement.name, {"passed": [], "rejected": []})
            if judgement.p_unsafe_before is None or judgement.p_unsafe_after is None:
                silent[judgement.name] += 1
                continue
            point = round(judgement.p_unsafe_before, 4), round(judgement.p_unsafe_after, 4)
            points["rejected" if each.reject else "passed"].append(point)
    return [
        {
            "name": name,
            "silent": silent[name],
            **{kind: len(of) for kind, of in points.items()},
            "points": {kind: sorted(set(of[:MOST_POINTS])) for kind, of in points.items()},
        }
        for name, points in found.items()
    ]


def _preservation(every: Iterable[Attempt]) -> dict[str, Any] | None:
    """Return the distribution of each preservation figure over the judged edits; None if there are none."""
    values: dict[str, dict[str, list[float]]] = {}
    for each in every:
        if each.preservation:
            kind = "rejected" if each.reject else "passed"
            measured = {name: getattr(each.preservation, name) for name in ("changed_fraction", "ssim_outside")}
            for name, value in (measured | dict(each.preservation.distances)).items():
                values.setdefault(name, {"passed": [], "rejected": []})[kind].append(value)
    if not values:
        return None
    return {name: _spread(name, kinds) for name, kinds in values.items()}


def _spread(name: str, kinds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return percentiles of a preservation figure, and its counts in equal bins from `low` to `high`, passed or not."""
    import numpy as np

    both = np.concatenate([np.array(of, float) for of in kinds.values()])
    p5, middle, p95 = (round(float(each), 4) for each in np.percentile(both, (5, 50, 95)))
    # The range of a similarity ends at 1; that of a share or a distance begins at 0.
    low, high = (float(both.min()), 1.0) if name == "ssim_outside" else (0.0, float(both.max()))
    low, high = (low, high) if low < high else (min(low, 0.0), max(high, 1.0))
    counts = {kind: np.histogram(of, BINS, (low, high))[0].tolist() for kind, of in kinds.items()}
    return {"edits": len(both), "p5": p5, "median": middle, "p95": p95, "low": low, "high": high, "bins": counts}


def _drawn(run: FinishedRun) -> dict[str, Any]:
    """Return the groups of the drawn pairs, and a sample of the pairs of each category."""
    rows = [
        {
            "pair_id": item.entrant.identity.pair_id,
            "category": item.entrant.category,
            "split": item.split,
            "group": item.group,
        }
        for item in run.drawn
    ]
    return {"groups": groups_of(rows), "pairs": sample_of(rows), "pairs_in_all": len(rows)}
