"""A chat server on loopback that answers by the pixels of the image it is sent: harnesses' own clients ask it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from answers import word_of
from chat_api import ChatAPI, Reaction, chat_api, completion
from PIL import Image

MODEL = "small-vlm"


def answering(say: Callable[[Any], dict[str, Any]] | None = None) -> AbstractContextManager[ChatAPI]:
    """`say` makes a whole answer of a PIL image; without it, the answer is its `word_of`."""
    made = say or (lambda image: completion(word_of(image)))
    return chat_api(lambda body, _: Reaction(made(seen(body))))


def seen(body: dict[str, Any]) -> Any:
    """The one image of a request."""
    (uri,) = [part["image_url"]["url"] for part in parts(body) if part["type"] == "image_url"]
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))


def parts(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of the request's last message."""
    return list(body["messages"][-1]["content"])
