"""A proxy on loopback in front of a local Hub that does harm to one chosen request.

    with proxied(hub.endpoint) as proxy:
        proxy.arm("503", at=7)             # the seventh request from now on
        HfApi(proxy.endpoint, token=...)

The Hub's address in its answers (links to upload to, Xet's servers) becomes the proxy's, so that every request of a
publish comes through here.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from serving import served

ONCE = ("429", "500", "503", "reset", "lost answer", "stall", "truncated")  # the n-th request alone
ONWARDS = ("expired", "down", "refusing")  # the n-th request and all after it
SPECIAL = ("stalled", "swallow settings", "hold")  # all from the n-th; the settings call; `then` first, and on it goes
CALLED = ("before", "after")  # `then` is called before the Hub sees the n-th request, or before its answer is given
STALL = 4.0  # seconds

_OURS = ("host", "content-length", "accept-encoding", "transfer-encoding", "connection")  # headers set anew
_BODIES = {
    "429": {"error": "We had to rate limit you. Please try again in a moment."},
    "refusing": {"error": "We had to rate limit you. Please try again in an hour."},
    "500": {"error": "Internal Error"},
    "503": {"error": "Service Unavailable"},
    "expired": {"error": 'User Access Token "publish" is expired'},
}


@dataclass
class Proxy:
    """`seen`: method and path of each request since `arm`, in order of arrival."""

    upstream: str
    endpoint: str = ""
    seen: list[str] = field(default_factory=list)
    fault: str = ""
    at: int = 0
    part: str = ""
    number: int = 0
    then: Callable[[], None] = lambda: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, fault: str, at: int = 1, then: Callable[[], None] = lambda: None, part: str = "") -> None:
        """Do `fault` to the `at`-th request from now on whose method and path hold `part`; "" does no harm."""
        assert fault in ("", *ONCE, *ONWARDS, *CALLED, *SPECIAL), fault
        with self.lock:
            self.fault, self.at, self.then, self.seen, self.part, self.number = fault, at, then, [], part, 0

    def arrived(self, what: str) -> str:
        """Count a request; the fault to do to it."""
        with self.lock:
            self.seen.append(what)
            self.number += self.part in what or self.number >= self.at
            number, lasting = self.number, (*ONWARDS, "stalled")
            if self.fault == "swallow settings":
                return self.fault if what.endswith("/settings") else ""
            return self.fault if number == self.at or (number > self.at and self.fault in lasting) else ""


@contextmanager
def proxied(upstream: str) -> Iterator[Proxy]:
    proxy = Proxy(upstream)
    with served(_handler(proxy)) as proxy.endpoint:
        yield proxy


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_any(self) -> None:
            fault = proxy.arrived(f"{self.command} {self.path.partition('?')[0]}")
            body = self._body()
            if fault in _BODIES:
                code = {"expired": 401, "refusing": 429}.get(fault) or int(fault)
                headers = {"429": {"Retry-After": "1"}, "refusing": {"Retry-After": "0"}}.get(fault, {})
                return self._answer(code, headers, json.dumps(_BODIES[fault]).encode())
            if fault in ("reset", "down"):
                return self._reset()
            if fault == "swallow settings":
                return self._answer(200, {"Content-Type": "application/json"}, b"{}")
            if fault in ("stall", "stalled"):
                threading.Event().wait(STALL)
                return self._reset()
            if fault in ("before", "hold"):
                proxy.then()
            if fault == "before":
                return self._reset()
            status, headers, answer = self._forward(body)
            if fault == "after":
                proxy.then()
            if fault == "lost answer":
                return self._reset()
            return self._answer(status, headers, answer, cut=fault == "truncated")

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_any  # noqa: N815

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            there = urlsplit(proxy.upstream)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _OURS}
            headers |= {"Host": there.netloc, "Content-Length": str(len(body)), "Accept-Encoding": "identity"}
            connection = http.client.HTTPConnection(there.netloc)
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                data = answer.read()
                ours = {k: v.replace(proxy.upstream, proxy.endpoint) for k, v in answer.getheaders()}
                if "json" in ours.get("content-type", ""):
                    data = data.replace(proxy.upstream.encode(), proxy.endpoint.encode())
                return answer.status, ours, data
            finally:
                connection.close()

        def _answer(self, status: int, headers: dict[str, str], data: bytes, cut: bool = False) -> None:
            self.send_response_only(status)
            length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(data))
            for key, value in headers.items():
                if key.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                    self.send_header(key, value)
            self.send_header("Content-Length", str(int(length) + 7) if cut and not data else length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data[: len(data) // 2] if cut else data)
            self.close_connection = cut

        def _reset(self) -> None:
            """Close with RST, as a proxy that dies does."""
            with suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())
            self.close_connection = True

        def handle(self) -> None:
            with suppress(ConnectionError, BrokenPipeError):  # the publisher was killed
                super().handle()

    return Handler
