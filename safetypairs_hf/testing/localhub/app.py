"""The web application: all routes, the checks before them, and the log of requests."""

from __future__ import annotations

import inspect
import uuid
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
    routes_access,
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
from safetypairs_hf.testing.localhub.refusals import Refusal, no_repo
from safetypairs_hf.testing.localhub.repos import TYPES
from safetypairs_hf.testing.localhub.routing import API, Handler

HOSTS = ("127.0.0.1", "localhost")
ANONYMOUS_BODY = 4 << 20  # bytes, more than any request of a client without a token has
UNKNOWN = (
    API,
    f"{API}/{{rest:path}}",
    "/api/{kind}/{namespace}",
    "/{namespace}/resolve/{rest:path}",
    "/{kind}/{namespace}/resolve/{rest:path}",
    "/{path:path}",
)


@dataclass
class Logged:
    """A logged request. `path` is as received, without the query; sizes are bytes; `status` is 0 before the answer."""

    method: str
    path: str
    status: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Outer:
    """Wrap the application: log and number requests, accept only loopback host names, and route on the quoted path.

    The path stays quoted because a revision such as refs%2Fpr%2F1 is one segment of it. The check of the host name
    prevents web pages in a user's browser from reaching the hub through a name that resolves to 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, log: list[Logged]) -> None:
        self.app = app
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = Logged(scope["method"], scope["raw_path"].decode("ascii", "replace"))
        self.log.append(entry)
        headers = dict(scope["headers"])
        # If a client gives its request an id, its own errors show that id.
        number = headers.get(b"x-request-id") or headers.get(b"x-amzn-trace-id") or str(uuid.uuid4()).encode()

        async def counted_receive() -> Message:
            message = await receive()
            entry.bytes_received += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", number)]
            if entry.method != "HEAD":  # the server does not send the body of an answer to HEAD
                entry.bytes_sent += len(message.get("body", b""))
            await send(message)

        host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0]
        scope["path"] = entry.path
        app = self.app if host in HOSTS else Refusal(403, f"This hub answers only to {HOSTS[0]}").response()
        await app(scope, counted_receive, counted_send)


def build(hub: Hub, log: list[Logged]) -> ASGIApp:
    """Return the application of a hub. It appends each request to `log`."""
    # Routes that start with a fixed word come first: /lfs/... and /xet/... also match the pattern of a repo.
    modules = (
        routes_xet,
        routes_lfs,
        routes_git,
        routes_repos,
        routes_access,
        routes_storage,
        routes_write,
        routes_pulls,
        routes_read,
    )
    routes = [Route(path, _endpoint(hub, handler), methods=[method])
              for module in modules for method, path, handler in module.route.table]  # fmt: skip
    # Last. For a missing route, hf-xet and others expect 404, after which they try another way, and not 405.
    methods = ["GET", "POST", "PUT", "DELETE", "PATCH"]
    routes += [Route(path, _endpoint(hub, _unknown), methods=methods) for path in UNKNOWN]
    return Outer(Starlette(routes=routes, exception_handlers={Refusal: _refused}), log)  # type: ignore[dict-item]


def _endpoint(hub: Hub, handler: Handler) -> Callable[[Request], Any]:
    """Return the endpoint of a handler. A plain function runs in a thread; an async one reads the body itself."""

    async def endpoint(request: Request) -> Response:
        if inspect.iscoroutinefunction(handler):
            return _response(await handler(Call(hub, request, b"")))
        call = Call(hub, request, b"")
        call.body = await _body(call)
        return await run_in_threadpool(lambda: _response(handler(call)))

    return endpoint


async def _body(call: Call) -> bytes:
    """Read the body of a request, of any size for a caller with a token.

    Raises Refusal (401) for an invalid token, and for a body of more than `ANONYMOUS_BODY` bytes without a token. If
    such a body declares its size, it is not read at all; else it is read up to that size.
    """
    request, body = call.request, bytearray()
    if request.method in ("GET", "HEAD"):
        return b""
    authorization = request.headers.get("authorization")
    over_xet = request.scope["path"].startswith("/xet/") and authorization
    known = bool(call.hub.xet_scope(authorization) if over_xet else call.user)
    if known or int(request.headers.get("content-length", 0)) <= ANONYMOUS_BODY:
        async for piece in request.stream():
            body += piece
            if not known and len(body) > ANONYMOUS_BODY:
                break
        else:
            return bytes(body)
    message = f"Log in to send more than {ANONYMOUS_BODY:,} bytes: set HF_TOKEN"
    raise Refusal(401, message, headers={"Connection": "close"})


def _response(answer: Response | dict[str, Any] | list[Any]) -> Response:
    return answer if isinstance(answer, Response) else JSONResponse(answer)


def _unknown(call: Call) -> Response:
    """Answer a request that no route matches. If its path names a missing repo, or no namespace, the answer says so."""
    if call.parts.get("kind", "models").removesuffix("s") in TYPES:
        if "name" in call.parts:
            call.repo()
        elif "namespace" in call.parts:
            raise no_repo(call.user is not None)
    raise Refusal(404, "This hub has no such route")


async def _refused(_: Request, error: Refusal) -> Response:
    return error.response()
