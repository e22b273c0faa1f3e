"""Scoring speed, beside `evaluate`'s own compute on the same rows in the same run.

    python benchmarks/scoring.py [--images 1000000] [--repeats 15]

Peer: a local `evaluate.Metric` whose arithmetic is a numpy mean, called as its users call it,
`compute(references=..., predictions=...)`, on Python lists and on numpy arrays; the faster of the two is taken. It
gives plain accuracy and nothing else. Ours: `score()` with the pairing by id, every figure for the whole and for each
of nine categories, and intervals that know groups; from an Arrow table in the order of a release (the two images
of a pair side by side) and shuffled, from numpy columns, and with scores, which add ranking, AUROC and best threshold.
The module of `evaluate` gets the same labels as lists, with the pair ids, and in a second line with categories and
groups too; its ratio is to the peer on lists. Nothing is prepared outside the clock but the rows themselves. Times are
the best of the repeats; the ratio is the peer's CPU time over ours, all threads together, in one process.

The small case, 3,020 images, runs in fresh processes: the first call right after `import numpy, pyarrow` and our own
module, then the median of later ones; and the first call with our module's import inside the clock.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from _timing import best, parsed, parser_of, ratio

from safetypairs_hf.taxonomy.nine import SLUGS

PEER = """
import datasets
import evaluate
import numpy as np


class PlainAccuracy(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(
            description="accuracy", citation="", inputs_description="",
            features=datasets.Features(
                {"predictions": datasets.Value("int32"), "references": datasets.Value("int32")}
            ),
        )

    def _compute(self, predictions, references):
        return {"accuracy": float(np.mean(np.asarray(predictions) == np.asarray(references)))}
"""

SMALL = """
import sys, time
{imports}
sys.path.insert(0, {here!r})
from scoring import table_of
rows = table_of(3020)
begin = time.perf_counter()
from safetypairs_hf.metric import score
{after}
score(rows)
first = time.perf_counter() - begin
later = []
for _ in range(20):
    begin = time.perf_counter()
    score(rows)
    later.append(time.perf_counter() - begin)
print(first, sorted(later)[10])
"""


def table_of(images: int, *, scores: bool = False, shuffled: bool = True) -> pa.Table:
    """Rows with 16-hex ids, nine categories and groups of one to four pairs, as a release has them."""
    generator = np.random.default_rng(0)
    n = images // 2
    groups = np.repeat(np.arange(n), generator.integers(1, 5, n))[:n]
    names = np.array([f"{value:016x}" for value in generator.integers(0, 2**63, n)])
    row = generator.permutation(2 * n) if shuffled else np.arange(2 * n)
    pair = row // 2
    reference = 1 - (row % 2).astype(np.int64)
    score = np.clip(generator.normal(0.35 + 0.3 * reference, 0.2), 0, 1)
    columns: dict[str, Any] = {
        "pair_id": pa.array(names.tolist()).take(pa.array(pair)),
        "reference": reference,
        "prediction": (score >= 0.5).astype(np.int64),
        "category": pa.array(SLUGS).take(pa.array(pair % len(SLUGS))),
        "group": pa.array(names.tolist()).take(pa.array(groups[pair])),
    }
    return pa.table({**columns, "score": score} if scores else columns)


def numpy_columns(table: pa.Table) -> dict[str, Any]:
    """The same rows as numpy columns; texts are whole numbers there, as labels and index columns are."""
    columns = {name: table.column(name).to_numpy() for name in ("reference", "prediction")}
    for name in ("pair_id", "category", "group"):
        columns[name] = np.unique(np.array(table.column(name).to_pylist()), return_inverse=True)[1].astype(np.int64)
    return columns


def large(images: int, repeats: int) -> None:
    import evaluate

    from safetypairs_hf.metric import metric_path, score

    table = table_of(images, shuffled=False)
    columns = numpy_columns(table)
    forms = {
        "Arrow, text ids, as released": table,
        "numpy, whole numbers, as released": columns,
        "Arrow, text ids, shuffled": table_of(images),
        "Arrow, as released, with scores": table_of(images, scores=True, shuffled=False),
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "plain_accuracy.py").write_text(PEER)
        sys.path.insert(0, folder)
        from plain_accuracy import PlainAccuracy  # type: ignore[import-not-found]

        print(f"{images:,} images, best of {repeats}")
        peer = []
        for form in ("lists", "numpy"):
            pair = [
                columns[name] if form == "numpy" else columns[name].tolist() for name in ("reference", "prediction")
            ]
            metric = PlainAccuracy(cache_dir=folder)
            peer.append(
                best(
                    lambda metric=metric, pair=pair: metric.compute(references=pair[0], predictions=pair[1]),
                    min(repeats, 5),
                )
            )
            print(f"  evaluate, plain accuracy, {form:<33}{peer[-1]}")
        module = evaluate.load(metric_path(), cache_dir=folder)
        lists = {name: table.column(name).to_pylist() for name in table.column_names}
        given: dict[str, Any] = {f"{name}s": lists.pop(name) for name in ("reference", "prediction")}
        given["pair_id"] = lists.pop("pair_id")
        for label, inputs in (("lists", given), ("lists of all columns", given | lists)):
            ours = best(lambda inputs=inputs: module.compute(**inputs), min(repeats, 5))
            print(f"  the evaluate module, {label:<38}{ours}   {ratio(peer[0], ours, models=False)}")
    for label, rows in forms.items():
        ours = best(lambda rows=rows: score(rows), repeats)
        print(f"  score(), all figures, {label:<37}{ours}   {ratio(min(peer), ours, models=False)}")


def small() -> None:
    print("3,020 images, each line a fresh process")
    for label, imports, after in (
        ("numpy, pyarrow and the metric imported", "import numpy, pyarrow, safetypairs_hf.metric.score", ""),
        ("the metric's import inside the clock", "import numpy, pyarrow", ""),
    ):
        code = SMALL.format(imports=imports, here=str(Path(__file__).parent), after=after)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        first, later = (float(value) * 1e3 for value in done.stdout.split())
        print(f"  {label:<42} first call {first:6.1f} ms   later calls {later:5.1f} ms")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    given = parsed(parser, images=2_000, repeats=1)
    small()
    large(given.images, given.repeats)


if __name__ == "__main__":
    main()
