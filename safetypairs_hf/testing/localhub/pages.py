"""Lists that are handed out page by page, with the Link header that clients follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from safetypairs_hf.testing.localhub.hub import Call

T = TypeVar("T")


def page(call: Call, items: Sequence[T], size: int, show: Callable[[T], Any] = lambda item: item) -> Response:
    """`size` items from where the query's cursor stands, each as `show` gives it; Link names the next page."""
    start, headers = call.number("cursor", 0), {}
    if start + size < len(items):
        query = [(key, value) for key, value in call.query.multi_items() if key != "cursor"]
        # The path as it came: decoded, a revision like refs/pr/1 would become three parts.
        url = f"{call.hub.endpoint}{call.request.scope['path']}?{urlencode([*query, ('cursor', start + size)])}"
        headers["Link"] = f'<{url}>; rel="next"'
    return JSONResponse([show(item) for item in items[start : start + size]], headers=headers)
