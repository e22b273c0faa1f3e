"""Equal rows find each other, also where their hashes collide; a set of ids has one digest."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from safetypairs_hf.metric.pairs import MULTIPLIER, are_distinct, digest_of, equal_runs, hashes_of, pairs_of, words_of


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 16, 63, 64, 65])
def test_runs_of_texts_of_each_length(length: int) -> None:
    generator = np.random.default_rng(length)
    texts = ["".join(generator.choice(list("ab\0é"), generator.integers(0, length + 1))) for _ in range(500)]
    runs = equal_runs(words_of(pa.array(["x", *texts], pa.large_string()).slice(1)))
    found = sorted(tuple(texts[row] for row in part) for part in np.split(runs.order, runs.starts[1:]))
    assert found == sorted((text,) * texts.count(text) for text in set(texts))
    assert all((np.diff(part) > 0).all() for part in np.split(runs.order, runs.starts[1:]))


def test_colliding_hashes_are_told_apart() -> None:
    # The hash of a single word is known, and its low bits make room for the row number: these differ in bits below.
    inverse = pow(MULTIPLIER, -1, 2**64)

    def with_hash(value: int) -> int:
        mixed = value * inverse % 2**64
        return (mixed ^ mixed >> 32) * inverse % 2**64

    close = np.array([with_hash((7 << 40) + value) for value in range(6)] + [5, 6], dtype=np.uint64)
    assert len({int(hashed) >> 8 for hashed in hashes_of(close[:6, None])}) == 1
    generator = np.random.default_rng(0)
    for _ in range(50):
        values = generator.choice(close, generator.integers(1, 40))
        runs = equal_runs(values[:, None])
        expected = sorted(tuple(np.flatnonzero(values == value).tolist()) for value in set(values.tolist()))
        assert sorted(tuple(part.tolist()) for part in np.split(runs.order, runs.starts[1:])) == expected
    assert are_distinct(close[:, None])
    assert not are_distinct(np.append(close, close[3])[:, None])


TEXTS = ["", "a", "a\0", "a\0\0", "é" * 40, "x" * 64, "x" * 65, "x" * 200, "7", "-7", "007", *map(str, range(30))]


def test_one_digest_a_set_of_ids() -> None:
    generator = np.random.default_rng(0)
    sets: dict[str, frozenset[str]] = {}
    for _ in range(500):
        ids = generator.permutation(TEXTS)[: generator.integers(1, 8)].tolist()
        among = pa.array(["left out", *ids, "y" * 300], pa.large_string())
        digest = digest_of(pa.array(ids))
        assert len(digest) == 20
        assert digest == digest_of(pa.array(ids[::-1], pa.large_string()))
        assert digest == digest_of(among, 1 + generator.permutation(len(ids)))
        assert sets.setdefault(digest, frozenset(ids)) == frozenset(ids)
    assert len(set(sets.values())) == len(sets)


def test_a_whole_number_counts_as_its_text() -> None:
    numbers = [0, 7, -7, 2**40, 12345678]
    assert digest_of(pa.array(numbers)) == digest_of(pa.array([str(number) for number in numbers]))
    assert digest_of(pa.array([2**63 + 1], pa.uint64())) == digest_of(pa.array([str(2**63 + 1)]))
    assert digest_of(pa.array(numbers), np.array([1, 3])) == digest_of(pa.array(["7", str(2**40)]))


def test_the_digest_is_of_the_scored_pairs() -> None:
    rows = [{"pair_id": f"p{i}", "reference": r, "prediction": r} for i in range(20) for r in (0, 1)]
    digest = pairs_of(rows, threshold=0.5, incomplete="error").digest
    assert pairs_of([*rows[::-1], {**rows[0], "pair_id": "half"}], threshold=0.5, incomplete="drop").digest == digest
    assert pairs_of(rows[2:], threshold=0.5, incomplete="error").digest != digest
    # What a plain sum of parts would take for one set.
    assert digest_of(pa.array(["aaaaaaaabbbbbbbb", "ccccccccdddddddd"])) != digest_of(
        pa.array(["aaaaaaaadddddddd", "ccccccccbbbbbbbb"])
    )


def test_pairs_in_release_order_and_shuffled_are_the_same() -> None:
    generator = np.random.default_rng(1)
    ids = np.repeat([f"{value:016x}" for value in generator.integers(0, 2**63, 200)], 2)
    reference = np.tile([1, 0], 200)
    reference[10:14] = [0, 1, 0, 1]
    order = generator.permutation(400)
    found = []
    for rows in (np.arange(400), order):
        columns = {"pair_id": ids[rows].tolist(), "reference": reference[rows], "prediction": reference[rows]}
        pairs = pairs_of(columns, threshold=0.5, incomplete="error")
        assert (pairs.unsafe_verdict == 1).all()
        assert (pairs.safe_verdict == 0).all()
        found.append(sorted(pairs.texts("pair_id").to_pylist()))
    assert found[0] == found[1] == sorted(set(ids.tolist()))


def test_importing_the_metric_loads_nothing_heavy() -> None:
    code = (
        "import sys, safetypairs_hf.metric as m, safetypairs_hf.cli.score, safetypairs_hf.cli.compare; m.metric_path();"
        "print([n for n in ('numpy', 'pyarrow', 'pandas', 'datasets', 'evaluate') if n in sys.modules]);"
        "m.score([{'pair_id': 1, 'reference': r, 'prediction': r} for r in (0, 1)]);"
        "print([n for n in ('datasets', 'evaluate', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
