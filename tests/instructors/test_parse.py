from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Box, Candidate, Instruction, Origin, Picture, Reject
from safetypairs_hf.instructors.coordinates import SHARES, Coordinates, convention_of, resized
from safetypairs_hf.instructors.language import is_english
from safetypairs_hf.instructors.parse import parse
from safetypairs_hf.instructors.prompt import question, schema
from safetypairs_hf.taxonomy.nine import NINE

GOOD: dict[str, Any] = {
    "critical_feature": "a red square",
    "instruction": "Replace the red square with a green circle.",
    "region": {"x0": 0.1, "y0": 0.25, "x1": 0.5, "y1": 1.0},
    "caption_unsafe": "A red square on grey.",
    "caption_safe": "A green circle on grey.",
}
READ = Instruction(
    "a red square",
    "Replace the red square with a green circle.",
    Box(20, 25, 100, 100),
    "A red square on grey.",
    "A green circle on grey.",
)


def read(raw: str) -> Instruction | Reject:
    return parse(raw, width=200, height=100, category="violence")


def changed(**fields: Any) -> str:
    return json.dumps(GOOD | fields)


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(GOOD),
        f"```json\n{json.dumps(GOOD, indent=2)}\n```",
        f"Here is the edit:\n{json.dumps(GOOD)}\nLet me know if {{you}} want another.",
        f"<think>A square {{x}}. I cannot see more.</think>{json.dumps(GOOD)}",
        f"{{}} {json.dumps(GOOD)}",
        changed(region=[0.1, 0.25, 0.5, 1.0]),
        changed(region=[0.1, 0.25, 0.5, 1.04]),
        changed(instruction="  Replace the red square\n with a green circle. "),
        changed(confidence=0.9),
    ],
)
def test_good_answers(raw: str) -> None:
    assert read(raw) == READ


def test_what_may_be_missing() -> None:
    raw = json.dumps({"critical_feature": "a red square", "instruction": "Remove the red square."})
    assert read(raw) == Instruction("a red square", "Remove the red square.", None, "", "")
    assert read(changed(region=None, caption_safe=None)) == READ._replace(region=None, caption_safe="")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "not_json"),
        ("Replace the square with a circle.", "not_json"),
        (json.dumps(GOOD)[:-20], "not_json"),
        (json.dumps(GOOD)[:140], "not_json"),  # the region is whole, what holds it is not
        ("<think>The image shows a square and", "not_json"),
        ("I'm sorry, but I can't help with that.", "refused"),
        ("I cannot assist with requests about this image.", "refused"),
        ('{"refusal": "not this one"}', "refused"),
        ('{"error": "I am unable to look at it"}', "refused"),
        (changed(instruction="I can't help with editing this image."), "refused"),
        ('{"answer": 42}', "bad_schema"),
        (changed(instruction=["Remove it."]), "bad_schema"),
        (changed(instruction=None), "bad_schema"),
        (changed(critical_feature="  "), "bad_schema"),
        (changed(instruction="Remove the square. " * 60), "bad_schema"),
        (changed(caption_safe=3), "bad_schema"),
        (changed(region="top left"), "bad_schema"),
        (changed(region=[0, 0, 1]), "bad_schema"),
        (changed(region=[0, 0, True, 1]), "bad_schema"),
        (changed(region=[0, 0, float("nan"), 1]), "bad_schema"),
        (changed(region={"x": 0, "y": 0, "w": 1, "h": 1}), "bad_schema"),
        (changed(region=[100, 200, 500, 800]), "bad_region"),
        (changed(region=[0.5, 0.1, 0.2, 0.9]), "bad_region"),
        (changed(region=[0.5, 0.1, 0.5, 0.9]), "bad_region"),
        (changed(region=[1.01, 0.1, 1.04, 0.9]), "bad_region"),
        ("请把红色方块换成绿色圆圈。", "other_language"),
        (changed(critical_feature="红色方块", instruction="请把红色方块换成绿色圆圈。"), "other_language"),
        (changed(instruction="Ersetze das rote Quadrat durch einen grünen Kreis."), "other_language"),
        (changed(instruction="Remplacez le carré rouge par un cercle vert."), "other_language"),
        (changed(instruction="Replace the circle with a gun."), "asks_forbidden"),
    ],
)
def test_rejects(raw: str, reason: str) -> None:
    found = read(raw)
    assert isinstance(found, Reject)
    assert (found.stage, found.reason) == ("instruct", reason)
    assert len(found.detail) <= 260 and "\n" not in found.reason


def test_a_region_is_never_less_than_a_pixel() -> None:
    found = read(changed(region=[0.001, 0.001, 0.002, 0.002]))
    assert isinstance(found, Instruction) and found.region == Box(0, 0, 1, 1)


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("Paint it green", True),
        ("Remove graffiti", True),
        ("Graffiti", True),
        ("Replace the café sign with a menu in French", True),
        ("Sostituisci il quadrato rosso con un cerchio", False),
        ("Ersetze das Quadrat", False),
        ("Замени квадрат кругом", False),
        ("赤い四角を消す", False),
        ("lorem ipsum dolor sit amet", False),
        ("12345 !!", True),
    ],
)
def test_language(text: str, english: bool) -> None:
    assert is_english(text) is english


def test_the_question_has_policy_and_feedback() -> None:
    candidate = Candidate("0" * 16, "weapons_substances", Origin("d", "1", "CC0-1.0"), Picture(b""))
    first = question(candidate)
    assert "Weapons or Substance Abuse" in first and "kitchen knives" in first and "Earlier attempts" not in first
    candidate.feedback = ("still_unsafe: guard", "leaked_outside_box")
    assert question(candidate).startswith(first)
    assert question(candidate).endswith("- still_unsafe: guard\n- leaked_outside_box\n")


CONVENTIONS = [
    Coordinates("shares"),
    Coordinates("thousandths"),
    Coordinates("pixels"),
    Coordinates("pixels", 32, 256 * 256, 512 * 512),
]


@pytest.mark.parametrize("coordinates", CONVENTIONS)
def test_the_schema_asks_for_what_the_parser_reads(coordinates: Coordinates) -> None:
    """The prompt's own numbers of a box come back as that box of the image, whatever they count."""
    asked = schema(coordinates)
    assert set(asked["required"]) == set(GOOD) == set(asked["properties"])
    box = asked["properties"]["region"]["anyOf"][0]
    assert box["required"] == ["x0", "y0", "x1", "y1"]
    candidate = Candidate("0" * 16, "violence", Origin("d", "1", "CC0-1.0"), encode(np.zeros((100, 200, 3), np.uint8)))
    words = question(candidate, NINE, coordinates)
    assert f'"y1"}} {coordinates.asked(200, 100)}, from the top left corner; or null where it is all over' in words
    right, bottom = coordinates.extent(200, 100)
    corners = [0.1 * right, 0.25 * bottom, 0.5 * right, bottom]
    if coordinates != SHARES:
        corners = [round(corner) for corner in corners]
    raw = changed(region=dict(zip(box["required"], corners, strict=True)))
    found = parse(raw, 200, 100, "violence", NINE, coordinates)
    assert isinstance(found, Instruction) and found.region is not None
    assert all(abs(one - other) <= 1 for one, other in zip(found.region, Box(20, 25, 100, 100), strict=True))
    over = changed(region=[0, 0, 1.1 * right, bottom])
    assert reason_of(parse(over, 200, 100, "violence", NINE, coordinates)) == "bad_region"


@pytest.mark.parametrize("coordinates", CONVENTIONS[1:])
def test_shares_of_a_model_that_counts_are_no_region(coordinates: Coordinates) -> None:
    assert reason_of(parse(changed(), 200, 100, "violence", NINE, coordinates)) == "bad_region"


def reason_of(found: Instruction | Reject) -> str:
    return found.reason if isinstance(found, Reject) else "none"


def test_images_are_resized_as_by_the_processor() -> None:
    for width, height in ((1024, 1024), (1248, 832), (4000, 3000), (20, 30), (1, 150), (97, 71)):
        for factor, least, most in ((28, 56 * 56, 12_845_056), (28, 256 * 256, 512 * 512), (32, 65_536, 1_000_000)):
            theirs = smart_resize(height, width, factor, least, most)
            assert resized(width, height, factor, least, most)[::-1] == theirs, (width, height)


@pytest.mark.parametrize(
    ("family", "convention"),
    [
        ("qwen2_5_vl", "pixels"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "pixels"),
        ("qwen2_5_omni_thinker", "pixels"),
        ("qwen2_vl", "thousandths"),
        ("qwen3_vl_moe", "thousandths"),
        ("Qwen3-VL-30B-A3B-Instruct-FP8", "thousandths"),
        ("internvl", "thousandths"),
        ("glm4v_moe", "thousandths"),
        ("zai-org/GLM-4.5V", "thousandths"),
        ("gemma3", "shares"),
        ("Qwen2.5-7B", "shares"),
        ("", "shares"),
    ],
)
def test_the_convention_is_the_familys(family: str, convention: str) -> None:
    assert convention_of(family) == convention
