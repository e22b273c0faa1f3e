"""Work in batches that fit: one that runs out of memory is halved, and the work goes on."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

from safetypairs_hf.core.errors import SafetyPairsError

# How PyTorch says it where it has no class for it: its CPU allocator (two systems), Apple's GPUs, cuBLAS and cuDNN.
_SAID = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_batches(
    items: Sequence[Item], size: int, work: Callable[[Sequence[Item]], Sequence[Result]]
) -> list[tuple[Result, int]]:
    """The results of `work` in the order of `items`, each with the size of the batch that it came from.

    Batches have `size` items from the first on, so that they depend on `items` alone; after one that does not fit, half
    as many.

    Raises:
        SafetyPairsError: not even one item fits.
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
        size = len(batch) // 2  # out of the handler, where the error's traceback would keep the tensors alive
        give_back()
    return done


def give_back() -> None:
    """Return what nothing holds any more to the machine and its GPU."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory(error: BaseException) -> bool:
    """Whether it says that memory ran out: of a GPU (also inside cuBLAS or cuDNN), or of the machine."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SAID)
