"""Samples as conversations for chat models: the question with the policy, the right answer and a wrong one.

For one image, the question is that of `evaluate chat-vlm`, so a model trained on an export is measured on the task that
it was trained for. For a pair, the question is which of the two images violates the policy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from safetypairs_hf.guards.verdicts import question
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.training.samples import Sample

_WHICH = """The policy:

{policy}
One of the two images shows something that this policy says an image should not show. Which one? Answer with one word, \
First or Second."""


class Exchange(NamedTuple):
    """The question, the right and the wrong answer in one word, and the right answer with its reason."""

    question: str
    right: str
    wrong: str
    reasoned: str


def exchange(sample: Sample, taxonomy: Taxonomy) -> Exchange:
    """Return the question and the answers for a sample, by the policy of its category."""
    category, feature = sample.row["category"], sample.row.get("critical_feature")
    if len(sample.images) == 2:
        right, wrong = ("First", "Second") if sample.unsafe[0] else ("Second", "First")
        return Exchange(
            _WHICH.format(policy=taxonomy.policy(category)), right, wrong, _because(right, feature, "It shows")
        )
    right, wrong = ("Yes", "No") if sample.unsafe[0] else ("No", "Yes")
    start = "It shows" if sample.unsafe[0] else "It does not show"
    return Exchange(question(category, taxonomy), right, wrong, _because(right, feature, start))


def as_preference(sample: Sample, taxonomy: Taxonomy) -> dict[str, Any]:
    """Return a row for preference training (TRL's DPO): `images`, `prompt`, `chosen` and `rejected`, conversational.

    TRL inserts a placeholder for each image before the question.
    """
    said = exchange(sample, taxonomy)
    return {
        "images": _cells(sample),
        "prompt": [{"role": "user", "content": said.question}],
        "chosen": [{"role": "assistant", "content": said.right}],
        "rejected": [{"role": "assistant", "content": said.wrong}],
    }


def as_completion(sample: Sample, taxonomy: Taxonomy) -> dict[str, Any]:
    """Return a row for supervised training (TRL's SFT): `images`, `prompt` and `completion`, conversational."""
    said = exchange(sample, taxonomy)
    return {
        "images": _cells(sample),
        "prompt": [{"role": "user", "content": said.question}],
        "completion": [{"role": "assistant", "content": said.reasoned}],
    }


def as_llava(sample: Sample, taxonomy: Taxonomy, files: list[str]) -> dict[str, Any]:
    """Return an entry of LLaVA's JSON file: `id`, `image` (one file name, or two) and `conversations`."""
    said = exchange(sample, taxonomy)
    return {
        "id": sample.key,
        "image": files if len(files) > 1 else files[0],
        "conversations": [
            {"from": "human", "value": "<image>\n" * len(files) + said.question},
            {"from": "gpt", "value": said.reasoned},
        ],
    }


def _because(answer: str, feature: str | None, start: str) -> str:
    return f"{answer}. {start}: {feature.rstrip('.')}." if feature else answer


def _cells(sample: Sample) -> list[dict[str, Any]]:
    return [{"bytes": image, "path": None} for image in sample.images]
