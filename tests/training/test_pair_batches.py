"""Batches of whole pairs: one process and several, any batch size, the real DataLoader and accelerate's sharing."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec

import pytest

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.training.pair_batches import PairBatchSampler

PAIRS = 11
# Members side by side in the first pairs and far apart in the last ones.
IDS = [f"p{number // 2}" for number in range(12)] + [f"p{number}" for number in range(6, PAIRS)] * 2


def pairs_of(batch: list[int]) -> list[str]:
    assert len(batch) % 2 == 0
    for first, second in zip(batch[::2], batch[1::2], strict=True):
        assert IDS[first] == IDS[second] and first < second
    return [IDS[row] for row in batch[::2]]


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 22, 100])
@pytest.mark.parametrize("drop_last", [False, True])
def test_an_epoch_takes_each_pair_once(size: int, drop_last: bool) -> None:
    sampler = PairBatchSampler(IDS, size, drop_last=drop_last)
    batches = list(sampler)
    taken = [pair for batch in batches for pair in pairs_of(batch)]
    assert len(sampler) == len(batches) and all(len(batch) <= size for batch in batches)
    assert len(set(taken)) == len(taken) == (PAIRS // (size // 2) * (size // 2) if drop_last else PAIRS)


def test_the_order_is_of_the_seed_and_the_epoch() -> None:
    one, same, other = (PairBatchSampler(IDS, 4, seed=seed) for seed in (1, 1, 2))
    assert list(one) == list(one) == list(same) != list(other)
    one.set_epoch(1)
    assert list(one) != list(same)
    assert [row for batch in PairBatchSampler(IDS, 4, shuffle=False) for row in batch][:4] == [0, 1, 2, 3]


@pytest.mark.parametrize("replicas", [2, 3, 11, 16])
def test_processes_share_the_pairs_in_equal_numbers(replicas: int) -> None:
    samplers = [PairBatchSampler(IDS, 5, rank=rank, replicas=replicas) for rank in range(replicas)]
    taken = [[pair for batch in sampler for pair in pairs_of(batch)] for sampler in samplers]
    assert len({len(sampler) for sampler in samplers}) == len({len(each) for each in taken}) == 1
    counts = Counter(pair for each in taken for pair in each)
    assert set(counts) == set(IDS) and sum(counts.values()) - PAIRS < replicas and max(counts.values()) <= 2


@pytest.mark.parametrize(
    ("ids", "options", "said"),
    [
        (["a", "a"], {"batch_size": 1}, "batch_size is 1"),
        (["a", "a", "b"], {"batch_size": 2}, "pair 'b' has 1 row;"),
        (["a", "a", "a"], {"batch_size": 2}, "pair 'a' has 3 rows;"),
        ([], {"batch_size": 2}, "there are no rows"),
        (["a", "a"], {"batch_size": 2, "rank": 2, "replicas": 2}, "rank is 2 of 2 processes; expected 0 to 1"),
        (["a", "a"], {"batch_size": 2, "replicas": 0}, "rank is 0 of 0"),
    ],
)
def test_mistakes_are_one_line(ids: list[str], options: dict[str, int], said: str) -> None:
    with pytest.raises(SafetyPairsError, match=said):
        PairBatchSampler(ids, **options)


@pytest.mark.skipif(not find_spec("accelerate"), reason="needs torch and accelerate")
def test_with_a_real_loader_and_shared_out_by_accelerate() -> None:
    from accelerate.data_loader import prepare_data_loader
    from torch.utils.data import DataLoader

    loader = DataLoader(range(len(IDS)), batch_sampler=PairBatchSampler(IDS, 4), collate_fn=list)  # type: ignore[arg-type]
    assert {pair for batch in loader for pair in pairs_of(batch)} == set(IDS)
    shared = [prepare_data_loader(loader, num_processes=2, process_index=rank, put_on_device=False) for rank in (0, 1)]
    taken = [[pair for batch in each for pair in pairs_of(batch)] for each in shared]
    assert set(taken[0]) | set(taken[1]) == set(IDS) and len(taken[0]) == len(taken[1])
