"""Equal rows find each other, also where their hashes collide."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from safetypairs_hf.metric.pairs import equal_runs, twins, words_of


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 16, 63, 64, 65])
def test_runs_of_texts_of_each_length(length: int) -> None:
    generator = np.random.default_rng(length)
    texts = ["".join(generator.choice(list("ab\0é"), generator.integers(0, length + 1))) for _ in range(500)]
    runs = equal_runs(words_of(pa.array(["x", *texts], pa.large_string()).slice(1)))
    found = sorted(tuple(texts[row] for row in part) for part in np.split(runs.order, runs.starts[1:]))
    assert found == sorted((text,) * texts.count(text) for text in set(texts))
    assert all((np.diff(part) > 0).all() for part in np.split(runs.order, runs.starts[1:]))


def test_colliding_hashes_are_told_apart() -> None:
    # The hash of one word is a multiple of it, and its low bits make room for the row number.
    multiplier = 0x9E3779B97F4A7C15
    close = [pow(multiplier, -1, 2**64) * value % 2**64 for value in (1, 2, 3)]
    words = np.array(close * 2, dtype=np.uint64)[:, None]
    runs = equal_runs(words)
    assert sorted(map(tuple, np.split(runs.order, runs.starts[1:]))) == [(0, 3), (1, 4), (2, 5)]
    assert twins(words, np.array([True] * 3 + [False] * 3)) is None
    assert twins(words, np.array([True, False, True, False, True, False])) is None


def test_importing_the_metric_loads_nothing_heavy() -> None:
    code = (
        "import sys, safetypairs_hf.metric as m, safetypairs_hf.cli.score, safetypairs_hf.cli.compare; m.metric_path();"
        "print([n for n in ('numpy', 'pyarrow', 'pandas', 'datasets', 'evaluate') if n in sys.modules]);"
        "m.score([{'pair_id': 1, 'reference': r, 'prediction': r} for r in (0, 1)]);"
        "print([n for n in ('datasets', 'evaluate', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
