"""Summarise a run in addition to its funnel: yield by round and category, tokens and cost, and batch sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from safetypairs_hf.core.errors import counted
from safetypairs_hf.core.run_folder import RECIPE, RunFolder

_MILLION = 1_000_000


def by_round(funnel: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
    """Yield the round (from 1), the sources that entered it, and those with a pair that passed the judges."""
    stages = {stage["stage"]: stage for stage in funnel["stages"]}
    number = 1
    while (begun := stages.get(_step("instruct", number))) is not None:
        yield number, begun["in"], stages[_step("judge", number)]["out"]
        number += 1


def by_category(funnel: Mapping[str, Any]) -> list[tuple[str, int, int, str]]:
    """Return by category its sources, those with a pair that passed the judges, and the reasons of its rejects."""
    sources: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = {}
    for stage in funnel["stages"]:
        for slug, cell in stage["by_category"].items():
            if stage["stage"] == "source":
                sources[slug] += cell["out"]
            if stage["stage"].split("-")[0] == "judge":
                passed[slug] += cell["out"]
            if stage["stage"] not in ("select", "controls", "review"):
                reasons.setdefault(slug, Counter()).update(cell["rejected"])
    return [
        (slug, sources[slug], passed[slug], ", ".join(f"{n} {reason}" for reason, n in reasons[slug].most_common()))
        for slug in sorted(reasons)
    ]


def lines(run: RunFolder, funnel: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each round if there are several, one for the tokens, and one for the editor's batch sizes."""
    rounds = list(by_round(funnel))
    for number, begun, passed in rounds if len(rounds) > 1 else []:
        share = f" ({passed / begun:.0%})" if begun else ""
        yield f"round {number}: {passed:,} of {counted(begun, 'source')} passed{share}"
    yield from _tokens(run, funnel)
    batches = Counter(size for stage in funnel["stages"] for size in _batches(run, stage["stage"]))
    if set(batches) - {1}:
        sizes = (f"{size} ({counted(batches[size], 'image')})" for size in sorted(batches)[::-1])
        yield f"edited in batches of {', '.join(sizes)}"


def _tokens(run: RunFolder, funnel: Mapping[str, Any]) -> Iterator[str]:
    spent = [stage["tokens"] for stage in funnel["stages"] if "tokens" in stage]
    if not spent:
        return
    prompt, answer = (sum(tokens[kind] for tokens in spent) for kind in ("prompt", "answer"))
    instructor = run.read_json(RECIPE, "parts")["parts"]["instructor"]
    cost = (prompt * instructor.get("prompt_price", 0) + answer * instructor.get("answer_price", 0)) / _MILLION
    yield f"instructions: {counted(prompt, 'token')} read, {answer:,} written" + (f", cost {cost:,.2f}" if cost else "")


def _batches(run: RunFolder, step: str) -> Iterator[int]:
    """Yield the batch size of each image edited in a step. Batches are smaller after memory ran out."""
    if step.split("-")[0] != "edit":
        return
    for name in run.files():
        if name.startswith(f"{step}/part-"):
            yield from (row["batch"] for row in run.rows(name, ["batch"]) if row["batch"])


def _step(stage: str, number: int) -> str:
    return stage if number == 1 else f"{stage}-{number}"
