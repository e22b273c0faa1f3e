"""Planted leaks are found, clean pairs are called clean, and bad pairs get a clear line."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builds import make_run
from click.testing import CliRunner
from planted import drawn, pair, plain_png

import safetypairs_hf as sp
from safetypairs_hf.cli import group
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Box
from safetypairs_hf.probing.auc import RESAMPLED, auc, in_order
from safetypairs_hf.probing.file_traces import NAMES, file_traces
from safetypairs_hf.probing.findings import Findings
from safetypairs_hf.probing.lookups import Clue, lookups
from safetypairs_hf.probing.pair_words import clue, swap
from safetypairs_hf.probing.pixel_traces import grid, view_of
from safetypairs_hf.probing.placement import placement
from safetypairs_hf.probing.probe import LEAST_PAIRS, Probe, ProbeError
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish

PAIRS = 100


def probed(leak: str, **other: Any) -> Findings:
    made = Probe()
    for number in range(PAIRS):
        made.add(pair(number, leak, **other))
    return made.result()


def aucs(found: Findings) -> dict[str, float]:
    return {best.where: best.auc.value for best in found.best}


def test_clean_pairs_are_called_clean() -> None:
    found = probed("")
    assert all(abs(value - 0.5) < 0.1 for value in aucs(found).values()), found
    assert all(best.auc.low < 0.5 < best.auc.high for best in found.best), found
    assert "better than a coin: " not in found.verdict.replace("no better than a coin", "")


@pytest.mark.parametrize(
    ("leak", "where", "bound"),
    [("jpeg", "image", 0.95), ("half a pixel", "box", 0.8), ("other library", "image", 0.95)],
)
def test_a_planted_leak_is_found(leak: str, where: str, bound: float) -> None:
    found = probed(leak)
    assert aucs(found)[where] >= bound, found
    assert "better than a coin; what tells most is" in found.verdict


def test_controls_that_keep_every_byte_are_a_coin_and_unknown_directions_are_told() -> None:
    """The direction of the pairs is not known; their controls are copies of the unsafe members."""
    made = Probe()
    for number in range(LEAST_PAIRS):
        clean = pair(number, "", direction="unknown")
        made.add(clean._replace(controls=(("null_edit", clean.unsafe),)))
    found = made.result()
    assert found.question == "unsafe"
    assert "the content counts as well" in str(found)
    (control,) = found.controls
    assert (control.kind, control.pairs) == ("null_edit", LEAST_PAIRS)
    assert [(best.auc.value, best.pairs.value) for best in control.best] == [(0.5, 0.5)] * 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probing")
    make_run(folder / "run", pairs=LEAST_PAIRS)
    return folder / "run"


def test_a_run_and_what_it_publishes_have_the_same_figures_and_the_card_shows_them(run: Path) -> None:
    target = run.parent / "pairs"
    publish(sp_run(run), parse_target(str(target)), sp_version("1.0.0"))
    done = CliRunner().invoke(group, ["probe", str(target), "--json", "--no-backbone"], catch_exceptions=False)
    assert done.exit_code == 0
    of_version = json.loads(done.stdout)
    of_run = sp.probe(str(run), backbone=False)
    assert {**of_run.to_dict(), "read": ""} == {**of_version, "read": ""}
    assert (of_run.pairs, of_run.of, of_run.question) == (LEAST_PAIRS, LEAST_PAIRS, "edited")
    assert aucs(of_run)["box"] > 0.95  # red squares become green
    assert max(map(len, str(of_run).splitlines())) <= 80
    card = (target / "README.md").read_text()
    assert f"on {LEAST_PAIRS} of the {LEAST_PAIRS} pairs that version 1.0.0 added" in card
    for best in of_run.best:
        assert f"| {best.auc.value:.3f} ({best.auc.low:.3f}–{best.auc.high:.3f}) |" in card
    (limits,) = [text for text in rai(target)["rai:dataLimitations"] if "Probe of version 1.0.0" in text]
    assert of_run.verdict in limits


def test_a_card_without_figures_says_why(run: Path) -> None:
    target = run.parent / "unprobed"
    publish(sp_run(run), parse_target(str(target)), sp_version("1.0.0"), probe=False)
    assert "was not measured: the publisher left it out." in (target / "README.md").read_text()


def test_too_few_pairs_are_refused_before_any_is_read(run: Path) -> None:
    done = CliRunner().invoke(group, ["probe", str(run), "--sample", "79"])
    assert isinstance(done.exception, ProbeError)
    assert str(done.exception) == "79 pairs are too few for a probe, which needs 80"


def rai(target: Path) -> dict[str, Any]:
    return json.loads((target / "croissant.json").read_text())  # type: ignore[no-any-return]


def sp_run(path: Path) -> Any:
    from safetypairs_hf.core.run_folder import open_run

    return open_run(str(path))


def sp_version(text: str) -> Any:
    from safetypairs_hf.core.version import parse

    return parse(text)


SMALLER = encode(drawn(0, 0)[:64]).data


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"unsafe": b""}, "its unsafe image has no bytes; a probe reads both files of a pair"),
        ({"safe": b"no image"}, "its safe image does not decode (UnidentifiedImageError"),
        ({"safe": SMALLER}, "its members differ in size, which tells them apart at once: unsafe 96 x 96, safe 96 x 64"),
        ({"controls": (("null_edit", SMALLER),)}, "its null_edit differs in size"),
        ({"controls": (("null_edit", b""),)}, "its null_edit image has no bytes"),
        ({"box": Box(90, 0, 97, 10)}, "its edit_box [90, 0, 97, 10] does not lie in its image of 96 x 96 pixels"),
    ],
)
def test_a_pair_that_is_not_whole_is_named(other: dict[str, Any], said: str) -> None:
    with pytest.raises(ProbeError) as raised:
        Probe().add(pair(0, "", **other))
    assert f"pair {0:016x}: " in str(raised.value)
    assert said in str(raised.value)


def test_few_pairs_and_few_groups_are_refused() -> None:
    made = Probe()
    with pytest.raises(ProbeError, match=r"^0 pairs are too few for a probe, which needs 80$"):
        made.result()
    one = pair(0)
    for number in range(LEAST_PAIRS):
        made.add(one._replace(pair_id=str(number), group=str(number % 9)))
    with pytest.raises(ProbeError, match=r"of 9 groups, too few for a probe.* it needs 10$"):
        made.result()


def test_the_auc_is_that_of_the_metric_and_its_interval_wider_by_what_resampling_costs() -> None:
    rng = np.random.default_rng(0)
    edited, other = np.round(rng.random((2, 400)) + np.array([[0.2], [0.0]]), 2) / 1.2
    groups = rng.integers(0, 150, 400)
    rows = [
        {"pair_id": str(at), "reference": label, "score": float(score), "group": str(groups[at])}
        for label, scores in (("unsafe", edited), ("safe", other))
        for at, score in enumerate(scores)
    ]
    figures = sp.score(rows)
    found = auc(edited, other, groups)
    assert figures.auroc is not None and figures.auroc_ci is not None
    assert found.value == pytest.approx(figures.auroc, abs=1e-12)
    assert found.value == pytest.approx(np.mean((edited[:, None] > other) + 0.5 * (edited[:, None] == other)))
    for mine, its in zip((found.low, found.high), figures.auroc_ci, strict=True):
        half, reference = (math.log(end / (1 - end)) - math.log(found.value / (1 - found.value)) for end in (mine, its))
        assert half == pytest.approx(reference * math.sqrt(RESAMPLED), rel=0.02)
    right = in_order(edited, other, groups)
    assert right.value == pytest.approx(np.mean((edited > other) + 0.5 * (edited == other)))
    assert in_order(edited, other, groups, tie=0.0).value == np.mean(edited > other)


def test_look_ups_learn_over_pairs_what_they_cannot_over_groups() -> None:
    """An item of its own for each of 20 families of 5 pairs: known from the other pairs, unknown in another family."""
    clues = [
        Clue(
            {f"knife {number // 5}"},
            {f"spoon {number // 5}"},
            {f"knife {number // 5}"},
            {f"spoon {number // 5}"},
            str(number // 5),
        )
        for number in range(100)
    ]
    found = {(each.name, each.over): each.pairs.value for each in lookups(clues)}
    assert {value for (_, over), value in found.items() if over == "pairs"} == {1.0}
    assert {value for (_, over), value in found.items() if over == "groups"} == {0.0}  # ties are wrong


def test_look_ups_of_items_that_stand_on_both_sides_know_nothing() -> None:
    """Each item is unsafe in one pair and safe in the next, so what was learned of it says nothing."""
    clues = []
    for number in range(200):
        items = {f"a{number // 2 % 10}"}, {f"b{number // 2 % 10}"}
        unsafe, safe = items if number % 2 else items[::-1]
        clues.append(Clue(unsafe, safe, unsafe, safe, str(number // 2)))
    for each in lookups(clues):
        assert each.pairs.value <= 0.6, each


@pytest.mark.parametrize(
    ("feature", "instruction", "unsafe", "safe", "around"),
    [
        ("a knife", "Replace the knife with a spoon.", "a knife", "a spoon", ""),
        ("a knife", "Replace the knife in the hand with a spoon.", "a knife", "a spoon", ""),
        ("a cup with tea", "Replace the cup with tea with a cup with milk.", "a cup with tea", "a cup with milk", ""),
        ('the words "A B"', 'Replace the words "A B" with the words "C D".', 'the words "A B"', 'the words "C D"', ""),
        ("blood", "Turn the blood into paint", "blood", "paint", ""),
        ("a gun", "Remove the gun from the table with care.", "a gun", "", ""),
        ("", "", "", "", ""),
        ('"ALWAYS KICK A DOG"', 'Change "ALWAYS" to "NEVER" in "ALWAYS KICK A DOG".', "ALWAYS", "NEVER", "kick dog"),
        ('"NO TO CARE"', 'Change "NO TO" to "YES TO" in "NO TO CARE".', "NO TO", "YES TO", "care"),
        ("a bin by a dog", "Replace the dog with a bone in the sign of a bin by a dog.", "dog", "a bone", "bin by"),
        ('a fist over "SAVE"', 'Change "SAVE" to "HIT" in the sign of a fist over "SAVE".', "SAVE", "HIT", "fist over"),
    ],
)
def test_what_an_instruction_swaps_is_what_the_members_have(
    feature: str, instruction: str, unsafe: str, safe: str, around: str
) -> None:
    found = swap(feature, instruction)
    words = " ".join(word for word in re.findall(r"\w+", found.around.lower()) if word not in ("a", "the"))
    assert (found.unsafe, found.safe, words) == (unsafe, safe, around)


def test_the_tokens_of_a_pair_are_its_items_and_their_words() -> None:
    found = clue('the words "HURT YOURSELF"', 'Replace the words "HURT YOURSELF" with the words "TRUST YOURSELF".', "g")
    assert found.unsafe == {"words", "hurt", "yourself", "words hurt yourself"}
    assert found.safe_changed == {"words trust yourself"}
    part = clue('"ALWAYS KICK THE DOG"', 'Change "ALWAYS" to "NEVER" in "ALWAYS KICK THE DOG".', "g")
    assert part.unsafe == {"always", "kick", "dog", "kick dog"} and part.safe_changed == {"never"}


def test_traces_of_a_file_are_what_was_written() -> None:
    pixels = drawn(3, 0)
    ours, plain = (
        dict(zip(NAMES, file_traces(data, 96 * 96), strict=True)) for data in (encode(pixels).data, plain_png(pixels))
    )
    assert (ours["container"], ours["stream header"], plain["stream header"]) == (1, 0x785E, 0x789C)
    assert (plain["filter 0"], plain["chunks"], plain["data chunks"], plain["bytes of other chunks"]) == (1, 3, 1, 0)
    assert ours["filter 0"] < 1
    assert plain["size"] == plain["bytes a pixel"] * 96 * 96


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.25, 0.5])
def test_placement_is_measured_to_a_fraction_of_a_pixel(shift: float) -> None:
    found = placement(view_of(drawn(3, 1, shift), box_of(3)))
    assert found[0] == pytest.approx(shift, abs=0.13)  # edges are drawn to a quarter of a pixel
    assert found[12] == pytest.approx(0.0, abs=0.13)


def box_of(number: int) -> Box:
    box = pair(number).box
    assert box is not None
    return Box(box.x0 - 2, box.y0 - 2, box.x1 + 2, box.y1 + 2)


def test_the_grid_of_jpeg_is_seen_where_it_lies() -> None:
    from planted import through_jpeg

    pixels = drawn(5, 0)
    clean, coded = (grid(view_of(each, Box(0, 0, 96, 96)))[0] for each in (pixels, through_jpeg(pixels)))
    assert coded[5] > clean[5] + 0.2  # of high frequencies, near 0 on the grid less those off it
