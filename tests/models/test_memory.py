"""Batches that do not fit: the errors are those of the real allocators, which are asked for more than there can be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

pytest.importorskip("torch")

import torch

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.models.chat import Refused, unless_refused
from safetypairs_hf.models.memory import in_batches, out_of_memory

TOO_MUCH = 2**46  # numbers, four bytes each: no machine has that


def doubled(batch: Sequence[int]) -> list[int]:
    """Of at most two items; for more it wants more memory than there is."""
    if len(batch) > 2:
        torch.empty(TOO_MUCH)
    return [2 * item for item in batch]


def test_a_batch_that_does_not_fit_is_halved_until_it_does() -> None:
    assert in_batches(range(9), 8, doubled) == [(2 * item, 1 if item == 8 else 2) for item in range(9)]


def test_one_item_that_does_not_fit() -> None:
    with pytest.raises(SafetyPairsError, match="not enough memory for a batch of one image; use smaller images or"):
        in_batches([1], 4, lambda batch: [torch.empty(TOO_MUCH)])


def test_other_errors_are_raised_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        in_batches([1, 2], 2, lambda batch: [torch.ones(2, 3) @ torch.ones(2, 3)])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (ValueError("an image out of memory lane"), False),
    ],
)
def test_what_says_that_memory_ran_out(error: Exception, expected: bool) -> None:
    assert out_of_memory(error) is expected


def test_memory_that_runs_out_in_a_processor_is_no_refusal() -> None:
    """It would be an abstention of an image that was never looked at."""

    def prepare(batch: Sequence[int]) -> Sequence[int]:
        if -1 in batch:
            raise ValueError("no image")
        return doubled(batch)

    assert unless_refused([1, -1], prepare, list) == [2, Refused("ValueError: no image")]
    found = in_batches([1, 2, 3, -1], 4, lambda batch: unless_refused(batch, prepare, list))
    assert [each for each, _ in found] == [2, 4, 6, Refused("ValueError: no image")]
