"""Instructor, editor and matcher on scenes of one plate, drawn here."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Answer, Box, Candidate, Edited, Instruction, Origin, Picture, Pixels, Reject
from safetypairs_hf.icons import IconEditor, IconInstructor, IconMatcher, IconScenes, glyphs
from safetypairs_hf.icons.catalogue import Item, by_phrase, icon, placard
from safetypairs_hf.icons.drawing import paint
from safetypairs_hf.icons.editor import asked_for
from safetypairs_hf.icons.instructor import definite
from safetypairs_hf.icons.reading import read

PLATE, INK = (240, 230, 210), (30, 60, 120)
REGION = Box(60, 60, 140, 140)
GUN = by_phrase()["a gun"]


def scene(item: Item = GUN, width: int = 56, ink: tuple[int, int, int] = INK) -> Picture:
    """A plate of 96 x 96 on a smooth background of 200 x 200, with the item in its middle."""
    canvas = np.zeros((200, 200, 3), dtype=np.uint8)
    canvas[...] = np.arange(200, dtype=np.uint8)[:, None, None] // 2
    canvas[..., 2] += np.arange(200, dtype=np.uint8)[None, :] // 2
    canvas[52:148, 52:148] = PLATE
    height = round(width / glyphs.aspect(item))
    paint(canvas, glyphs.mask(item, width, height), 100 - width // 2, 100 - height // 2, ink)
    return encode(canvas)


def edit(picture: Picture, text: str, region: Box | None = REGION) -> Pixels | Reject:
    [answer] = IconEditor().edit([picture], [Instruction("", text, region)], [7])
    return answer if isinstance(answer, Reject) else answer.pixels


def candidate(hint: dict[str, object]) -> Candidate:
    return Candidate("0" * 16, "hate", Origin("", "", ""), scene(), hint)


def test_the_instruction_names_both_items() -> None:
    hint = {"item": "a gun", "twin": "an umbrella", "region": [1, 2, 3, 4]}
    assert IconInstructor().write([candidate(hint)]) == [
        Answer(Instruction("a gun", "Replace the gun with an umbrella.", Box(1, 2, 3, 4)))
    ]


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        ({}, "no_labels"),
        ({"item": "a gun"}, "no_labels"),
        ({"item": "a gun", "twin": "an umbrella"}, "no_region"),
        ({"item": "a gun", "twin": "an umbrella", "region": [1, 2]}, "no_region"),
    ],
)
def test_no_labels_no_instruction(hint: dict[str, object], reason: str) -> None:
    [answer] = IconInstructor().write([candidate(hint)])
    assert isinstance(answer.outcome, Reject)
    assert (answer.outcome.stage, answer.outcome.reason) == ("instruct", reason)


def test_definite() -> None:
    assert [definite(p) for p in ("a gun", "an apple", "bound hands", "the sun")] == [
        *("the gun", "the apple", "the bound hands", "the sun")
    ]


def test_the_editor_finds_the_item_that_is_asked_for() -> None:
    assert asked_for("Replace the person with a rifle with a cat.") == icon("cat")
    assert asked_for("Replace the gun with a house with a laptop.") == icon("house-laptop")
    assert asked_for('Replace the words "SEX SHOP" with the words "TEA SHOP".') == placard("TEA SHOP")
    assert asked_for("Make it safe.") is None
    assert asked_for("Replace the gun with a thing nobody drew.") is None


def test_reading_gives_the_colours_and_the_mask_back() -> None:
    reading = read(scene().pixels[60:140, 60:140])
    assert reading is not None
    assert reading.plate.tolist() == list(PLATE)
    assert reading.glyph.tolist() == list(INK)
    assert reading.on_line.all()
    assert reading.box.x1 - reading.box.x0 == 56
    given = glyphs.mask(GUN, 56, round(56 / glyphs.aspect(GUN))).astype(float) / 255
    assert abs(reading.cover.sum() - given.sum()) < 2


def test_the_edit_wipes_the_item_and_changes_nothing_else() -> None:
    picture = scene()
    edited = edit(picture, "Replace the gun with a crown.")
    assert isinstance(edited, np.ndarray)
    changed = (edited != picture.pixels).any(axis=2)
    assert changed.any()
    changed[60:140, 60:140] = False
    assert not changed.any()
    drawn = edit(encode(edited), "Replace the crown with a gun.")
    assert isinstance(drawn, np.ndarray)
    reading = read(drawn[60:140, 60:140])
    assert reading is not None and reading.on_line.all()
    assert (reading.plate.tolist(), reading.glyph.tolist()) == (list(PLATE), list(INK))


def test_an_edit_depends_on_the_seed_alone() -> None:
    instruction = Instruction("a gun", "Replace the gun with a crown.", REGION)
    answers = IconEditor().edit([scene()] * 4, [instruction] * 4, [1, 1, 2, 3])
    made = [answer.pixels for answer in answers if isinstance(answer, Edited)]
    assert len(made) == 4
    assert np.array_equal(made[0], made[1])
    assert not (np.array_equal(made[1], made[2]) and np.array_equal(made[1], made[3]))


def test_a_wide_item_on_a_small_plate_leaks() -> None:
    picture = scene(width=78)
    edited = edit(picture, 'Replace the gun with the words "SELF-CARE".')
    assert isinstance(edited, np.ndarray)
    changed = np.flatnonzero((edited != picture.pixels).any(axis=(0, 2)))
    assert changed[0] < REGION.x0 and changed[-1] >= REGION.x1


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("Replace the gun with a spell.", REGION, "unknown_item"),
        ("Replace the gun with a crown.", None, "no_region"),
        ("Replace the gun with a crown.", Box(53, 53, 60, 60), "nothing_to_replace"),
        ("Replace the gun with a crown.", Box(150, 150, 230, 230), "nothing_to_replace"),
        ("Replace the gun with a crown.", Box(90, 90, 90, 120), "nothing_to_replace"),
    ],
)
def test_what_can_not_be_edited_is_rejected(text: str, region: Box | None, reason: str) -> None:
    answer = edit(scene(), text, region)
    assert isinstance(answer, Reject)
    assert (answer.stage, answer.reason) == ("edit", reason)


@pytest.mark.parametrize("region", [REGION, None])
def test_the_matcher_knows_a_critical_item_in_its_category_only(region: Box | None) -> None:
    pictures = [scene(), scene(), scene(icon("crown"))]
    verdicts = IconMatcher().judge(pictures, ["weapons_substances", "hate", "weapons_substances"], [region] * 3)
    assert [verdict.raw for verdict in verdicts] == ["a gun", "a gun", "a crown"]
    first, second, third = (verdict.p_unsafe for verdict in verdicts)
    assert first is not None and first > 0.9
    assert second is not None and second < 0.1
    assert third is not None and third < 0.1


def note(picture: Picture, region: Box | None = REGION) -> tuple[float | None, str]:
    [verdict] = IconMatcher().judge([picture], ["weapons_substances"], [region])
    return verdict.p_unsafe, verdict.note


def test_the_matcher_abstains_with_a_reason() -> None:
    assert note(scene(ink=(225, 215, 195))) == (None, "too_faint")
    covered = scene().pixels.copy()
    covered[84:128, 60:104] = (200, 20, 20)
    assert note(encode(covered)) == (None, "covered")
    assert note(scene(), Box(53, 53, 60, 60)) == (None, "nothing_there")
    assert note(encode(np.zeros((200, 200, 3), dtype=np.uint8)), None) == (None, "nothing_there")


def test_every_item_of_the_catalogue_is_read_as_itself() -> None:
    items = list(by_phrase().values())
    pictures = [scene(item, width=76 if glyphs.aspect(item) > 1 else 50) for item in items]
    verdicts = IconMatcher().judge(pictures, ["hate"] * len(items), [REGION] * len(items))
    wrong = [item.phrase for item, verdict in zip(items, verdicts, strict=True) if verdict.raw != item.phrase]
    assert wrong == []


def test_the_parts_can_be_sent_to_another_process() -> None:
    for part in (IconScenes(), IconInstructor(), IconEditor(), IconMatcher()):
        assert pickle.loads(pickle.dumps(part)) == part
