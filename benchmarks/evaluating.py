"""`evaluate` against the loop that one writes first, with one guard on the same images: is the model kept busy?

    python benchmarks/evaluating.py [GUARD --set KEY=VALUE ...] [--pairs 64] [--size 1024] [--threads 0]

GUARD: a name of the catalogue; without it, `chat-vlm` on a small LLaVA with random weights (CLIP tower and Llama of
`--width`). Peer: for each batch, the rows of `sp.images(dataset)` are decoded by `datasets`, encoded as the guard takes
them, and judged; rows are written at the end. Ours: `evaluate`, which reads, decodes, prepares and writes beside the
model, and hashes every file first. Both take the same batches, in turn, in one process, after one batch to warm up; the
best of the repeats is taken. What comes of it: images a second, the ratio of CPU time and that of wall time, and the
share of the wall time that the model was at its forward pass: of the whole run, and from its first forward pass to the
end of its last one, which a longer run comes close to. `--threads`: the cores that the model has on a CPU, where it
would else take those that prepare.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _timing import Seconds, now, parsed, parser_of, ratio

from safetypairs_hf.core.pictures import encode
from safetypairs_hf.evaluating.data import open_data
from safetypairs_hf.evaluating.evaluate import judge_data
from safetypairs_hf.guards.base import ModelGuard
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.loading.images import images
from safetypairs_hf.taxonomy.nine import SLUGS


def pairs_of(count: int, side: int) -> Any:
    """Pairs of noisy blocks of colour, whose files are about as hard to decode as photographs."""
    import datasets

    rng = np.random.default_rng(0)

    def image() -> dict[str, Any]:
        blocks = np.kron(rng.integers(0, 226, (side // 32, side // 32, 3)), np.ones((32, 32, 1)))
        return {"bytes": encode((blocks + rng.integers(0, 30, blocks.shape)).astype(np.uint8)).data, "path": None}

    names = ("pair_id", "category", "group")
    features = datasets.Features(
        {name: datasets.Value("string") for name in names}
        | {name: datasets.Image() for name in ("unsafe_image", "safe_image")}
    )
    rows = [
        {"pair_id": f"{number:04}", "category": SLUGS[number % 9], "group": f"{number:04}"}
        | {"unsafe_image": image(), "safe_image": image()}
        for number in range(count)
    ]
    return datasets.Dataset.from_list(rows, features=features)


def naive(guard: Any, data: Any, out: Path, batch: int) -> None:
    """Decode a batch, judge it, decode the next one; write at the end."""
    rows, found = images(data), []
    for start in range(0, len(rows), batch):
        part = [rows[number] for number in range(start, min(start + batch, len(rows)))]
        pictures = [encode_decoded(np.asarray(row["image"].convert("RGB"))) for row in part]
        verdicts = guard.judge(pictures, [row["category"] for row in part], [None] * len(part))
        kept = ({key: value for key, value in row.items() if key != "image"} for row in part)
        found += [{**row, "score": verdict.p_unsafe} for row, verdict in zip(kept, verdicts, strict=True)]
    pq.write_table(pa.Table.from_pylist(found), out)


def encode_decoded(pixels: Any) -> Any:
    """A Picture of decoded pixels, at no cost."""
    from safetypairs_hf.core.records import Picture

    picture = Picture(b"")
    picture.__dict__["pixels"] = pixels
    return picture


class Forward:
    """Seconds in the forward passes of a guard's model, by hooks; stays 0 where there is no model of torch."""

    def __init__(self, guard: Any) -> None:
        if isinstance(guard, ModelGuard):
            guard.loaded.model.register_forward_pre_hook(lambda *_: self._start())
            guard.loaded.model.register_forward_hook(lambda *_: self._stop())
        self.reset()

    def reset(self) -> None:
        self.seconds, self._since, self._first, self._last = 0.0, 0.0, 0.0, 0.0

    @property
    def between(self) -> float:
        """The share of the time from the first pass to the end of the last one."""
        return self.seconds / (self._last - self._first) if self._last else 0.0

    def _start(self) -> None:
        self._since = self._now()
        self._first = self._first or self._since

    def _stop(self) -> None:
        self._last = self._now()
        self.seconds += self._last - self._since

    def _now(self) -> float:
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()


def compare(guard: Any, arguments: argparse.Namespace, folder: Path) -> None:
    data = pairs_of(arguments.pairs, arguments.size)
    count, batch = 2 * arguments.pairs, arguments.batch_size
    naive(guard, data.select(range(batch // 2)), folder / "warm.parquet", batch)
    forward = Forward(guard)
    best: dict[str, tuple[Seconds, float, float]] = {}
    for _ in range(arguments.repeats):
        for name in ("naive loop", "evaluate"):
            forward.reset()
            started = now()
            if name == "evaluate":
                judge_data(guard, open_data(data), folder / "ours.parquet", fresh=True, unit=arguments.unit)
            else:
                naive(guard, data, folder / "naive.parquet", batch)
            seconds = now() - started
            found = (seconds, forward.seconds / seconds.wall, forward.between)
            best[name] = min(best.get(name, found), found)
    print(f"{guard.name}, {count} images of {arguments.size} x {arguments.size}, batches of {batch}")
    for name, (seconds, of_all, between) in best.items():
        print(f"{name:<12}{seconds}{count / seconds.wall:9.2f} images/s   ", end="")
        print(f"forward pass {of_all:6.1%} of the wall time, once begun {between:6.1%}")
    one, other = best["naive loop"][0], best["evaluate"][0]
    print(f"{ratio(one, other)}, {one.wall / other.wall:.2f}x in wall time")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("guard", nargs="?", default="")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--size", type=int, default=1024, help="pixels a side")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--unit", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="the model's, on a CPU; 0 for all cores")
    arguments = parsed(parser, pairs=2, size=64, batch_size=2, unit=2, repeats=1)
    if arguments.threads:
        import torch

        torch.set_num_threads(arguments.threads)
    settings = dict(each.split("=", 1) for each in arguments.settings)
    folder = Path(tempfile.mkdtemp())
    try:
        if not arguments.guard:
            from judging import widened

            settings["model"] = str(widened(folder / "model", arguments.width, arguments.layers))
            settings["least_mass"] = "0"
        guard = make_guard(arguments.guard or "chat-vlm", {**settings, "batch_size": str(arguments.batch_size)})
        compare(guard, arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
