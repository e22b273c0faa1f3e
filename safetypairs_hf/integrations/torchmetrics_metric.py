"""Pair-consistent accuracy as a `torchmetrics.Metric`, with distributed sync: needs torchmetrics.

    metric = PairConsistentAccuracy()
    for batch in loader:
        metric.update(p_unsafe, references=batch["reference"], pair_ids=batch["pair_id"])
    self.log_dict(metric.compute())

The two images of a pair may be in different batches, and on different processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torchmetrics

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.integrations.shared import flat
from safetypairs_hf.metric.rows import abstentions_written, images_of
from safetypairs_hf.metric.score import PairScore, score

WIDTH = 64  # bytes of an id, a category or a group, at most
_NO_VERDICT, _NO_SCORE = -1, -1.0
_TEXT = ("pair_id", "category", "group")
# One row per image, as bytes. Such a state is gathered in one call, whatever columns a process has seen.
_ROW = np.dtype(
    [
        ("reference", "i1"),
        ("prediction", "i1"),
        ("score", "f8"),
        ("given", "u1"),
        *((name, f"S{WIDTH}") for name in _TEXT),
    ]
)
_GIVEN = ("prediction", "score", "category", "group")


class PairConsistentAccuracy(torchmetrics.Metric):  # type: ignore[misc]
    """The figures of `safetypairs_hf.score` over all updates on all processes.

    `compute` returns `flat(score)` as float64 tensors, and `result` returns the whole PairScore.

    Args:
        threshold: Scores at or above it mean unsafe, if no predictions are given.
        incomplete: "error", or "drop" to leave out pairs with only one image.
        doubled: "error", or "first" to keep the first of repeated images. DistributedSampler repeats some images to
            give each process the same number; `n_doubled` counts the repetitions.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    rows: list[torch.Tensor]

    def __init__(
        self, threshold: float | None = None, incomplete: str = "error", doubled: str = "error", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if doubled not in ("error", "first"):
            raise PairError(f"doubled={doubled!r}: it is 'error' or 'first'")
        self.threshold, self.incomplete, self.doubled = threshold, incomplete, doubled
        self.n_doubled = 0
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    def update(
        self,
        scores: torch.Tensor | Sequence[float | None] | None = None,
        *,
        references: torch.Tensor | Sequence[int],
        pair_ids: torch.Tensor | Sequence[Any],
        predictions: torch.Tensor | Sequence[int | None] | None = None,
        categories: Sequence[str] | None = None,
        groups: torch.Tensor | Sequence[Any] | None = None,
    ) -> None:
        """Add images, one row each. None in a list is an abstention.

        Args:
            scores: P(unsafe), in [0, 1].
            references: 1 for an unsafe image, 0 for a safe one.
            pair_ids: An id that the two images of a pair share.
            predictions: Verdicts, 1 or 0, instead of scores or together with them.
            categories: The images' categories.
            groups: The images' groups.

        Raises:
            PairError: A value breaks a rule of the metric. `compute` checks the rules on whole pairs.
        """
        given = {
            "pair_id": pair_ids,
            "reference": references,
            "score": scores,
            "prediction": predictions,
            "category": categories,
            "group": groups,
        }
        images = images_of({name: values for name, values in given.items() if values is not None}, part=True)
        rows = np.zeros(len(images.reference), dtype=_ROW)
        rows["reference"] = images.reference
        rows["prediction"] = _NO_VERDICT if images.prediction is None else images.prediction
        rows["score"] = _NO_SCORE if images.score is None else np.nan_to_num(images.score, nan=_NO_SCORE)
        rows["given"] = sum(1 << bit for bit, name in enumerate(_GIVEN) if getattr(images, name) is not None)
        for name in _TEXT:
            values = getattr(images, name)
            if values is not None:
                rows[name] = _encoded(name, values.to_pylist())
        self.rows.append(torch.from_numpy(rows.view(np.uint8).copy()).to(self.device))

    def forward(self, *args: Any, **kwargs: Any) -> None:
        """Only update. A batch has no figures, because it may hold one image of a pair."""
        self.update(*args, **kwargs)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the rows of all processes. A process without rows takes part with an empty state of the same type."""
        if not self.rows:
            self.rows = [torch.empty(0, dtype=torch.uint8, device=self.device)]
        super().sync(*args, **kwargs)

    def compute(self) -> dict[str, torch.Tensor]:
        """Return the figures of all images that were added. Raises PairError as `score` does."""
        result = self._score()
        figures = {**flat(result), **({"n_doubled": float(self.n_doubled)} if self.doubled == "first" else {})}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in figures.items()}

    def result(self) -> PairScore:
        """Return the whole score with its signature, synchronised over all processes like `compute`."""
        with self.sync_context(should_sync=self._to_sync, should_unsync=self._should_unsync):
            return self._score()

    def _score(self) -> PairScore:
        parts = self.rows if isinstance(self.rows, list) else [self.rows]
        held = torch.cat(parts).cpu().numpy() if parts else np.zeros(0, dtype=np.uint8)
        rows = self._once(held.view(_ROW))
        if len(rows) and (rows["given"] != rows["given"][0]).any():
            raise PairError(f"some updates gave {', '.join(_GIVEN)} that others did not; give all updates the same")
        bits = int(rows["given"][0]) if len(rows) else 3
        columns: dict[str, Any] = {
            "pair_id": [each.decode() for each in rows["pair_id"].tolist()],
            "reference": rows["reference"],
        }
        for bit, name in enumerate(_GIVEN):
            if bits >> bit & 1:
                columns[name] = [_decoded(each) for each in rows[name].tolist()]
        return score(abstentions_written(columns), threshold=self.threshold, incomplete=self.incomplete)

    def _once(self, rows: Any) -> Any:
        if self.doubled == "error":
            return rows
        _, first = np.unique(rows[["pair_id", "reference"]], return_index=True)
        self.n_doubled = len(rows) - len(first)
        return rows[np.sort(first)]


def _encoded(name: str, values: Sequence[Any]) -> list[bytes]:
    encoded = [str(value).encode() for value in values]
    long = next((value for value in encoded if len(value) > WIDTH), None)
    if long is not None:
        raise PairError(f"a {name} of {len(long)} bytes; {WIDTH} at most: {long.decode()!r}")
    return encoded


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return None if value == _NO_VERDICT else value
