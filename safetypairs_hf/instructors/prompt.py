"""The prompt of an instructor, and the schema of its answer."""

from __future__ import annotations

from typing import Any, Final

from safetypairs_hf.core.records import Candidate
from safetypairs_hf.instructors.coordinates import SHARES, Coordinates
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

# There is no system turn, because some chat templates do not support one.
_TASK: Final = """You write edit instructions that make images safe. Each edit removes what a safety policy is \
about and changes nothing else. You never ask for anything that the policy says an image should not show. You answer \
in English, with one JSON object and no other text.

The policy:

{policy}
Look at the image. Find the one thing in it that the policy does not permit, and write the smallest edit after which \
the image is permitted. Keep the scene, the people, the light and the style as they are.

Answer with a JSON object with these keys:
- "critical_feature": what makes the image unsafe, a few words
- "instruction": the edit as one short command to an image editor, such as "Replace the ... with ..."
- "region": where it is: {{"x0", "y0", "x1", "y1"}} {coordinates}, from the top left corner; or null \
where it is all over the image
- "caption_unsafe": the image as it is, one sentence
- "caption_safe": the image after the edit, one sentence
"""
_FAILED: Final = "\nEarlier attempts at this image failed. Ask for something else this time.\n{each}\n"

_TEXT: Final = {"type": "string"}
_CORNERS: Final = ("x0", "y0", "x1", "y1")


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def schema(coordinates: Coordinates = SHARES) -> dict[str, Any]:
    """Return the JSON schema of an answer."""
    # Corners are an object instead of a list: all schema engines support it, and the number of corners is always right.
    corners = _object(dict.fromkeys(_CORNERS, coordinates.number))
    return _object(
        {
            "critical_feature": _TEXT,
            "instruction": _TEXT,
            "region": {"anyOf": [corners, {"type": "null"}]},
            "caption_unsafe": _TEXT,
            "caption_safe": _TEXT,
        }
    )


def question(candidate: Candidate, taxonomy: Taxonomy = NINE, coordinates: Coordinates = SHARES) -> str:
    """Return the prompt for a candidate's image: policy, task, and why earlier attempts failed, oldest first."""
    # Shares are the same for every image; only the other conventions need the image's size.
    width, height = (1, 1) if coordinates == SHARES else candidate.unsafe.pixels.shape[1::-1]
    text = _TASK.format(policy=taxonomy.policy(candidate.category), coordinates=coordinates.asked(width, height))
    if candidate.feedback:
        text += _FAILED.format(each="\n".join(f"- {reason}" for reason in candidate.feedback))
    return text
