"""Split a list into pages, linked by the Link header that clients follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from safetypairs_hf.testing.localhub.hub import Call

T = TypeVar("T")


def page(call: Call, items: Sequence[T], size: int, show: Callable[[T], Any] = lambda item: item) -> Response:
    """Answer with one page of a list.

    Args:
        call: The request; its query may hold a `cursor`, the index of the page's first item (default 0).
        items: The whole list.
        size: The largest number of items on a page.
        show: Makes the JSON of one item; only the items of this page are passed to it.
    """
    start, headers = call.number("cursor", 0), {}
    if start + size < len(items):
        query = [(key, value) for key, value in call.query.multi_items() if key != "cursor"]
        # The path stays quoted, because a revision such as refs/pr/1 would become three segments.
        url = f"{call.endpoint}{call.request.scope['path']}?{urlencode([*query, ('cursor', start + size)])}"
        headers["Link"] = f'<{url}>; rel="next"'
    return JSONResponse([show(item) for item in items[start : start + size]], headers=headers)
