"""The web application: all routes, the check of the host name, and the log of requests."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
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
from safetypairs_hf.testing.localhub.routing import Handler

HOSTS = ("127.0.0.1", "localhost")


@dataclass
class Logged:
    """A logged request: `path` is as received, without the query; sizes in bytes; status 0 until it is answered."""

    method: str
    path: str
    status: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Outer:
    """Wrap the application: log requests, accept only loopback host names, and route on the quoted path.

    The path stays quoted because a revision such as refs%2Fpr%2F1 is one segment of it. The check of the host name
    keeps web pages in a user's browser from reaching the hub by a name that they resolve to 127.0.0.1.
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
            if entry.method != "HEAD":  # the server does not send the body of an answer to HEAD
                entry.bytes_sent += len(message.get("body", b""))
            await send(message)

        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").rsplit(":", 1)[0]
        scope["path"] = entry.path
        app = self.app if host in HOSTS else Refusal(403, f"This hub answers only to {HOSTS[0]}").response()
        await app(scope, counted_receive, counted_send)


def build(hub: Hub, log: list[Logged]) -> ASGIApp:
    """The application of a hub; it appends each request to `log`."""
    # Routes that start with a fixed word come first: /lfs/... and /xet/... also match the pattern of a repo.
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
              for module in modules for method, path, handler in module.route.table]  # fmt: skip
    # Last: for a route that does not exist, hf-xet and others expect 404, at which they try another way, not 405.
    routes.append(Route("/{path:path}", _endpoint(hub, _unknown), methods=["GET", "POST", "PUT", "DELETE", "PATCH"]))
    return Outer(Starlette(routes=routes, exception_handlers={Refusal: _refused}), log)  # type: ignore[dict-item]


def _endpoint(hub: Hub, handler: Handler) -> Callable[[Request], Any]:
    """The endpoint of a handler: a plain function runs in a thread, an async one reads the body itself."""

    async def endpoint(request: Request) -> Response:
        if inspect.iscoroutinefunction(handler):
            return _response(await handler(Call(hub, request, b"")))
        call = Call(hub, request, await request.body())
        return await run_in_threadpool(lambda: _response(handler(call)))

    return endpoint


def _response(answer: Response | dict[str, Any] | list[Any]) -> Response:
    return answer if isinstance(answer, Response) else JSONResponse(answer)


def _unknown(_: Call) -> Response:
    raise Refusal(404, "This hub has no such route")


async def _refused(_: Request, error: Refusal) -> Response:
    return error.response()
