"""Two guards on the same pairs, and both commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetypairs_hf.cli import main
from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import compare, score

from .examples import SCORES, rows_of
from .reference import newcombe

OTHER = {"a": (0.9, 0.8), "b": (0.8, 0.1), "c": (0.9, 0.1), "d": (0.7, 0.6), "e": (0.9, 0.1), "f": (0.9, 0.1)}


def test_exact_figures_on_six_pairs() -> None:
    # The first is right on a and e, the second on b, c, e and f.
    result = compare(rows_of(SCORES), rows_of(OTHER))
    assert (result.n_pairs, result.n_groups) == (6, None)
    assert (result.pair_accuracy_a, result.pair_accuracy_b) == (2 / 6, 4 / 6)
    assert (result.only_a_correct, result.only_b_correct, result.difference) == (1, 3, -2 / 6)
    assert result.p_value == pytest.approx(10 / 16, abs=1e-15)
    assert result.minimum_detectable_difference is None and "detectable" not in str(result)
    assert "|ci:newcombe|" in result.signature
    low, high = result.difference_ci
    assert -1 <= low < result.difference < high <= 1
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()


def test_swapped_guards_swap_the_figures() -> None:
    one, other = compare(rows_of(SCORES), rows_of(OTHER)), compare(rows_of(OTHER), rows_of(SCORES))
    assert other.difference == -one.difference
    assert other.p_value == one.p_value
    assert (other.only_a_correct, other.only_b_correct) == (one.only_b_correct, one.only_a_correct)


def test_order_and_names_change_no_bit() -> None:
    group = {"a": "x", "b": "x", "c": "y"}
    expected = compare(rows_of(SCORES, group=group), rows_of(OTHER, group=group)).to_dict()
    a, b = rows_of(SCORES, group=group)[::-1], rows_of(OTHER)
    for row in a + b:
        row["pair_id"] = {"a": 9, "b": 1, "c": 5, "d": -4, "e": 3, "f": 0}[row["pair_id"]]
        if "group" in row:
            row["group"] = "zyxwvu"[["gd", "ge", "gf", "x", "y"].index(row["group"])] + row["group"][::-1]
    found = compare(a, b[3:] + b[:3]).to_dict()
    assert found.pop("signature") != expected.pop("signature")  # other ids
    assert found == expected
    assert expected["n_groups"] == 5


def test_interval_test_and_power_know_groups() -> None:
    """Every group ten times over: with the groups, the figures say no more than one of each would."""
    generator = np.random.default_rng(3)
    right_a, right_b = generator.random(40) < 0.8, generator.random(40) < 0.5

    def rows(right: Any, times: int, grouped: bool) -> dict[str, Any]:
        n = 40 * times
        verdicts = np.stack([np.repeat(right, times), np.zeros(n, dtype=bool)], 1)
        table = {"pair_id": np.repeat(np.arange(n), 2), "reference": np.tile([1, 0], n), "prediction": verdicts.ravel()}
        return {**table, **({"group": np.repeat(np.arange(40), 2 * times)} if grouped else {})}

    once = compare(rows(right_a, 1, False), rows(right_b, 1, False))
    copied = compare(rows(right_a, 10, True), rows(right_b, 10, True))
    naive = compare(rows(right_a, 10, False), rows(right_b, 10, False))
    assert copied.p_value == pytest.approx(once.p_value, rel=1e-9)
    assert naive.p_value < copied.p_value / 1e4
    assert copied.minimum_detectable_difference == once.minimum_detectable_difference
    assert (naive.design_effect, copied.design_effect) == (1.0, 10.0)
    low, high = copied.difference_ci
    assert low < once.difference_ci[0] < naive.difference_ci[0] < naive.difference_ci[1] < once.difference_ci[1] < high
    one_of_each = np.stack([right_a & right_b, right_a & ~right_b, right_b & ~right_a, ~right_a & ~right_b], 1)
    assert (low, high) == pytest.approx(newcombe((10 * one_of_each).tolist()), abs=1e-9)
    assert "below 30" not in str(copied)


def test_different_pair_sets() -> None:
    fewer = {name: value for name, value in OTHER.items() if name not in "ab"}
    more = {**fewer, "z": (0.9, 0.1)}
    with pytest.raises(PairError, match=r"2 ids only in the first and 1 only in the second: 3 pairs \('a', 'b', 'z'\)"):
        compare(rows_of(SCORES), rows_of(more))
    result = compare(rows_of(SCORES), rows_of(more), common=True)
    assert (result.n_pairs, result.left_out_a, result.left_out_b) == (4, 2, 1)
    shared = score([row for row in rows_of(SCORES) if row["pair_id"] in fewer])
    assert result.pair_accuracy_a == shared.pair_accuracy
    with pytest.raises(PairError, match="nothing to compare"):
        compare(rows_of({"q": (0.9, 0.1)}), rows_of(OTHER), common=True)


@pytest.mark.parametrize("name", ["category", "group"])
def test_a_shared_pair_that_differs(name: Any) -> None:
    a, b = rows_of(SCORES, **{name: {"c": "x"}}), rows_of(OTHER, **{name: {"c": "y"}})
    with pytest.raises(PairError, match=rf"a shared pair with another {name} in the second: 1 pair \('c'\)"):
        compare(a, b)


def test_text_and_number_ids_match_as_text() -> None:
    ids = {name: number for number, name in enumerate(SCORES)}
    a = [{**row, "pair_id": ids[row["pair_id"]]} for row in rows_of(SCORES)]
    b = [{**row, "pair_id": str(ids[row["pair_id"]])} for row in rows_of(OTHER)]
    found, expected = compare(a, b).to_dict(), compare(rows_of(SCORES), rows_of(OTHER)).to_dict()
    assert found.pop("signature") == compare(b, b).signature != expected.pop("signature")
    assert found == expected


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = []
    for name, scores in (("a", SCORES), ("b", OTHER)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(scores, category={"a": "x"}, group={})))
        paths.append(str(path))
    return paths


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    shown = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, shown.out, shown.err


def test_score_command(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    expected = score(files[0], threshold=0.25)
    given = ["score", files[0], "--threshold", "0.25"]
    assert run(capsys, *given) == (0, f"{expected}\n", "")
    code, out, _ = run(capsys, *given, "--json")
    assert (code, json.loads(out)) == (0, expected.to_dict())
    code, out, err = run(capsys, *given, "--data", "org/name@1.2.0")  # no signature names what was not read
    assert (code, out) == (1, "") and f"{files[0]} could not be checked against org/name@1.2.0: " in err


def test_compare_command(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    expected = compare(*files)
    assert run(capsys, "compare", *files) == (0, f"A: {files[0]}\nB: {files[1]}\n{expected}\n", "")
    assert max(map(len, str(expected).splitlines())) <= 80
    assert str(expected).replace("\n", "").endswith(expected.signature)
    code, out, _ = run(capsys, "compare", *files, "--json")
    assert (code, json.loads(out)) == (0, expected.to_dict())


def test_commands_on_bad_input(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    half = Path(files[0]).with_name("half.jsonl")
    half.write_text("\n".join(Path(files[0]).read_text().splitlines()[1:]))
    code, out, err = run(capsys, "score", str(half))
    assert (code, out) == (1, "")
    assert err.startswith("safetypairs: a missing half: 1 pair ('a');")
    assert err.count("\n") == 1
    assert run(capsys, "score", str(half), "--incomplete", "drop")[0] == 0
    assert run(capsys, "compare", files[0], str(half))[0] == 1
    assert run(capsys, "compare", files[1], str(half), "--incomplete", "drop", "--common")[0] == 0
    assert run(capsys, "score", "nowhere.csv")[0] == 1
    assert run(capsys, "score")[0] == 2
    assert run(capsys, "score", files[0], "--threshold", "high")[0] == 2
