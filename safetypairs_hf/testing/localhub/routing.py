"""Declare which handler answers each method and path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from safetypairs_hf.testing.localhub.hub import Call

# A handler returns a Response, or a dict or list that is sent as JSON with status 200. An async one reads the request's
# body itself.
Handler = Callable[[Call], Any]
H = TypeVar("H", bound=Handler)

API: Final = "/api/{kind}/{namespace}/{name}"
REPO: Final = ("/{kind}/{namespace}/{name}", "/{namespace}/{name}")  # outside the API a model's path has no kind


class Routes:
    """The routes of one module, in the order in which they are tried.

    An instance decorates handlers: `@route("GET", f"{API}/refs")`.
    """

    def __init__(self) -> None:
        self.table: list[tuple[str, str, Handler]] = []

    def __call__(self, method: str, *paths: str) -> Callable[[H], H]:
        """Let the decorated handler answer `method` at each of `paths`."""

        def declare(handler: H) -> H:
            self.table += [(method, path, handler) for path in paths]
            return handler

        return declare
