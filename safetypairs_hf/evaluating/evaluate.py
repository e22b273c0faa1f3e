"""`evaluate`: a guard over the pairs of a version, to a file of predictions and its figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import RunError, SafetyPairsError
from safetypairs_hf.evaluating.data import Data, open_data
from safetypairs_hf.evaluating.judging import Progress, Tell, Work, judge_units
from safetypairs_hf.evaluating.prediction_file import told_by
from safetypairs_hf.evaluating.run_identity import identity_of
from safetypairs_hf.evaluating.work_units import Parts, join
from safetypairs_hf.guards.user_guard import as_judge
from safetypairs_hf.taxonomy.binding import bind

if TYPE_CHECKING:
    from datasets import Dataset

    from safetypairs_hf.core.records import Judge
    from safetypairs_hf.metric.score import PairScore
    from safetypairs_hf.taxonomy.categories import Taxonomy

# Images of a work unit: at most so many are judged again after a kill. Whole batches, so a little more where need be.
UNIT = 64
# The control that has the pair's own labels, so that the figures of a run over the config `controls` are of it.
REGENERATED = "both_regenerated"


class UnfinishedError(RunError):
    """This process did its share, and other processes are not done with theirs."""


@dataclass(frozen=True)
class Share:
    """Which units this process takes: those with number % `processes` == `rank`."""

    rank: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.processes:
            raise RunError(f"RANK={self.rank} and WORLD_SIZE={self.processes}: expected a rank below the size")


def evaluate(
    guard: Judge | Callable[..., Any],
    data: str | Dataset,
    out: str | os.PathLike[str],
    *,
    split: str = "test",
    configs: Sequence[str] = ("default",),
    limit: int | None = None,
    unit: int | None = None,
    fresh: bool = False,
    retry: str | None = None,
    unreadable: str = "error",
    threshold: float | None = None,
    check: str = "error",
    taxonomy: str | Path | Taxonomy | None = None,
    categories: Sequence[str] = (),
    progress: Progress = lambda name, done, total: None,
) -> PairScore:
    """Judge every image of some pairs with a guard, once each, into the Parquet file `out`; its figures.

    `guard` may be a plain function, as `evaluate function` takes it.

    Started again after a kill it goes on, to the same bytes. `data`: "TARGET@X.Y.Z", "TARGET" (its newest version), or
    a dataset that `load` gave. `limit`: so many whole pairs, a sample by their ids. `unit`: images of a work unit, UNIT
    by default, in whole batches. `fresh`: forget what is there. `retry`: "failed" asks again what failed, in `out` or
    in a run that is not finished (notes "server_error", "broken_output" and "broken_image"), and keeps the rest.
    `unreadable`: "error" ends the run where nothing that the guard gives for its first unit can be read, "warn" goes
    on. `check`: see `load`; the data's name in the signature ends in "(check=warn)" where that was given. With RANK and
    WORLD_SIZE in the environment, this process does its share of the units, and the last one to end joins them.
    `taxonomy`: a file, or what `taxonomy.read` gives, for a dataset that names no version and has other categories than
    the nine; a version has its own, by whose policies the guard is asked. `categories`: only the pairs of these.
    Columns of `out`: those of docs/metric.md but
    `prediction`, as guards give scores, and `note` (why it abstained, "" where it did not), `raw`, `sha256`, and of the
    config `controls` `control`; its figures are those of both_regenerated.

    Raises:
        RunError: `out` is of another run; its subclass UnfinishedError where other processes have units to do.
        SafetyPairsError: as `open_data` and the guard do.
    """
    opened = open_data(data, split, configs, limit, check, taxonomy, categories)
    judge_data(guard, opened, Path(out), unit=unit, fresh=fresh, retry=retry, unreadable=unreadable, progress=progress)
    return score_run(Path(out), threshold)


def judge_data(
    guard: Judge | Callable[..., Any],
    data: Data,
    out: Path,
    *,
    unit: int | None = None,
    fresh: bool = False,
    retry: str | None = None,
    unreadable: str = "error",
    progress: Progress = lambda name, done, total: None,
    tell: Tell = lambda line: None,
) -> Work:
    """Judge every image of opened data into the file `out`; see `evaluate`. `tell`: see `judge_units`.

    Returns:
        How many images were judged, and how long it took; nothing where the file was there already.

    Raises:
        KeyboardInterrupt: as it came; its text says what is kept, and how to go on.
    """
    share, guard = _share(), bind(as_judge(guard), data.taxonomy)
    if retry not in (None, "failed"):
        raise RunError(f"retry = {retry!r}: expected 'failed'")
    if unreadable not in ("error", "warn"):
        raise RunError(f"unreadable = {unreadable!r}: expected 'error' or 'warn'")
    if fresh and retry:
        raise RunError("fresh starts over, and retry keeps what did not fail; give one of them")
    for asked, name in ((fresh, "fresh"), (retry, "retry")):
        if asked and share.processes > 1:
            raise RunError(
                f"{name} with {share.processes} processes: each would remove what others did; "
                + (f"delete {out} first" if fresh else "unset WORLD_SIZE")
            )
    _take_gpu(guard, share)
    size = _whole_batches(guard, unit or UNIT)
    units = data.units(size)
    images = [[data.images[row] for row in rows] for rows in units]
    parts = Parts(out, identity_of(guard, data, size), images, fresh=fresh, retry=bool(retry))
    if parts.joined:
        return Work()
    mine = [n for n in range(len(units)) if n % share.processes == share.rank and not parts.has(n)]
    try:
        work = judge_units(guard, data, parts, units, mine, progress, unreadable == "error", tell)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(parts.standing()) from error
    finally:
        parts.close()
        if share.processes == 1:
            parts.give_up()
    if not join(parts, data):
        left = sum(not parts.has(n) for n in range(len(units)))
        raise UnfinishedError(
            f"{left} of {len(units)} units are left to other processes; the last one to end joins them in {out}, "
            "or the same command run again"
        )
    work.retried, work.mended = len(parts.failed), parts.mended
    return work


def score_run(out: Path, threshold: float | None = None) -> PairScore:
    """The figures of a file that `evaluate` wrote, with what it says of its data and prompt in the signature."""
    from safetypairs_hf.metric.score import score

    told = told_by(out)
    if not told:
        raise SafetyPairsError(f"{out} is no file that evaluate wrote; see: safetypairs score {out}")
    return score(_pairs(out), threshold=threshold, **told)


def _pairs(out: Path) -> dict[str, Any]:
    """The rows that are pairs: of controls, the pairs of which both members were regenerated."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from safetypairs_hf.metric.rows import abstentions_written

    table = pq.read_table(out)
    if "control" in table.column_names:
        table = table.filter(pc.equal(table["control"], REGENERATED))
    return abstentions_written({name: table[name] for name in table.column_names})


def _share() -> Share:
    rank, size = os.environ.get("RANK") or "0", os.environ.get("WORLD_SIZE") or "1"
    if not (rank.isdecimal() and size.isdecimal()):
        raise RunError(f"RANK={rank} and WORLD_SIZE={size}: expected whole numbers; unset both for one process")
    return Share(int(rank), int(size))


def _take_gpu(guard: Any, share: Share) -> None:
    """Each process of a machine takes a GPU of its own; a guard's device "auto" means the current one."""
    local = os.environ.get("LOCAL_RANK", "")
    if share.processes > 1 and local.isdecimal() and getattr(guard, "holds_model", False):
        try:
            import torch
        except ImportError:
            return
        if torch.cuda.is_available():
            torch.cuda.set_device(int(local) % torch.cuda.device_count())


def _whole_batches(guard: Any, unit: int) -> int:
    asked = (guard, getattr(guard, "inner", None))
    sizes = (getattr(each, "batch_size", None) for each in asked if getattr(each, "in_batches", True))
    batch = next((int(size) for size in sizes if size), 1)
    return -(-unit // batch) * batch
