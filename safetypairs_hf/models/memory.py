"""Work in batches that fit into memory: a batch that does not fit is halved, and the work continues."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

from safetypairs_hf.core.errors import SafetyPairsError

# PyTorch's messages for errors without a class of their own: CPU allocator (two systems), Apple GPUs, cuBLAS, cuDNN.
_SAID = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_batches(
    items: Sequence[Item], size: int, work: Callable[[Sequence[Item]], Sequence[Result]]
) -> list[tuple[Result, int]]:
    """Return the results of `work` in the order of `items`, each with the size of its batch.

    Batches have `size` items, so they depend only on `items`; after a batch that does not fit, later ones have half as
    many.

    Raises:
        SafetyPairsError: Not even one item fits.
    """
    done: list[tuple[Result, int]] = []
    while len(done) < len(items):
        batch = items[len(done) : len(done) + size]
        try:
            done += [(result, len(batch)) for result in work(batch)]
            continue
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(batch) == 1:
                raise SafetyPairsError(
                    "not enough memory for a batch of one image; use smaller images or a larger GPU"
                ) from error
        size = len(batch) // 2  # outside of the handler, because the error's traceback would keep the tensors alive
        give_back()
    return done


def give_back() -> None:
    """Return memory that is no longer used to the machine and its GPU."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the GPU (also inside cuBLAS or cuDNN) or the machine ran out of memory."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SAID)
