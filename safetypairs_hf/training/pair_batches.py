"""`PairBatchSampler`: batches in which the two members of every pair are adjacent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from safetypairs_hf.core.errors import SafetyPairsError, counted


class PairBatchSampler:
    """Batches of rows in which the members of a pair are adjacent, for `DataLoader(batch_sampler=...)`.

    Rows 2i and 2i + 1 of a batch are the members of one pair, in the order of the dataset. Each pair occurs once in an
    epoch. The order of an epoch depends only on `seed` and the epoch, on every machine.

    With several processes, each takes an equal number of batches with different pairs; to make the numbers equal, the
    first pairs of the epoch are repeated at its end. `accelerate` and `transformers.Trainer` distribute the batches of
    a sampler themselves: leave `replicas` at 1 with them.

    Args:
        pair_ids: The pair of each row, for a dataset with one row per image: `sp.images(ds)["pair_id"]`.
        batch_size: The largest number of rows in a batch, at least 2. With an odd number, batches have one row fewer.
        shuffle: Whether to use another order of pairs in every epoch; otherwise the order of their first rows.
        seed: The seed of the order.
        drop_last: Whether to leave out a last batch that is not full.
        rank: The number of this process, from 0 to `replicas` - 1.
        replicas: The number of processes that share the pairs.

    Raises:
        SafetyPairsError: A pair does not have two rows, or `batch_size`, `rank` or `replicas` is invalid.
    """

    def __init__(
        self,
        pair_ids: Sequence[str],
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        rank: int = 0,
        replicas: int = 1,
    ) -> None:
        if batch_size < 2:
            raise SafetyPairsError(
                f"batch_size is {batch_size}, and the members of a pair are two rows; give 2 or more"
            )
        if not 0 <= rank < replicas:
            raise SafetyPairsError(f"rank is {rank} of {replicas} processes; expected 0 to {max(replicas - 1, 0)}")
        self.batch_size, self.drop_last = batch_size, drop_last
        self.rank, self.replicas = rank, replicas
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0
        self._pairs = _rows_of_pairs(pair_ids)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch. Call this before each epoch; otherwise every epoch has the order of the first.

        Args:
            epoch: The number of the epoch, from 0.
        """
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        import numpy as np

        pairs = np.arange(len(self._pairs))
        if self._shuffle:
            pairs = np.random.default_rng((self._seed, self._epoch)).permutation(pairs)
        mine = np.resize(pairs, self._of_each() * self.replicas)[self.rank :: self.replicas]
        for start in range(0, len(self) * self._in_batch, self._in_batch):
            yield [row for pair in mine[start : start + self._in_batch] for row in self._pairs[pair]]

    def __len__(self) -> int:
        """Return the number of batches of this process in an epoch."""
        whole, rest = divmod(self._of_each(), self._in_batch)
        return whole + (rest > 0 and not self.drop_last)

    @property
    def _in_batch(self) -> int:
        return self.batch_size // 2

    def _of_each(self) -> int:
        return -(-len(self._pairs) // self.replicas)


def _rows_of_pairs(pair_ids: Sequence[str]) -> list[tuple[int, int]]:
    """Return the rows of each pair, in the order of the first rows."""
    found: dict[str, list[int]] = {}
    for row, pair_id in enumerate(pair_ids):
        found.setdefault(pair_id, []).append(row)
    if not found:
        raise SafetyPairsError("there are no rows, so no batches of pairs")
    for pair_id, rows in found.items():
        if len(rows) != 2:
            raise SafetyPairsError(
                f"pair {pair_id!r} has {counted(len(rows), 'row')}; a batch of pairs takes both "
                "members of each once, a row an image: sp.images(ds)"
            )
    return [(first, second) for first, second in found.values()]
