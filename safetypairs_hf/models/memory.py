"""Work in batches that fit: one that runs out of memory is halved, and the work goes on."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

from safetypairs_hf.errors import SafetyPairsError

Item = TypeVar("Item")
Result = TypeVar("Result")
# What is raised as a plain RuntimeError: PyTorch's allocator on a CPU (Linux, Windows), and libraries on a GPU.
_WORDS = ("can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


def in_batches(
    items: Sequence[Item], size: int, work: Callable[[Sequence[Item]], Sequence[Result]]
) -> list[tuple[Result, int]]:
    """The results of `work` in the order of `items`, each with the size of the batch that it came from.

    Batches have `size` items from the first on, so that they depend on `items` alone; after one that does not fit, half
    as many.

    Raises:
        SafetyPairsError: not even one item fits.
    """
    import torch

    done: list[tuple[Result, int]] = []
    while len(done) < len(items):
        batch = items[len(done) : len(done) + size]
        try:
            done += [(result, len(batch)) for result in work(batch)]
            continue
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise SafetyPairsError(
                    "not enough memory for a batch of one image; use smaller images or a larger GPU"
                ) from error
        size = len(batch) // 2  # out of the handler, where the error's traceback would keep the tensors alive
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return done


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in _WORDS)
