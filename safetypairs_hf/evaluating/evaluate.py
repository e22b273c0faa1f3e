"""`evaluate`: run a guard over the pairs of a version, write a file of predictions, and return its figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import RunError, SafetyPairsError, counted, verb
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.evaluating.abstentions import NOT_COVERED
from safetypairs_hf.evaluating.data import Data, open_data
from safetypairs_hf.evaluating.judging import Progress, Tell, Work, judge_units
from safetypairs_hf.evaluating.prediction_file import told_by
from safetypairs_hf.evaluating.run_identity import identity_of
from safetypairs_hf.evaluating.work_units import Parts, join
from safetypairs_hf.guards.user_guard import as_guard, as_judge
from safetypairs_hf.taxonomy.binding import bind

if TYPE_CHECKING:
    from datasets import Dataset

    from safetypairs_hf.core.records import Judge
    from safetypairs_hf.metric.score import PairScore
    from safetypairs_hf.taxonomy.categories import Taxonomy

# Images in a work unit: at most this many are judged again after a kill. The number is rounded up to whole batches.
UNIT = 64
# This control keeps the labels of its pair, so the figures of the config `controls` are computed from it.
REGENERATED = "both_regenerated"


class UnfinishedError(RunError):
    """This process finished its share, but other processes have not finished theirs."""


@dataclass(frozen=True)
class Share:
    """The units of this process: those with number % `processes` == `rank`."""

    rank: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.processes:
            raise RunError(f"RANK={self.rank} and WORLD_SIZE={self.processes}: expected RANK below WORLD_SIZE")


def evaluate(
    guard: Judge | Callable[..., Any],
    data: str | Dataset,
    out: str | os.PathLike[str] | None = None,
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
    """Judge every image of the pairs once with a guard, write the predictions to a file, and score them.

    A run that was killed continues when it is started again, and writes the same bytes. With RANK and WORLD_SIZE in
    the environment, this process judges its share of the units, and the last process to finish joins the shares.

    The file has the columns of docs/metric.md except `prediction`, because guards give scores. It adds `note` (why the
    guard abstained, "" where it did not), `raw` (its answer), `sha256` (of the image file) and, for the config
    `controls`, `control` (the kind of control).

    For the config `policy_pairs`, the guard is asked about each image twice, once by each of two policies, and the
    column `policy` names the policy. A guard that takes no policy abstains with the note "not_covered".

    Args:
        guard: A guard, or a plain function: `guard(image)`, `guard(image, category)`, or `guard(images)` for one that
            takes lists. A function that was typed at a prompt has no file, so it needs a `revision`:
            `guard.revision = "1"`.
        data: "TARGET@X.Y.Z", "TARGET" for its newest version, or a dataset that `load` returned.
        out: The Parquet file to write. None keeps no file, so an interrupted run starts again.
        split: The split to judge.
        configs: The configs to judge. The figures of `controls` are those of the kind both_regenerated.
        limit: Judge a sample of this many whole pairs, chosen by their ids; None judges all pairs.
        unit: Images in a work unit, rounded up to whole batches; `UNIT` by default.
        fresh: Discard the predictions of an earlier run of this `out`.
        retry: "failed" asks again about images that failed (notes "server_error", "broken_output" and "broken_image"),
            in a finished file or in an unfinished run, and keeps all other predictions.
        unreadable: "error" stops the run if no answer in the guard's first unit can be read; "warn" continues.
        threshold: The score, in [0, 1], from which an image counts as unsafe in the returned figures; 0.5 by default.
        check: As in `load`. With "warn", the name of the data in the signature ends in "(check=warn)".
        taxonomy: A file, or what `taxonomy.read` returns, for a dataset without a version whose categories are not the
            default nine. A published version carries its own taxonomy, and the guard is asked by its policies.
        categories: Judge only pairs of these categories; all by default.
        progress: Called with (name, done, total).

    Returns:
        The figures of the predictions. Their signature names the data and the prompt.

    Raises:
        RunError: `out` belongs to another run. Its subclass UnfinishedError: other processes still have units to judge.
        SafetyPairsError: The data cannot be opened, or the guard cannot be used.
    """
    if out is None and retry:
        raise RunError("retry needs the file of an earlier run; name it: out")
    opened = open_data(data, split, configs, limit, check, taxonomy, categories)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.parquet" if out is None else Path(out)
        judge_data(guard, opened, file, unit=unit, fresh=fresh, retry=retry, unreadable=unreadable, progress=progress)
        return score_run(file, threshold)


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
    """Judge every image of opened data into the file `out`. The arguments are as in `evaluate` and `judge_units`.

    Returns:
        The number of judged images and the time; all zero if the file was already complete.

    Raises:
        KeyboardInterrupt: The run was interrupted. The text says what is kept and how to continue.
        RunError: An argument is invalid, or `out` belongs to another run.
    """
    share, guard = _share(), bind(as_judge(guard), data.taxonomy)
    if retry not in (None, "failed"):
        raise RunError(f"retry = {retry!r}: expected 'failed'")
    if unreadable not in ("error", "warn"):
        raise RunError(f"unreadable = {unreadable!r}: expected 'error' or 'warn'")
    if fresh and retry:
        raise RunError("fresh discards all predictions, and retry keeps those that did not fail; give one of them")
    for asked, name in ((fresh, "fresh"), (retry, "retry")):
        if asked and share.processes > 1:
            raise RunError(
                f"{name} with {share.processes} processes: each would remove the work of the others; "
                + (f"delete {out} first" if fresh else "unset WORLD_SIZE")
            )
    _take_gpu(guard, share)
    size = whole_batches(guard, unit or UNIT)
    units = data.units(size)
    images = [[data.images[row] for row in rows] for rows in units]
    parts = Parts(out, identity_of(guard, data, size), images, fresh=fresh, retry=bool(retry))
    if parts.joined:
        return Work()
    mine = [n for n in range(len(units)) if n % share.processes == share.rank and not parts.has(n)]
    if data.pair_categories is not None and not as_guard(guard).takes_policy:
        for number in mine:
            parts.write(number, [Verdict(None, NOT_COVERED)] * len(units[number]))
        mine = []
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
            f"{left} of {counted(len(units), 'unit')} {verb(left, 'is')} left to other processes; the last process "
            f"joins them in {out}, or run the same command again"
        )
    work.retried, work.mended = len(parts.failed), parts.mended
    return work


def score_run(out: Path, threshold: float | None = None) -> PairScore:
    """Return the figures of a file that `evaluate` wrote. Their signature names its data and prompt."""
    from safetypairs_hf.metric.score import score

    told = told_by(out)
    if not told:
        raise SafetyPairsError(f"{out} was not written by evaluate; see: safetypairs score {out}")
    return score(_pairs(out), threshold=threshold, **told)


def _pairs(out: Path) -> dict[str, Any]:
    """Return the rows that are pairs. Of controls, these are the pairs whose members were both regenerated."""
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
    """Give each process on a machine its own GPU; a guard's device "auto" means the current one."""
    local = os.environ.get("LOCAL_RANK", "")
    if share.processes > 1 and local.isdecimal() and getattr(guard, "holds_model", False):
        try:
            import torch
        except ImportError:
            return
        if torch.cuda.is_available():
            torch.cuda.set_device(int(local) % torch.cuda.device_count())


def whole_batches(guard: Any, unit: int) -> int:
    """Return the images of a work unit, rounded up to whole batches of the guard."""
    asked = (guard, getattr(guard, "inner", None))
    sizes = (getattr(each, "batch_size", None) for each in asked if getattr(each, "in_batches", True))
    batch = next((int(size) for size in sizes if size), 1)
    return -(-unit // batch) * batch
