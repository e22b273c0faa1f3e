"""Sampling in which no item knows its batch-mates: each has a generator of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class OwnNoise:
    """A transformers logits processor: adds Gumbel noise, so that the greedy choice is a sample (the Gumbel-max trick,
    https://arxiv.org/abs/1411.0030) at `temperature`. Row i draws from a generator seeded with `seeds[i]`.
    """

    def __init__(self, seeds: Sequence[int], temperature: float) -> None:
        import torch

        self.temperature = temperature
        self.generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Noised scores, float32, (batch, vocabulary); what an earlier processor forbade stays at minus infinity."""
        import torch

        draws = [torch.rand(scores.shape[1], generator=each, dtype=torch.float64) for each in self.generators]
        noise = -torch.log(-torch.log(torch.stack(draws).clamp(1e-300, 1 - 1e-16)))
        return scores.float() / self.temperature + noise.to(scores.device, torch.float32)
