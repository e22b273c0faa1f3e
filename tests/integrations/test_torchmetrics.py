"""The torchmetrics metric gives the figures of `score`, in one process and in several."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torchmetrics")
import torch
import torch.distributed
import torch.multiprocessing
from metric.examples import SCORES, rows_of

import safetypairs_hf as sp
from safetypairs_hf.core.errors import PairError
from safetypairs_hf.integrations.shared import flat
from safetypairs_hf.integrations.torchmetrics_metric import PairConsistentAccuracy

ROWS = rows_of(SCORES, category={"a": "hate", "b": "hate"}, group={"a": "one", "c": "one"})


def fill(metric: PairConsistentAccuracy, rows: list[dict[str, object]]) -> None:
    for row in rows:
        metric.update(
            [row["score"]],
            references=torch.tensor([row["reference"]]),
            pair_ids=[row["pair_id"]],
            categories=[row["category"]],
            groups=[row["group"]],
        )


def test_all_figures_are_those_of_score() -> None:
    metric = PairConsistentAccuracy()
    fill(metric, ROWS[::-1])
    figures = {name: value.item() for name, value in metric.compute().items()}
    assert figures == flat(sp.score(ROWS))
    assert figures["pair_accuracy"] == 2 / 6
    assert metric.result() == sp.score(ROWS)


def process(rank: int, where: str, world: int) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{where}/meet", rank=rank, world_size=world)
    metric = PairConsistentAccuracy()
    fill(metric, {0: ROWS[:5], 1: ROWS[5:], 2: []}[rank])  # pair c is cut in two; the third process sees nothing
    torch.save(metric.compute(), f"{where}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore:The ``compute`` method", "ignore:This process")
@pytest.mark.parametrize("world", [2, 3])
def test_processes_pool_their_images(tmp_path: Path, world: int) -> None:
    torch.multiprocessing.start_processes(process, args=(str(tmp_path), world), nprocs=world, start_method="fork")
    for rank in range(world):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert {name: value.item() for name, value in found.items()} == flat(sp.score(ROWS))


def test_predictions_without_scores_and_tensors_of_bfloat16() -> None:
    metric = PairConsistentAccuracy()
    metric.update(predictions=[1, None], references=[1, 0], pair_ids=[7, 7])
    metric.update(predictions=torch.tensor([0, 1]), references=torch.tensor([0, 1]), pair_ids=torch.tensor([8, 8]))
    assert metric.compute()["pair_accuracy"] == 0.5
    assert metric.compute()["abstained_rate"] == 0.5
    metric.reset()
    metric.update(torch.tensor([0.75, 0.25], dtype=torch.bfloat16), references=[1, 0], pair_ids=["a", "a"])
    assert metric.compute()["pair_accuracy"] == 1


def test_what_a_sampler_repeats_counts_once_on_request() -> None:
    metric = PairConsistentAccuracy(doubled="first")
    fill(metric, ROWS + ROWS[:3])
    found = metric.compute()
    assert found.pop("n_doubled") == 3
    assert {name: value.item() for name, value in found.items()} == flat(sp.score(ROWS))


def test_a_batch_alone_has_no_figures() -> None:
    metric = PairConsistentAccuracy()
    assert metric([0.9], references=[1], pair_ids=["a"]) is None
    with pytest.raises(PairError, match="a missing half"):
        metric.compute()


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"scores": [1.5], "references": [1], "pair_ids": ["a"]}, r"a score outside \[0, 1\]"),
        ({"scores": torch.tensor([float("nan")]), "references": [1], "pair_ids": ["a"]}, "NaN"),
        ({"scores": [0.5], "references": [1], "pair_ids": ["x" * 65]}, "a pair_id of 65 bytes; 64 at most"),
        ({"scores": [0.5], "references": [1, 0], "pair_ids": ["a"]}, "columns of unequal length"),
        ({"references": [1], "pair_ids": ["a"]}, "prediction or score"),
    ],
)
def test_bad_input_is_one_line(update: dict[str, object], message: str) -> None:
    with pytest.raises(PairError, match=message):
        PairConsistentAccuracy().update(**update)


def test_updates_of_two_kinds() -> None:
    metric = PairConsistentAccuracy()
    metric.update([0.9], references=[1], pair_ids=["a"])
    metric.update(predictions=[0], references=[0], pair_ids=["a"])
    with pytest.raises(PairError, match="some updates gave"):
        metric.compute()
    with pytest.raises(PairError, match="doubled='last'"):
        PairConsistentAccuracy(doubled="last")
