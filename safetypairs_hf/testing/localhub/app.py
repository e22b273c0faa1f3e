"""The web application: routes, who may call, errors as the clients understand them, and the log of requests."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from safetypairs_hf.testing.localhub import (
    routes_git,
    routes_lfs,
    routes_pulls,
    routes_read,
    routes_repos,
    routes_storage,
    routes_write,
    routes_xet,
)
from safetypairs_hf.testing.localhub.hub import Call, Hub
from safetypairs_hf.testing.localhub.refusals import Refusal

HOSTS = ("127.0.0.1", "localhost")


@dataclass
class Logged:
    """One request: `path` as it came, without the query; bodies in bytes; status 0 while there is no answer yet."""

    method: str
    path: str
    status: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Outer:
    """Around the application: it logs, lets only loopback names in, and routes on the path as it came.

    The path must stay quoted because a revision such as refs%2Fpr%2F1 is one part of it. The host is checked so that
    a web page that a user visits cannot reach the hub by a name that it points to 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, log: list[Logged]) -> None:
        self.app = app
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = Logged(scope["method"], scope["raw_path"].decode("ascii", "replace"))
        self.log.append(entry)

        async def counted_receive() -> Message:
            message = await receive()
            entry.bytes_received += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            entry.status = message.get("status", entry.status)
            if entry.method != "HEAD":  # the server drops the body of an answer to HEAD
                entry.bytes_sent += len(message.get("body", b""))
            await send(message)

        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").rsplit(":", 1)[0]
        scope["path"] = entry.path
        app = self.app if host in HOSTS else Refusal(403, f"This hub answers only to {HOSTS[0]}").response()
        await app(scope, counted_receive, counted_send)


def build(hub: Hub, log: list[Logged]) -> ASGIApp:
    """The application of a hub; each request is appended to `log`."""
    # Fixed words before names: /lfs/... and /xet/... would else be read as repos.
    modules = (
        routes_xet,
        routes_lfs,
        routes_git,
        routes_repos,
        routes_storage,
        routes_write,
        routes_pulls,
        routes_read,
    )
    routes = [Route(path, _endpoint(hub, handler), methods=[method])
              for module in modules for method, path, handler in module.ROUTES]  # fmt: skip
    # Last, so that hf-xet and others get 404 (try another way), never 405, for what is not here.
    routes.append(Route("/{path:path}", _endpoint(hub, _unknown), methods=["GET", "POST", "PUT", "DELETE", "PATCH"]))
    return Outer(Starlette(routes=routes, exception_handlers={Refusal: _refused}), log)  # type: ignore[dict-item]


def _endpoint(hub: Hub, handler: Callable[[Call], Any]) -> Callable[[Request], Any]:
    """A handler of calls as an endpoint. Plain functions run in a thread; an async one reads the body itself."""

    async def endpoint(request: Request) -> Response:
        if inspect.iscoroutinefunction(handler):
            streamed: Response = await handler(Call(hub, request, b""))
            return streamed
        call = Call(hub, request, await request.body())
        response: Response = await run_in_threadpool(handler, call)
        return response

    return endpoint


def _unknown(_: Call) -> Response:
    raise Refusal(404, "This hub has no such route")


async def _refused(_: Request, error: Refusal) -> Response:
    return error.response()
