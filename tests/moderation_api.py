"""A real server on loopback that speaks OpenAI's POST /v1/moderations, and misbehaves on request."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from chat_api import ChatAPI, Reaction, chat_api

from safetypairs_hf.taxonomy.crosswalk import guard

CODES = tuple(guard("omni-moderation").labels)


def moderated(model: str = "omni-moderation-2024-09-26", **scores: float) -> dict[str, Any]:
    """A whole answer of the API: thirteen scores of 0.001 except those in `scores` (write `/` as two underscores)."""
    named = {key.replace("__", "/").replace("_", "-"): value for key, value in scores.items()}
    images = guard("omni-moderation").images
    result = {
        "flagged": False,
        "categories": dict.fromkeys(CODES, False),
        "category_scores": dict.fromkeys(CODES, 0.001) | named,
        "category_applied_input_types": {code: ["image"] if code in images else [] for code in CODES},
    }
    return {"id": "modr-1", "model": model, "results": [result]}


def moderation_api(
    react: Callable[[dict[str, Any], int], Reaction], **settings: Any
) -> AbstractContextManager[ChatAPI]:
    return chat_api(react, models=("omni-moderation-latest",), path="/v1/moderations", **settings)
