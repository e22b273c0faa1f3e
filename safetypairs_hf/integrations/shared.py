"""What the integrations share: the data to ask about, the verdict in an answer, and the figures as a flat dictionary.

`images_of` and `pairs_of` load a version, and `asker_of` returns the question about a category. `data_uri` and
`member_id` encode an image and its id. `answer_of` reads an answer, and `scored` and `flat` turn answers into the
figures that a harness logs.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core import pictures
from safetypairs_hf.guards import verdicts

if TYPE_CHECKING:
    from datasets import Dataset

    from safetypairs_hf.metric.score import PairScore


def images_of(data: str, split: str = "test") -> Dataset:
    """Load TARGET[@VERSION] with one row per image, as `sp.images` gives them. Raises what `sp.load` raises."""
    from safetypairs_hf.loading.images import images

    found: Dataset = images(pairs_of(data, split))
    return found


def pairs_of(data: str, split: str = "test") -> Dataset:
    """Load TARGET[@VERSION] with one row per pair. Raises what `sp.load` raises."""
    from safetypairs_hf.loading.load import load

    loaded: Any = load(data, split=split)
    found: Dataset = loaded
    return found


def asker_of(data: str, rows: Dataset) -> Callable[[str], str]:
    """Return a function from a category to its question, by the policies of TARGET[@VERSION]; `rows` are of it."""
    from safetypairs_hf.evaluating.data import named_version
    from safetypairs_hf.evaluating.data_taxonomy import taxonomy_of

    taxonomy = taxonomy_of(str(named_version(data)), [rows])
    return lambda category: verdicts.question(category, taxonomy)


def data_uri(image: Any) -> str:
    """Encode a PIL image as a PNG data URI, in RGB and without loss."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="PNG")
    return pictures.data_uri(buffer.getvalue())


def member_id(pair_id: str, number: int) -> str:
    """Return an id of the first (0) or second (1) image of a pair, in the order of `sp.images`.

    The id does not reveal which of the two images is the unsafe one.
    """
    return f"{pair_id}-{'ab'[number]}"


def answer_of(text: str, top: Iterable[tuple[str, float]] | None = None) -> dict[str, Any]:
    """Read the verdict from an answer to `verdicts.question`.

    Args:
        text: The answer, read as `verdicts.read` does. Anything except a yes or a no is an abstention.
        top: The most likely first tokens as (text, log probability), if the harness has them. Without them an answer
            has no score.

    Returns:
        `prediction`, which is 1, 0 or None, and `score`, which is P(unsafe) or None.
    """
    if top is not None:
        verdict = verdicts.from_log_probabilities(top, verdicts.LEAST_MASS)
        if verdict.p_unsafe is not None:
            return {"prediction": int(verdict.p_unsafe >= 0.5), "score": verdict.p_unsafe}
        return {"prediction": None, "score": None}
    verdict, _ = verdicts.read(verdicts.YES_NO, text)
    return {"prediction": None if verdict.p_unsafe is None else int(verdict.p_unsafe), "score": None}


def scored(rows: Iterable[Mapping[str, Any]], **options: Any) -> PairScore:
    """Score rows with the values of `answer_of`. The score column is used if at least one row has a score."""
    from safetypairs_hf.metric.score import score

    # With None in every row the column would count as missing; a guard that only abstains has every pair wrong.
    return score([{**row, "prediction": "abstained"} if row["prediction"] is None else row for row in rows], **options)


def flat(score: PairScore) -> dict[str, float]:
    """Return every figure that applies by its name in `to_dict`, as floats.

    The ends of an interval are `<figure>_low` and `<figure>_high`, and a category's pair accuracy is
    `pair_accuracy/<category>`. A figure that does not apply is left out, because training loops cannot log None.
    """
    from safetypairs_hf.metric.figures import figures_in

    with_interval = {figure.interval: figure.name for figure in figures_in(score) if figure.interval}
    found: dict[str, float] = {}
    for name, value in score.to_dict().items():
        if name in with_interval and value is not None:
            found[f"{with_interval[name]}_low"], found[f"{with_interval[name]}_high"] = value
        elif isinstance(value, int | float):
            found[name] = float(value)
    for name, figures in score.per_category.items():
        found[f"pair_accuracy/{name}"] = figures.pair_accuracy
    return found
