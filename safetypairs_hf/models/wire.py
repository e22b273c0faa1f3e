"""JSON over HTTP with the standard library: a whole-request deadline, no redirects (a key must not follow one)."""

from __future__ import annotations

import email.utils
import functools
import http.client
import io
import json
import math
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

from safetypairs_hf.core.foreign_text import ForeignTextError, parse_json

# An answer is text of a model; what is longer than this is not one.
LARGEST = 16 * 2**20


class Response(NamedTuple):
    """`status` is 0 where no answer came; then `text` says why, and `unreachable` that nothing listens there."""

    status: int
    text: str
    retry_after: str = ""
    unreachable: bool = False

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        try:
            value = parse_json(self.text, strict=False)
        except ForeignTextError:
            return {}
        return value if isinstance(value, dict) else {}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def get(url: str, headers: Mapping[str, str], timeout: float) -> Response:
    return _send(urllib.request.Request(url, headers=dict(headers)), timeout)


def post(url: str, body: Mapping[str, Any], headers: Mapping[str, str], timeout: float) -> Response:
    data = json.dumps(body).encode()
    return _send(urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}), timeout)


def waiting(response: Response) -> float:
    """Seconds that the server asks to wait (Retry-After, as seconds or as a date); 0.0 where it doesn't say."""
    text = response.retry_after
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except Exception:  # a date of any wrong form
            return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0


class _UntilDeadline(io.RawIOBase):
    """What a socket receives until the deadline: a byte now and then, of the head or the body, would last forever."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw, self._socket, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *given: Any, deadline: float, **more: Any) -> None:
        super().__init__(sock, *given, **more)
        self.fp: Any = io.BufferedReader(_UntilDeadline(self.fp.detach(), sock, deadline))


class _Timed(urllib.request.AbstractHTTPHandler):
    """Gives what answers a request the request's deadline."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def do_open(self, http_class: Any, req: urllib.request.Request, **given: Any) -> Any:
        def connection(host: str, **more: Any) -> Any:
            made = http_class(host, **more)
            made.response_class = functools.partial(_Answer, deadline=self._deadline)
            return made

        return super().do_open(connection, req, **given)


class _HTTP(_Timed, urllib.request.HTTPHandler):
    pass


class _HTTPS(_Timed, urllib.request.HTTPSHandler):
    pass


def _send(request: urllib.request.Request, timeout: float) -> Response:
    deadline = time.monotonic() + timeout
    opener = urllib.request.build_opener(_NoRedirect, _HTTP(deadline), _HTTPS(deadline))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return Response(answer.status, _body(answer))
    except urllib.error.HTTPError as error:
        with error:
            return Response(error.code, _body(error, quiet=True), error.headers.get("Retry-After", ""))
    except urllib.error.URLError as error:
        reason = error.reason
        gone = isinstance(reason, ConnectionRefusedError | socket.gaierror)
        return Response(0, _why(reason, timeout), unreachable=gone)
    except Exception as error:  # what comes over a wire may break any part of the library
        return Response(0, _why(error, timeout), unreachable=isinstance(error, ValueError))


def _body(answer: Any, quiet: bool = False) -> str:
    """What the server sends, as text; with `quiet` as much as came of it."""
    parts, size = [], 0
    try:
        while chunk := answer.read1(65536):
            parts.append(chunk)
            size += len(chunk)
            if size > LARGEST:
                raise OSError(f"the answer is larger than {LARGEST} bytes")
        if answer.length:  # read1 ends without a word where the connection is dropped
            raise http.client.IncompleteRead(b"".join(parts), answer.length)
    except Exception:
        if not quiet:
            raise
    return b"".join(parts).decode("utf-8", "replace")


def _why(error: object, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no whole answer within {timeout:g} s"
    return f"{type(error).__name__}: {error}".removesuffix(": ")
