"""What every chat harness needs: the question, the image as it travels, and the verdict in what came back."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from safetypairs_hf.guards import verdicts

if TYPE_CHECKING:
    from datasets import Dataset

    from safetypairs_hf.metric.score import PairScore


def images_of(data: str, split: str = "test") -> Dataset:
    """One row an image of TARGET[@VERSION], as `sp.images` gives them; see `sp.load` for what it raises."""
    from safetypairs_hf.loading.images import images

    found: Dataset = images(pairs_of(data, split))
    return found


def pairs_of(data: str, split: str = "test") -> Dataset:
    """One row a pair of TARGET[@VERSION]; see `sp.load` for what it raises."""
    from safetypairs_hf.loading.load import load

    loaded: Any = load(data, split=split)
    found: Dataset = loaded
    return found


def data_uri(image: Any) -> str:
    """A PIL image as a data URI of PNG, RGB, lossless."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def member_id(pair_id: str, number: int) -> str:
    """An id of the first (0) or second (1) image of a pair, as `sp.images` orders them: it does not tell which."""
    return f"{pair_id}-{'ab'[number]}"


def answer_of(text: str, top: Iterable[tuple[str, float]] | None = None) -> dict[str, Any]:
    """`prediction` 1, 0 or None of an answer to `yes_no.question`, and `score` where log probabilities came.

    `text`: its first word decides; anything but a yes or a no is an abstention. `top`: the likeliest first tokens,
    (text, log probability) each; a word alone is never made into a score.
    """
    if top is not None:
        verdict = verdicts.from_log_probabilities(top, verdicts.LEAST_MASS)
        if verdict.p_unsafe is not None:
            return {"prediction": int(verdict.p_unsafe >= 0.5), "score": verdict.p_unsafe}
        return {"prediction": None, "score": None}
    verdict = verdicts.from_text(text)
    return {"prediction": None if verdict.p_unsafe is None else int(verdict.p_unsafe), "score": None}


def scored(rows: Iterable[Mapping[str, Any]], **told: Any) -> PairScore:
    """`score` of rows with `answer_of` in them; the score column counts where at least one row has one."""
    from safetypairs_hf.metric.score import score

    held = [dict(row) for row in rows]
    if all(row.get("score") is None for row in held):
        for row in held:
            row.pop("score", None)
    return score(held, **told)


def flat(score: PairScore) -> dict[str, float]:
    """Every figure that applies, by its name in METRIC.md.

    The interval's ends are `pair_accuracy_low` and `pair_accuracy_high`; a category's pair accuracy is
    `pair_accuracy/<category>`. A figure that does not apply is left out: loops log floats and know no None.
    """
    found: dict[str, float] = {}
    for name, value in score.to_dict().items():
        if name == "pair_accuracy_ci":
            found["pair_accuracy_low"], found["pair_accuracy_high"] = value
        elif isinstance(value, int | float):
            found[name] = float(value)
    for name, figures in score.per_category.items():
        found[f"pair_accuracy/{name}"] = figures.pair_accuracy
    return found
