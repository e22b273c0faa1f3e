"""Source, instructor, editor and reader on scenes of signs: what they make, refuse and leave as it is."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Box, Candidate, Instruction, Picture, Reject
from safetypairs_hf.icons.reading import find
from safetypairs_hf.signs import NEUTRAL, SignEditor, SignInstructor, SignReader, SignScenes, signs_taxonomy
from safetypairs_hf.signs.block_files import blocks
from safetypairs_hf.signs.blocks import FORMS, Composition
from safetypairs_hf.signs.neutral import draw_neutral
from safetypairs_hf.signs.sign_drawing import around, inner, plain_sign, room_for, sign_of, stamp
from safetypairs_hf.signs.wording import phrase, same_again
from safetypairs_hf.taxonomy.nine import NINE

from .conftest import COUNT, SIZE, Tried

REGION = Box(20, 30, 180, 130)
PLATE, INK = np.array([240, 230, 210], np.uint8), np.array([30, 60, 120], np.uint8)


def plate(composition: Composition, ink: np.ndarray = INK) -> Picture:
    """A composition on a plate of 180 x 120, on a ground of 200 x 160."""
    canvas = np.zeros((160, 200, 3), dtype=np.uint8)
    canvas[...] = np.arange(160, dtype=np.uint8)[:, None, None]
    canvas[20:140, 10:190] = PLATE
    stamp(canvas, sign_of(composition), REGION, ink)
    return encode(canvas)


def one_of(form: str) -> Composition:
    return next(block for block in blocks() if block.form == form).compositions[0]


def edited(picture: Picture, text: str, region: Box | None = REGION, seed: int = 7) -> np.ndarray | Reject:
    [answer] = SignEditor().edit([picture], [Instruction("", text, region)], [seed])
    return answer if isinstance(answer, Reject) else answer.pixels


def read(picture: Picture, category: str, region: Box | None = REGION) -> tuple[float | None, str, str]:
    [verdict] = SignReader().under(signs_taxonomy()).judge([picture], [category], [region])
    return verdict


# Drawing


@pytest.mark.parametrize("form", FORMS)
def test_the_compositions_of_a_block_are_drawn_in_one_box(form: str) -> None:
    signs = [sign_of(each) for each in one_of(form).block.compositions]
    assert len({(sign.form, sign.width, sign.height, len(sign.lines)) for sign in signs}) == 1
    assert len({inner(sign, REGION) for sign in signs}) == 1


@pytest.mark.parametrize("form", ["beside", "stacked"])
def test_an_element_that_stays_keeps_its_pixels(form: str) -> None:
    one = one_of(form)
    changed = (plate(one).pixels != plate(one.swapped("item")).pixels).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    box = inner(sign_of(one), REGION)
    if form == "beside":  # the context is on the left
        assert columns[0] >= (box.x0 + box.x1) / 2 - 2
    else:  # the context is above
        assert rows[0] >= (box.y0 + box.y1) / 2 - 2


def test_ink_stays_within_the_border_of_the_region() -> None:
    for form in FORMS:
        changed = (plate(one_of(form)).pixels[20:140, 10:190] != PLATE).any(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)) + 20, np.flatnonzero(changed.any(axis=0)) + 10
        assert rows[0] >= REGION.y0 + 4 and rows[-1] < REGION.y1 - 4
        assert columns[0] >= REGION.x0 + 4 and columns[-1] < REGION.x1 - 4


def test_a_short_text_stands_on_one_line_and_a_long_one_on_two() -> None:
    assert plain_sign("words", (), "MUSEUM").lines == ("MUSEUM",)
    assert plain_sign("words", (), "LOST AND FOUND").lines == ("LOST AND", "FOUND")


def test_the_room_for_a_sign_and_the_box_in_a_region_are_each_others_reverse() -> None:
    sign = plain_sign("words", (), "LOST AND FOUND")
    wide, high = room_for(sign.width, sign.height)
    assert inner(sign, Box(0, 0, round(wide), round(high)))[2:] == pytest.approx(
        ((wide + sign.width) / 2, (high + sign.height) / 2), abs=2
    )
    assert around(Box(40, 50, 100, 80)).x0 < 40


# The editor


def test_to_draw_the_same_sign_again_changes_no_byte(confirmed: list[Tried]) -> None:
    for each in confirmed:
        again = edited(each.candidate.unsafe, same_again(each.edge.unsafe), each.region)
        assert isinstance(again, np.ndarray)
        assert encode(again).data == each.candidate.unsafe.data
        back = edited(each.safe, same_again(each.edge.unsafe), each.region)
        assert isinstance(back, np.ndarray)
        assert encode(back).data == each.candidate.unsafe.data


def test_nothing_changes_outside_the_region(tried: list[Tried]) -> None:
    for each in tried:
        changed = (each.candidate.unsafe.pixels != each.safe.pixels).any(axis=2)
        assert changed.any()
        x0, y0, x1, y1 = each.region
        changed[y0:y1, x0:x1] = False
        assert not changed.any()


def test_what_hangs_over_the_plate_stays() -> None:
    one = one_of("words")
    pixels = plate(one).pixels.copy()
    pixels[60:130, 100:140] = (200, 20, 20)
    other = edited(encode(pixels), same_again(one.swapped("context")))
    assert isinstance(other, np.ndarray)
    assert (other[60:130, 100:140] == (200, 20, 20)).all()
    assert (other != pixels).any()


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("Make it safe.", REGION, "unknown_sign"),
        ("same", None, "no_region"),
        ("same", Box(0, 0, 2, 2), "nothing_to_replace"),
        ("same", Box(100, 100, 300, 300), "nothing_to_replace"),
    ],
)
def test_what_can_not_be_edited_is_rejected(text: str, region: Box | None, reason: str) -> None:
    answer = edited(plate(one_of("words")), same_again(one_of("words")) if text == "same" else text, region)
    assert isinstance(answer, Reject)
    assert (answer.stage, answer.reason) == ("edit", reason)


def test_a_neutral_edit_replaces_another_sign(confirmed: list[Tried]) -> None:
    done = 0
    for each in confirmed[:30]:
        first, again = (edited(each.safe, NEUTRAL, None, seed=3) for _ in range(2))
        if isinstance(first, Reject):
            assert first.reason == "no_neutral_sign"
            continue
        assert isinstance(again, np.ndarray) and np.array_equal(first, again)
        changed = (first != each.safe.pixels).any(axis=2)
        x0, y0, x1, y1 = each.region
        assert changed.any() and not changed[y0:y1, x0:x1].any()
        done += 1
    assert done >= 20


def test_a_round_trip_gives_the_signs_back(confirmed: list[Tried]) -> None:
    pictures = [each.safe for each in confirmed[:12]]
    for picture, again in zip(pictures, SignEditor().round_trip(pictures), strict=True):
        assert again.shape == picture.pixels.shape and again is not picture.pixels
        assert np.abs(again.astype(int) - picture.pixels).max() <= 2


# The reader


def test_the_reader_reads_the_very_compositions(confirmed: list[Tried]) -> None:
    for each in confirmed:
        assert each.before.raw == phrase(each.edge.unsafe)
        assert each.after.raw == phrase(each.edge.safe)


def test_the_reader_needs_no_region(confirmed: list[Tried]) -> None:
    some = confirmed[::4]
    reader, slugs = SignReader().under(signs_taxonomy()), [each.candidate.category for each in some]
    before = reader.judge([each.candidate.unsafe for each in some], slugs, [None] * len(some))
    after = reader.judge([each.safe for each in some], slugs, [None] * len(some))
    right = [
        p.p_unsafe is not None and q.p_unsafe is not None and p.p_unsafe >= 0.5 > q.p_unsafe
        for p, q in zip(before, after, strict=True)
    ]
    assert np.mean(right) >= 0.8


def test_the_reader_abstains_with_a_reason() -> None:
    one = one_of("words")
    category = one.block.category
    assert read(plate(one), category)[0] > 0.9  # type: ignore[operator]
    assert read(plate(one, ink=np.array([225, 215, 195], np.uint8)), category)[:2] == (None, "too_faint")
    pixels = plate(one).pixels.copy()
    pixels[60:130, 100:140] = (200, 20, 20)
    assert read(encode(pixels), category)[:2] == (None, "covered")
    assert read(plate(one), category, Box(0, 0, 3, 3))[:2] == (None, "nothing_there")
    other = next(block for block in blocks() if block.category != category and block.form == "words")
    assert read(plate(other.compositions[0]), category)[:2] == (None, "covered")
    assert read(encode(np.zeros((160, 200, 3), np.uint8)), category, None)[:2] == (None, "nothing_there")


def test_some_scenes_really_fail(tried: list[Tried]) -> None:
    notes = Counter(each.before.note for each in tried)
    assert notes["too_faint"] >= 2 and notes["covered"] >= 2
    assert 0.8 <= notes[""] / COUNT <= 0.97


# The source


def essence(candidate: Candidate) -> tuple[object, ...]:
    return candidate.source_id, candidate.category, candidate.unsafe.data, candidate.hint, candidate.origin


def test_a_candidate_depends_on_its_number_alone(tried: list[Tried]) -> None:
    again = SignScenes(17, SIZE).take(40, 42)
    assert [essence(each) for each in again] == [essence(each.candidate) for each in tried[40:42]]
    assert essence(SignScenes(18, SIZE).take(40, 41)[0]) != essence(again[0])


def test_a_candidate_says_what_it_is(tried: list[Tried]) -> None:
    for number, (candidate, edge, instruction, *_) in enumerate(tried):
        block = edge.unsafe.block
        assert candidate.category == NINE.slugs[number % 9] == block.category
        assert candidate.family == block.name
        assert candidate.origin.id == f"{block.name}:{edge.unsafe.line}:{edge.safe.line}:scene-17-{number}"
        assert instruction.critical_feature == phrase(edge.unsafe)
        x0, y0, x1, y1 = candidate.hint["region"]
        assert 0 <= x0 < x1 <= SIZE and 0 <= y0 < y1 <= SIZE


def test_images_are_small(tried: list[Tried]) -> None:
    """270 pairs of them are at most 10 MB."""
    assert np.mean([len(each.safe.data) for each in tried]) <= 10e6 / 540


def test_the_neutral_signs_are_of_no_block() -> None:
    rng = np.random.default_rng(1)
    signs = [sign for _ in range(60) for sign in draw_neutral(rng, 5)]
    assert {sign.form for sign in signs} == {"icon", "words", "beside", "stacked", "captioned"}
    used = {name for block in blocks() for each in block.compositions for name in each.icons}
    assert used.isdisjoint(name for sign in signs for name in sign.icons)
    assert {each.words for block in blocks() for each in block.compositions}.isdisjoint(
        " ".join(sign.lines) for sign in signs if sign.lines != ("",)
    )


def test_no_pixel_statistic_of_the_plate_tells_which_member_was_edited(confirmed: list[Tried]) -> None:
    """Where the ink stands, how much there is and how sharp it is: their mean differences are no more than chance."""
    rows = [
        np.subtract(*(statistics(p, each.region) for p in (each.safe, each.candidate.unsafe))) for each in confirmed
    ]
    differences = np.array(rows)
    errors = differences.std(axis=0) / np.sqrt(len(differences))
    assert (np.abs(differences.mean(axis=0)) <= 3.5 * errors + 1e-9).all()


def statistics(picture: Picture, region: Box) -> list[float]:
    x0, y0, x1, y1 = region
    grey = picture.pixels[y0:y1, x0:x1].astype(float).mean(axis=2)
    ink = np.abs(grey - grey[0, 0]) > 12
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    middle = [float(rows[0] + rows[-1]), float(columns[0] + columns[-1])]
    sharp = [float(np.abs(np.diff(grey, axis=axis)).mean()) for axis in (0, 1)]
    return [float(ink.mean()), *middle, *sharp, float(np.ptp(rows)), float(np.ptp(columns)), len(picture.data) / 1000]


def test_bad_settings_get_one_line() -> None:
    with pytest.raises(RecipeError, match="size is 128; signs can be read from 192 pixels on; give more"):
        SignScenes(image_size=128)
    with pytest.raises(RecipeError, match=r"the taxonomy is safetypairs@1\.0; signs cite the lines of signs@1\.0"):
        SignScenes(taxonomy=NINE)


@pytest.mark.parametrize("hint", [{}, {"block": "none"}, {"block": "feed-the-dog", "item": 0, "context": 1}])
def test_no_labels_no_instruction(hint: dict[str, object], tried: list[Tried]) -> None:
    candidate = tried[0].candidate
    bare = Candidate(candidate.source_id, candidate.category, candidate.origin, candidate.unsafe, hint)
    [answer] = SignInstructor().write([bare])
    assert isinstance(answer.outcome, Reject)
    assert answer.outcome.reason == "no_labels"


def test_the_parts_can_be_sent_to_another_process() -> None:
    for part in (SignScenes(), SignInstructor(), SignEditor(), SignReader()):
        assert pickle.loads(pickle.dumps(part)) == part


def test_plates_are_found_where_they_are(confirmed: list[Tried]) -> None:
    [first, *_] = confirmed
    x0, y0, x1, y1 = first.region
    assert any(r.x0 <= x0 and r.y0 <= y0 and r.x1 >= x1 and r.y1 >= y1 for r, _ in find(first.safe.pixels))
