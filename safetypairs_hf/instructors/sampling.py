"""Sample each item of a batch with its own generator, so that the result does not depend on the rest of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class OwnNoise:
    """A transformers logits processor that samples at `temperature` by the Gumbel-max trick.

    It adds Gumbel noise to the scores, so that the greedy choice is a sample (https://arxiv.org/abs/1411.0030). Row i
    draws from a generator seeded with `seeds[i]`.
    """

    def __init__(self, seeds: Sequence[int], temperature: float) -> None:
        import torch

        self.temperature = temperature
        self.generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return noisy scores, float32, (batch, vocabulary). Tokens that are excluded stay at minus infinity."""
        import torch

        draws = [torch.rand(scores.shape[1], generator=each, dtype=torch.float64) for each in self.generators]
        noise = -torch.log(-torch.log(torch.stack(draws).clamp(1e-300, 1 - 1e-16)))
        return scores.float() / self.temperature + noise.to(scores.device, torch.float32)
