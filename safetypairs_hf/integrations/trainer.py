"""`compute_metrics` for `transformers.Trainer`: pair accuracy while a guard is trained.

    images = sp.images(sp.load("org/name", version="1.2.0", split="test"))
    compute_metrics = make_compute_metrics(
        images["pair_id"], images["reference"], images["category"], images["group"]
    )
    Trainer(..., eval_dataset=images.map(preprocess), compute_metrics=compute_metrics)

`TrainingArguments(metric_for_best_model="pair_accuracy")` then keeps the checkpoint with the highest pair accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import PairError, counted, verb
from safetypairs_hf.integrations.shared import flat

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import EvalPrediction


def make_compute_metrics(
    pair_ids: Sequence[Any],
    references: Sequence[int],
    categories: Sequence[str] | None = None,
    groups: Sequence[Any] | None = None,
    *,
    unsafe_label: int = 1,
    threshold: float | None = None,
) -> Callable[[EvalPrediction], dict[str, float]]:
    """Make a `compute_metrics` for one evaluation set.

    For logits of shape (n, classes), P(unsafe) is the softmax at `unsafe_label`; for (n,) or (n, 1) it is the sigmoid.
    If the Trainer passes labels, each is compared with `references` (`unsafe_label` is 1, any other class 0), so that
    another set or another order is an error instead of a wrong figure.

    Args:
        pair_ids: A column of the evaluation set, one value per row, as `sp.images` gives it. The next three arguments
            are such columns too.
        references: 1 for an unsafe image, 0 for a safe one.
        categories: The images' categories.
        groups: The images' groups.
        unsafe_label: The model's class for unsafe images.
        threshold: As in `score`.

    Returns:
        A function that returns `flat(score)`; the Trainer prefixes the names with `eval_`. It raises PairError as
        `score` does, and if the logits or labels do not fit the columns.
    """
    columns = {"pair_id": pair_ids, "reference": references, "category": categories, "group": groups}
    held = {name: list(values) for name, values in columns.items() if values is not None}

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        from safetypairs_hf.metric.score import score

        scores = p_unsafe(prediction.predictions, unsafe_label)
        _check(scores, prediction.label_ids, held["reference"], unsafe_label)
        return flat(score({**held, "score": scores}, threshold=threshold))

    return compute_metrics


def p_unsafe(logits: Any, unsafe_label: int = 1) -> NDArray[Any]:
    """Return (n,) P(unsafe), float64, from logits: (n, classes) by softmax, (n,) or (n, 1) by sigmoid.

    Models that return more than logits return a tuple; its first element is used.
    """
    import numpy as np

    values = np.asarray(logits[0] if isinstance(logits, tuple | list) else logits, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 1:
        return np.asarray(0.5 * (1 + np.tanh(values / 2)))  # the sigmoid, without overflow
    if values.ndim != 2 or not 0 <= unsafe_label < values.shape[1]:
        raise PairError(
            f"logits of shape {values.shape} with unsafe_label={unsafe_label}: "
            "they are (n, classes), one row an image, or (n,)"
        )
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(shifted[:, unsafe_label] / shifted.sum(axis=1))


def _check(scores: NDArray[Any], labels: Any, references: Sequence[int], unsafe_label: int) -> None:
    import numpy as np

    if len(scores) != len(references):
        raise PairError(
            f"{counted(len(scores), 'prediction')} for {counted(len(references), 'image')}: give make_compute_metrics "
            "the columns of the evaluation set that the Trainer has"
        )
    if labels is None or isinstance(labels, tuple | list):
        return
    of_labels = np.asarray(labels).reshape(len(scores), -1)[:, 0] == unsafe_label
    different = int(np.count_nonzero(of_labels != (np.asarray(references) == 1)))
    if different:
        raise PairError(
            f"{different:,} of {counted(len(scores), 'label')} {verb(different, 'is')} not those of the references: "
            "the Trainer's evaluation set is another one, or in another order"
        )
