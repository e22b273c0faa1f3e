"""Parse a model's answer into an Instruction, or into a Reject that says what is wrong with it."""

from __future__ import annotations

import json
import math
from typing import Any

from safetypairs_hf.core.foreign_text import objects_in, whole
from safetypairs_hf.core.records import Box, Instruction, Reject
from safetypairs_hf.instructors.coordinates import SHARES, Coordinates
from safetypairs_hf.instructors.forbidden import forbidden
from safetypairs_hf.instructors.language import is_english
from safetypairs_hf.models.answer_text import answer_of, answer_span, last_object, refuses
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

_KEYS = ("critical_feature", "instruction", "region", "caption_unsafe", "caption_safe")
_CORNERS = ("x0", "y0", "x1", "y1")
_LONGEST = 600
# How far outside the image a corner may lie and still count as its edge, as a share of the width or the height.
_SLACK = 0.05


class _MalformedError(Exception):
    """A fault of an answer. `args` holds the reason and the detail of the reject."""


def parse(
    raw: str,
    width: int,
    height: int,
    category: str,
    taxonomy: Taxonomy = NINE,
    coordinates: Coordinates = SHARES,
) -> Instruction | Reject:
    """Read an instructor's answer.

    Reasoning, code fences and text around the JSON object are skipped (see `answer_text`). If there are several whole
    objects with the expected keys, the last one counts. Corners up to 0.05 of the width or height outside the image are
    clamped. A region is a "bad_region" if a corner lies further outside, if it is empty, or if it looks like another
    convention.

    Args:
        raw: The answer.
        width: The width of the image in pixels.
        height: The height of the image in pixels.
        category: The category of the image.
        taxonomy: The taxonomy of the category.
        coordinates: The convention of the region.

    Returns:
        The instruction, or a reject of the stage "instruct" with the reason "refused", "other_language", "not_json"
        (also if it is cut off), "bad_schema", "bad_region" or "asks_forbidden".
    """
    text = answer_of(raw)
    try:
        if answer_span(raw) is None:
            raise _MalformedError("not_json", f"cut off in its reasoning: {raw[-120:]}")
        found = _fields(text)
        feature, asked = _text(found, "critical_feature"), _text(found, "instruction")
        if refuses(asked) or refuses(feature, at_once=True):
            raise _MalformedError("refused", asked)
        if not is_english(f"{feature} {asked}"):
            raise _MalformedError("other_language", asked)
        captions = [_text(found, name, required=False) for name in _KEYS[3:]]
        region = _region(found.get("region"), width, height, coordinates)
    except _MalformedError as error:
        return Reject("instruct", error.args[0], _short(error.args[1]))
    word = forbidden(asked, feature, category, taxonomy)
    if word is not None:
        return Reject("instruct", "asks_forbidden", f"the edit would add {word!r}: {_short(asked)}")
    return Instruction(feature, asked, region, *captions)


def _fields(text: str) -> dict[str, Any]:
    """Return the last JSON object in the text with the expected keys. Raises _MalformedError if there is none."""
    place, value = last_object(text, _KEYS)
    if place >= 0:
        return dict(value)
    objects = objects_in(text)
    if refuses(text) or any("refusal" in value for value in objects.values()):
        raise _MalformedError("refused", text)
    if text.find("{") in objects:  # else the objects are parts of one that is cut off
        raise _MalformedError("bad_schema", f"an object without 'critical_feature' and 'instruction': {text}")
    if not is_english(text):
        raise _MalformedError("other_language", text)
    what = "the JSON is cut off or broken" if "{" in text else "no JSON object" if text else "an empty answer"
    raise _MalformedError("not_json", f"{what}: {text[-120:]}")


def _text(found: dict[str, Any], name: str, required: bool = True) -> str:
    value = found.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise _MalformedError("bad_schema", f"{name!r} is {json.dumps(value)}, expected a text")
    value = " ".join(whole(value).split())
    if required and not value:
        raise _MalformedError("bad_schema", f"{name!r} is empty")
    if len(value) > _LONGEST:
        raise _MalformedError("bad_schema", f"{name!r} has {len(value)} characters, at most {_LONGEST} are taken")
    return value


def _region(value: Any, width: int, height: int, coordinates: Coordinates) -> Box | None:
    if value is None:
        return None
    if isinstance(value, dict) and set(value) == set(_CORNERS):
        value = [value[corner] for corner in _CORNERS]
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(corner) for corner in value):
        raise _MalformedError("bad_schema", f"'region' is {json.dumps(value)}, expected x0, y0, x1, y1 or null")
    expected = f"corners are {coordinates.convention} between 0 and "
    right, bottom = coordinates.extent(width, height)
    if coordinates != SHARES and max(value) <= 1:
        raise _MalformedError("bad_region", f"{value} are shares of the image; {expected}{right:g} and {bottom:g}")
    placed = list(zip(value, (right, bottom, right, bottom), strict=True))
    # Compared before the division, because an integer of hundreds of digits does not fit a float.
    if not all(-_SLACK * side <= corner <= (1 + _SLACK) * side for corner, side in placed):
        raise _MalformedError("bad_region", f"{value} reaches out of the image; {expected}{right:g} and {bottom:g}")
    x0, y0, x1, y1 = (min(max(corner / side, 0.0), 1.0) for corner, side in placed)
    if x0 >= x1 or y0 >= y1:
        raise _MalformedError("bad_region", f"{value} holds nothing; x0 < x1 and y0 < y1 are expected")
    return Box(math.floor(x0 * width), math.floor(y0 * height), math.ceil(x1 * width), math.ceil(y1 * height))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:197] + "..."
