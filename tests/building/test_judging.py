"""Judges see a picture once, and a region that shows nothing unsafe says nothing of the source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from builds import SQUARES, tree

from safetypairs_hf.building import controls
from safetypairs_hf.building.build import build
from safetypairs_hf.building.finishing import AtOnce, Finishing, identify
from safetypairs_hf.building.judge import Judging
from safetypairs_hf.building.preservation import Exact
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.building.rounds import Step, Unit
from safetypairs_hf.core.pictures import PILLOW, encode
from safetypairs_hf.core.records import (
    Box,
    Candidate,
    Control,
    Instruction,
    Judge,
    Origin,
    Picture,
    Preservation,
    Verdict,
)
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.guards.region import OnRegion

LEFT, RIGHT = Box(0, 0, 32, 64), Box(32, 0, 64, 64)


@dataclass(frozen=True)
class Reddest:
    """The largest share of red in a picture's pixels; counts what it is shown, by size and first pixel."""

    name: str = "reddest"
    shown: Counter[tuple[int, ...]] = field(default_factory=Counter, compare=False)
    uses_regions: bool | None = False

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        self.shown.update((*image.pixels.shape[1::-1], *image.pixels[0, 0].tolist()) for image in images)
        return [Verdict(float(image.pixels[..., 0].max()) / 255) for image in images]


def tried(region: Box | None, safe: int, red: int = 255) -> Candidate:
    """An attempt at a picture that is red on the right alone; `safe` is how red the edited one is there."""
    before, after = np.zeros((2, 64, 64, 3), np.uint8)
    before[:, 32:, 0], after[:, 32:, 0] = red, safe
    candidate = Candidate("a", "hate", Origin("", "", ""), encode(before))
    candidate.instruction, candidate.safe = Instruction("red", "Paint it.", region), encode(after)
    candidate.edit_box, candidate.preservation = RIGHT, Preservation(1.0, 0.5)
    return candidate


def judged(judges: Sequence[Judge], *attempts: Candidate) -> Sequence[Candidate]:
    judging = Judging(tuple(judges), region_slack=None, safe_below=0.3)
    return judging.start(attempts, AtOnce(Finishing(Exact(), PILLOW)))()


@pytest.mark.parametrize(
    ("region", "red", "final"),
    [
        (LEFT, 255, False),  # the crop shows nothing, and the whole is unsafe
        (LEFT, 40, True),  # nor is the whole
        (RIGHT, 40, True),
        (None, 40, True),  # a judge of regions that is given none sees the whole
    ],
)
@pytest.mark.parametrize("region_first", [True, False])
def test_a_wrong_region_does_not_end_a_source(region: Box | None, red: int, final: bool, region_first: bool) -> None:
    judges = (OnRegion(Reddest(), margin=0.0), Reddest())
    (found,) = judged(judges if region_first else judges[::-1], tried(region, 10, red))
    assert found.reject is not None
    assert (found.reject.reason, found.reject.final) == ("unsafe_not_seen", final)
    unit = Unit()
    unit.after(Step("source"), [tried(None, 0)])
    unit.after(Step("judge"), [found])
    assert bool(unit.entering) is not final


def test_attempts_and_rounds_share_what_is_said_of_the_source() -> None:
    whole, part, unknown = Reddest(), Reddest(), Reddest(uses_regions=None)
    judges = (whole, OnRegion(part, margin=0.0), unknown)
    unit = Unit()
    unit.after(Step("source"), [tried(None, 0)])
    for number, (region, asked) in enumerate([(RIGHT, 1), (RIGHT, 1), (Box(32, 0, 64, 40), 2)]):
        first, second = tried(region, 200 + number), tried(region, 220 + number)
        assert all(each.round == number for each in unit.entering)
        for each in (first, second):
            each.known, each.round = unit.entering[0].known, number
        found = judged(judges, first, second)
        assert [[said.p_unsafe_before for said in each.judgements] for each in found] == [[1.0] * 3] * 2
        before = (64, 64, 0, 0, 0)
        # Each edit is shown to every judge, and so is each region of the source to those that may look at it.
        assert whole.shown[before] == 1 + 2 * (number + 1)
        assert unknown.shown[before] == asked + 2 * (number + 1)
        assert part.shown[(32, 64, 255, 0, 0)] == 1
        assert part.shown[(32, 40, 255, 0, 0)] == asked - 1
        unit.after(Step("judge", number), found)


def test_controls_of_a_pair_share_its_members() -> None:
    pair = tried(None, 0)
    assert pair.safe is not None
    pair.identity = identify(pair.unsafe, pair.safe, "hate", "")
    again = encode(np.full((8, 8, 3), 200, np.uint8))
    made = [Control(pair.identity.pair_id, kind, again, pair.safe) for kind in ("null_edit", "both_regenerated")]
    judge = Reddest()
    found = controls.confirm(Judging((judge,)), made, [pair])
    assert [[said.p_unsafe_before for said in each.judgements] for each in found] == [[200 / 255]] * 2
    assert judge.shown == {(8, 8, 200, 200, 200): 1, (64, 64, 0, 0, 0): 1}


def test_a_killed_build_asks_what_a_whole_one_asks(tmp_path: Path) -> None:
    """What is known of a source comes from the parts of the run, so that a resumed build has it too."""
    loaded = load_recipe(SQUARES, {"pairs": "18", "misses": "0.5", "rounds": "3", "attempts": "2"})
    inner = loaded.recipe.judging.judges[0]

    def made(folder: Path, gone: str = "") -> Counter[tuple[int, ...]]:
        counting = Counting(inner)
        recipe = replace(loaded.recipe, judging=replace(loaded.recipe.judging, judges=(counting,)))
        run = RunFolder(str(folder))
        for name in [name for name in run.files() if gone and (name.startswith(gone) or name == "funnel.json")]:
            run.remove(name)
        build(replace(loaded, recipe=recipe), str(folder), workers=1)
        return counting.shown

    shown = made(tmp_path / "run")
    assert max(shown.values()) == 1
    whole = tree(tmp_path / "run")
    last = made(tmp_path / "run", gone="judge-3")
    assert tree(tmp_path / "run") == whole
    assert last and last == {key: shown[key] for key in last}


@dataclass(frozen=True)
class Counting:
    """Another judge, and how often it is shown each picture."""

    inner: Judge
    shown: Counter[tuple[int, ...]] = field(default_factory=Counter, compare=False)
    name: str = "counting"
    uses_regions: bool = False
    holds_model: bool = True  # so that it is asked here, and not in other processes

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        self.shown.update((hash(image.data),) for image in images)
        return self.inner.judge(images, categories, regions)
