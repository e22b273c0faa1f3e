"""Batches are prepared beside the model: what waits for what, which batches there are, and memory that runs out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest
from processes import LIMIT

pytest.importorskip("torch")

import torch

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.models.ahead import THREADS, Ahead

TOO_MUCH = 2**46  # numbers, four bytes each: no machine has that
GROUPS = [[1, 2, 3, 4, 5], [], [11, 12], [103]]


def tenfold(batch: Sequence[int]) -> list[int]:
    return [10 * item for item in batch]


def nothing() -> None: ...


def test_results_are_of_their_groups_in_order_and_batches_of_one_group_and_key() -> None:
    batches: list[list[int]] = []

    def work(prepared: Sequence[int]) -> list[int]:
        batches.append(list(prepared))
        return tenfold(prepared)

    ahead = Ahead(2, nothing, lambda batch: batch, work, key=lambda item: item == 4)
    assert [done.results for done in ahead.run(GROUPS)] == [tenfold(group) for group in GROUPS]
    assert batches == [[1, 2], [3], [4], [5], [11, 12], [103]]
    assert list(ahead.run([])) == []


def test_the_next_batch_is_prepared_while_the_model_is_at_one_and_be_it_of_the_next_group() -> None:
    """The model does not end a batch before the next one is ready: were it prepared after, nobody would."""
    here = threading.current_thread()
    ready = {batch: threading.Event() for batch in ((1, 2), (3,), (4, 5))}
    after = {(1, 2): (3,), (3,): (4, 5)}

    def prepare(batch: Sequence[int]) -> tuple[int, ...]:
        assert threading.current_thread() is not here
        ready[tuple(batch)].set()
        return tuple(batch)

    def work(prepared: tuple[int, ...]) -> list[int]:
        assert threading.current_thread() is here
        if prepared in after:
            assert ready[after[prepared]].wait(LIMIT)
        return tenfold(prepared)

    found = Ahead(2, nothing, prepare, work).run([[1, 2, 3], [4, 5]])
    assert [done.results for done in found] == [[10, 20, 30], [40, 50]]


def test_a_group_that_is_slow_to_come_does_not_stop_the_model() -> None:
    worked = threading.Event()

    def groups() -> Iterator[list[int]]:
        yield [1]
        assert worked.wait(LIMIT)  # the second is not there before the first is through
        yield [2]

    def work(prepared: Sequence[int]) -> list[int]:
        worked.set()
        return list(prepared)

    assert [done.results for done in Ahead(2, nothing, list, work).run(groups())] == [[1], [2]]


def test_no_more_is_prepared_than_there_is_room_for() -> None:
    taken: list[int] = []

    def groups() -> Iterator[list[int]]:
        for number in range(100):
            taken.append(number)
            yield [number]

    found = Ahead(1, nothing, list, list).run(groups())
    next(found)
    found.close()
    assert len(taken) <= THREADS + 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("take", "prepare"))]


def test_the_model_is_loaded_first_here_and_only_for_something() -> None:
    said: list[str] = []
    ahead = Ahead(
        2, lambda: said.append(threading.current_thread().name), lambda batch: said.append("prepared") or batch, list
    )
    assert [done.results for done in ahead.run([[], []])] == [[], []] and said == []
    assert [done.results for done in ahead.run([[], [1]])] == [[], [1]]
    assert said == [threading.current_thread().name, "prepared"]


def test_memory_that_runs_out_halves_this_batch_and_those_after_it() -> None:
    sizes: list[int] = []

    def work(prepared: Sequence[int]) -> list[int]:
        sizes.append(len(prepared))
        if len(prepared) > 2:
            torch.empty(TOO_MUCH)
        return tenfold(prepared)

    groups = [list(range(8)), list(range(60, 70)), list(range(70, 76))]
    found = list(Ahead(8, nothing, lambda batch: batch, work).run(groups))
    assert [done.results for done in found] == [tenfold(group) for group in groups]
    assert sizes[:4] == [8, 4, 2, 2] and max(sizes[-3:]) == 2
    with pytest.raises(SafetyPairsError, match="not enough memory for a batch of one image"):
        list(Ahead(8, nothing, lambda batch: torch.empty(TOO_MUCH), list).run([[1, 2]]))


def test_what_goes_wrong_is_raised_here() -> None:
    def refuse(batch: Sequence[int]) -> Sequence[int]:
        raise SafetyPairsError("no such model")

    with pytest.raises(SafetyPairsError, match="no such model"):
        list(Ahead(2, nothing, refuse, list).run([[1]]))
    with pytest.raises(SafetyPairsError, match="no such model"):
        list(Ahead(2, lambda: refuse([]), list, list).run([[1]]))
    with pytest.raises(ZeroDivisionError):
        list(Ahead(2, nothing, list, lambda batch: [1 // 0]).run([[1]]))
    with pytest.raises(ZeroDivisionError):
        list(Ahead(2, nothing, list, list).run([1 // each] for each in (1, 0)))
