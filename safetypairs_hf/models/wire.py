"""JSON over HTTP with the standard library: a whole-request deadline, no redirects (a key must not follow one)."""

from __future__ import annotations

import email.utils
import http.client
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

# An answer is text of a model; what is longer than this is not one.
_LARGEST = 16 * 2**20


class Response(NamedTuple):
    """`status` is 0 where no answer came; then `text` says why, and `unreachable` that nothing listens there."""

    status: int
    text: str
    retry_after: str = ""
    unreachable: bool = False

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        try:
            value = json.loads(self.text)
        except ValueError:
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
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return 0.0


def _send(request: urllib.request.Request, timeout: float) -> Response:
    deadline = time.monotonic() + timeout
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=timeout) as answer:
            return Response(answer.status, _body(answer, deadline))
    except urllib.error.HTTPError as error:
        with error:
            return Response(error.code, _body(error, deadline, quiet=True), error.headers.get("Retry-After", ""))
    except urllib.error.URLError as error:
        reason = error.reason
        gone = isinstance(reason, ConnectionRefusedError | socket.gaierror)
        return Response(0, _why(reason, timeout), unreachable=gone)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Response(0, _why(error, timeout), unreachable=isinstance(error, ValueError))


def _body(answer: Any, deadline: float, quiet: bool = False) -> str:
    """What the server sends, until the deadline of the whole request: one byte now and then would else last forever."""
    parts, size = [], 0
    try:
        while chunk := answer.read1(65536):
            parts.append(chunk)
            size += len(chunk)
            if size > _LARGEST:
                raise OSError(f"the answer is larger than {_LARGEST} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError
        if answer.length:  # read1 ends without a word where the connection is dropped
            raise http.client.IncompleteRead(b"".join(parts), answer.length)
    except (OSError, http.client.HTTPException):
        if not quiet:
            raise
    return b"".join(parts).decode("utf-8", "replace")


def _why(error: object, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no whole answer within {timeout:g} s"
    return f"{type(error).__name__}: {error}".removesuffix(": ")
