"""`study` on squares by a small real backbone; its arms, its intervals, and what it says, against plain arithmetic."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builds import make_run
from click.testing import CliRunner
from scipy import stats
from small_guards import folder_of

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytest.importorskip("transformers")

import safetypairs_hf as sp
from safetypairs_hf.cli.study import command
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.version import parse
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.training.study import AUGMENTED, ONCE, PAIRED, TWICE, UNVERIFIED, _order, _shown, widened
from safetypairs_hf.training.study_pairs import (
    StudyImage,
    StudyPair,
    StudySets,
    _held_out,
    augmented,
    study_sets,
)
from safetypairs_hf.training.study_report import Cell, Contrast, StudyResult


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """1.0.0 of 72 squares with the edits that missed."""
    folder = tmp_path_factory.mktemp("study")
    run = make_run(folder / "run", pairs=72, test_fraction=0.4, misses=0.4, rounds=2)
    publish(run, parse_target(str(folder / "data")), parse("1.0.0"), with_failures=True)
    return str(folder / "data")


def test_a_study(data: str, tmp_path: Path) -> None:
    words = ["--data", data, "--also", data, "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    words += [f"--set=model={folder_of('clip')}", "--set=grid=1", "--k=4", "--k=16", "--seeds=2", "--limit=20"]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, (done.output, done.exception)
    told = json.loads((tmp_path / "out" / "study.json").read_text())
    assert told["answer"] in done.stdout and told["answer"] in (tmp_path / "out" / "study.md").read_text()
    assert told["answer"].startswith("At k = 16, on unseen families, 16 pairs reach a pair accuracy of ")
    assert "k = 16 is few" in told["answer"] and "16 pairs that no judge verified reach" in told["answer"]
    assert "No family has enough train pairs" in told["answer"] and told["failures"] > 3
    arms = [ONCE, AUGMENTED, TWICE, PAIRED, UNVERIFIED]
    sets = ["unseen", f"{data}@1.0.0"]
    assert [(cell["measured"], cell["k"], cell["arm"]) for cell in told["cells"]] == [
        (name, k, arm) for name in sets for k in (4, 16) for arm in arms
    ]
    figures = {(cell["measured"], cell["k"], cell["arm"]): cell for cell in told["cells"]}
    for (name, k, arm), cell in figures.items():
        assert cell["ci"][0] <= cell["pair_accuracy"] <= cell["ci"][1] and cell["ci"][0] < cell["ci"][1]
        assert {**cell, "measured": ""} == {**figures["unseen", k, arm], "measured": ""}, name
    for each in told["contrasts"]:
        pairs, other = (figures[each["measured"], each["k"], arm] for arm in (PAIRED, each["against"]))
        assert each["difference"] == pytest.approx(pairs["pair_accuracy"] - other["pair_accuracy"])
        assert each["ci"][0] <= each["difference"] <= each["ci"][1]
    assert (tmp_path / "out" / "study.png").read_bytes().startswith(b"\x89PNG")
    again = sp.study(
        data,
        tmp_path / "again",
        sizes=[4, 16],
        seeds=2,
        limit=20,
        cache=tmp_path / "cache",
        model=str(folder_of("clip")),
        grid=1,
    )
    assert [cell._asdict() | {"ci": list(cell.ci)} for cell in again.cells] == told["cells"][:10]


def pair(number: int, family: str = "", verified: bool = True) -> StudyPair:
    images = [StudyImage(f"{number} {side}", lambda: encode(_grey())) for side in ("unsafe", "safe")]
    return StudyPair(f"p{number:03}", "hate", family or f"f{number}", *images, verified=verified)


def _grey() -> Any:
    import numpy as np

    return np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (1, 64, 3))


def test_what_each_arm_is_shown() -> None:
    pool, failures = [pair(n) for n in range(40)], [pair(n, verified=False) for n in range(100, 140)]
    sets = StudySets("d@1.0.0", ("hate",), pool, failures, {})
    order = _order(sets, 3)
    shown = {arm: _shown(arm, 10, sets, order) for arm in (ONCE, AUGMENTED, TWICE, PAIRED, UNVERIFIED)}
    assert {arm: len(each) for arm, each in shown.items()} == {
        ONCE: 10,
        AUGMENTED: 20,
        TWICE: 20,
        PAIRED: 20,
        UNVERIFIED: 20,
    }
    assert all(sum(each.unsafe for each in several) * 2 == len(several) for several in shown.values())
    ids = {arm: {each.pair.pair_id for each in several} for arm, several in shown.items()}
    assert ids[ONCE] == ids[PAIRED] == ids[AUGMENTED] < ids[TWICE] and len(ids[TWICE]) == 20
    assert 0 < sum(not each.pair.verified for each in shown[UNVERIFIED]) < 20
    assert all(each.pair.verified for arm in (ONCE, TWICE, PAIRED) for each in shown[arm])
    assert _order(sets, 4).verified != order.verified == _order(sets, 3).verified


def test_augmentation_is_of_the_image_and_the_draw() -> None:
    image = pair(1).unsafe
    first, again, other = augmented(image, 0), augmented(image, 0), augmented(image, 1)
    assert first.key == again.key != other.key != image.key
    assert first.read().data == again.read().data not in (other.read().data, image.read().data)


def test_what_is_held_out_of_train() -> None:
    train = [pair(n, f"f{n // 5}") for n in range(60)] + [pair(n) for n in range(60, 72)]
    held = _held_out(train)
    assert held == {f"p{n:03}" for n in range(0, 60, 5)}  # 12 of 72: a family's first pair, a sixth at most
    assert _held_out([pair(n) for n in range(30)]) == set()


def test_an_interval_over_families_and_seeds() -> None:
    values = [0.30, 0.36, 0.42]
    spread = stats.t.ppf(0.975, 2) * statistics.stdev(values) / math.sqrt(3)
    low, high = widened(0.36, (0.31, 0.43), values)
    assert low == pytest.approx(0.36 - math.hypot(0.05, spread))
    assert high == pytest.approx(0.36 + math.hypot(0.07, spread))
    assert widened(0.5, (0.4, 0.6), [0.5, 0.5]) == pytest.approx((0.4, 0.6))


@pytest.mark.parametrize(
    ("difference", "ci", "said"),
    [
        (0.05, (0.01, 0.09), "pairs are better, by +0.050 [+0.010, +0.090]"),
        (-0.05, (-0.09, -0.01), "pairs are worse, by -0.050 [-0.090, -0.010]"),
        (0.02, (-0.01, 0.05), "no difference can be told, +0.020 [-0.010, +0.050]"),
    ],
)
def test_the_answer_is_what_was_found(difference: float, ci: tuple[float, float], said: str) -> None:
    cells = [
        Cell(name, 300, arm, 0.36, (0.3, 0.4), 0.7) for name in ("seen", "unseen") for arm in (ONCE, TWICE, PAIRED)
    ]
    contrasts = [Contrast(name, 300, TWICE, difference, ci) for name in ("seen", "unseen")]
    backbone = {"head": "linear", "model": "m", "revision": "r", "grid": 2}
    counts = {"seen": (90, 30), "unseen": (200, 40)}
    result = StudyResult("d@1.0.0", backbone, "image", 5, 900, 0, counts, cells, contrasts)
    found = f"a pair accuracy of 0.360 [0.300, 0.400] and 600 unpaired images 0.360 [0.300, 0.400]: {said}."
    assert result.answer == (
        f"At k = 300, on unseen families, 300 pairs reach {found} "
        f"At k = 300, on held-out pairs of seen families, 300 pairs reach {found}"
    )
    low = [cell._replace(pair_accuracy=0.1) for cell in cells]
    assert "every arm is below the 0.25 of a coin" in replace(result, cells=low).answer


def test_the_part_that_differs(data: str) -> None:
    whole, box = (study_sets(data, (), look, 300) for look in ("image", "edit-box"))
    first, part = whole.pool[0].unsafe.read(), box.pool[0].unsafe.read()
    height, width, _ = part.pixels.shape
    assert first.pixels.shape == (64, 64, 3)
    assert (height, width) == (16, 16)  # the square that is painted
    assert whole.pool[0].unsafe.key != box.pool[0].unsafe.key


def test_bad_input(data: str, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        (
            {"sizes": [30]},
            "train pairs to draw from, and k = 30 takes 60: an image of each of 2k pairs; the largest k is",
        ),
        ({"sizes": [1, 4]}, "k = 1; it is 2 or more"),
        ({"seeds": 1}, "seeds is 1"),
        ({"look": "box"}, "look is 'box'; expected image or edit-box"),
        ({"method": "x"}, "method 'head' has no setting 'method'"),
        ({"grid": "0"}, "grid is 0"),
        ({"out": tmp_path}, "exists; name a folder that does not"),
    ]
    for options, said in wrong:
        with pytest.raises(SafetyPairsError) as caught:
            sp.study(**{"data": data, "out": tmp_path / "out", "cache": tmp_path / "cache", **options})
        assert said in str(caught.value) and "\n" not in str(caught.value)
