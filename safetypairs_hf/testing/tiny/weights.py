"""Make models with random weights that depend only on a seed, and save them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make all that torch draws in the block depend only on `seed`. Its global generator stays unchanged."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def save_random(folder: Path, seed: int, kind: Any, config: Any, processor: Any) -> Path:
    """Save a model of the class `kind` with random weights, and its processor. Return `folder`."""
    with seeded(seed):
        model = kind(config)
    return save(folder, model, processor)


def save(folder: Path, model: Any, processor: Any) -> Path:
    """Save a model and its processor. Return `folder`."""
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
