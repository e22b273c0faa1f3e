"""Check every request before it is answered: host name, token, origin, size."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
BODY: Final = 64 << 10  # bytes; every decision is smaller

# The page loads only its own files, runs no inline script, and cannot be framed.
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Checked:
    """Wraps an application: refuses requests that the page would not send, and keeps answers out of caches.

    The name in `Host` must be one of the server's names, so a page of another site that resolves its own name to this
    machine is refused. A request that changes something needs an `Origin` that is the address itself.

    Args:
        app: The application; it gets the path after the token.
        token: The first part of every path.
        hosts: Names that `Host` may have, with any port, because an SSH tunnel may use another one.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str]) -> None:
        self._app, self._token, self._hosts = app, token.encode(), frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *named]
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, guarded)
            return
        _, token, rest = scope["path"].split("/", 2)
        await self._app({**scope, "path": f"/{rest}", "raw_path": None, "token": token}, receive, guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        host = b",".join(headers.get(b"host", []))
        if _name(host) not in self._hosts:
            return _refused(421, "This server does not answer by that host name.")
        first, _, rest = scope["path"].removeprefix("/").partition("/")
        if not secrets.compare_digest(first.encode("utf-8", "surrogateescape"), self._token):
            return _refused(403, "This address is not valid, or not any more: open the one that the command printed.")
        if not rest and not scope["path"].endswith("/"):
            return _refused(404, "The address of the page ends with a slash.")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return _refused(405, "Only GET and POST are answered.")
        if scope["method"] == "POST":
            own = f"{scope['scheme']}://".encode() + host
            if headers.get(b"origin") != [own] or headers.get(b"sec-fetch-site", [b"same-origin"]) != [b"same-origin"]:
                return _refused(403, "A decision is taken from the page itself alone.")
            kind = headers.get(b"content-type", [b""])[0].split(b";")[0].strip()
            if kind != b"application/json":
                return _refused(415, "Decisions are JSON.")
            length = headers.get(b"content-length", [b""])[0]
            if not length.isdigit() or int(length) > BODY:
                return _refused(413, f"A decision has a length, of at most {BODY:,} bytes.")
        return None


def _name(host: bytes) -> str:
    """Return the name in a `Host` header, without port; "" if it is invalid."""
    try:
        return urlsplit(f"//{host.decode('ascii')}").hostname or ""
    except ValueError:
        return ""


def _refused(status: int, why: str) -> PlainTextResponse:
    return PlainTextResponse(f"{why}\n", status)
