"""Calls to the Hub: an end to waiting, another try where that helps, and its errors as one clear line each."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from safetypairs_hf.core.errors import HubUnavailable

T = TypeVar("T")

TRIES = 4
_PASSING = (408, 429, 500, 502, 503, 504)  # states that pass, by the meaning of the codes
_LONGEST_WAIT = 300.0  # seconds; the Hub counts requests in windows of five minutes
# hf-xet tells the status, and what is wrong with the disk, in its text alone.
_XET_STATUS = re.compile(r"HTTP status \w+ error \((\d{3})")
_XET_DISK = re.compile(r"IO Error: (.+) \(os error \d+\)")
_XET_ERROR = re.compile(r"xet|CAS client|reconstruction", re.IGNORECASE)
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
_HTTP_LIBRARIES = ("httpx2", "httpx", "requests")  # which one huggingface_hub uses changed with its versions


def answer_seconds() -> float:
    """How long to wait for the Hub to say or take anything; SAFETYPAIRS_HUB_TIMEOUT, or 120.

    Raises:
        HubUnavailable: the variable holds no positive number.
    """
    text = os.environ.get("SAFETYPAIRS_HUB_TIMEOUT") or "120"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not (seconds > 0 and math.isfinite(seconds)):
        raise HubUnavailable(f"SAFETYPAIRS_HUB_TIMEOUT is {text!r}; expected a number of seconds, such as 120")
    return seconds


@contextmanager
def explained(repo: str, endpoint: str | None = None) -> Iterator[None]:
    """Turn what `huggingface_hub` raises about `repo` into a HubUnavailable that says what to do.

    Raises:
        HubUnavailable: no network, no or a bad token, no right, no such repo, or an answer that is none of these.
    """
    from huggingface_hub import constants

    with _limited_wait():
        try:
            yield
        except Exception as error:
            line = _line(_root(error), repo, endpoint or constants.ENDPOINT)
            if line is None:
                raise
            raise HubUnavailable(line) from error


def retried(call: Callable[[], T]) -> T:
    """What `call` returns; a call that fails in a way that passes is made again, `TRIES` times in all.

    For calls that may be made twice. The wait between is what the Hub asks for (Retry-After), else 1, 2, 4 seconds.
    """
    for attempt in range(TRIES - 1):
        try:
            return call()
        except Exception as error:
            if isinstance(error, RuntimeError) or not passing(error):  # an upload's, which huggingface_hub has retried
                raise
            time.sleep(_wait(_root(error), attempt))
    return call()


def passing(error: BaseException) -> bool:
    """Whether the same call may well work a little later: no answer, half an answer, or a state that passes."""
    from huggingface_hub import errors

    root = _root(error)
    if isinstance(root, errors.OfflineModeIsEnabled):
        return False
    status = _status(root)
    return status in _PASSING if status else isinstance(root, (*_transport_errors(), json.JSONDecodeError))


@contextmanager
def _limited_wait() -> Iterator[None]:
    """huggingface_hub waits for ever by default: a Hub that stalls would hold us for ever."""
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    session: Any = get_session()
    before, limit = session.timeout, answer_seconds()
    if before.read is None:
        session.timeout = limit
    try:
        yield
    finally:
        session.timeout = before


def _root(error: BaseException) -> BaseException:
    """The error of the request itself: an upload's comes wrapped, a download's too."""
    from huggingface_hub import errors

    wrappers = (RuntimeError, errors.LocalEntryNotFoundError)
    while isinstance(error, wrappers) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    if status is None and (found := _XET_STATUS.search(str(error))):
        return int(found[1])
    return status


def _disk(error: BaseException) -> str:
    """What stood in the way of writing a file here; "" where it was something else."""
    if isinstance(error, OSError) and error.errno in _DISK:
        return str(error.strerror)
    found = _XET_DISK.search(str(error))
    return found[1] if found else ""


def _wait(error: BaseException, attempt: int) -> float:
    headers = getattr(getattr(error, "response", None), "headers", {})
    asked = headers.get("Retry-After", "") if headers else ""
    return min(float(asked), _LONGEST_WAIT) if asked.isdigit() else 2.0**attempt


def _line(error: BaseException, repo: str, where: str) -> str | None:
    """What to tell the user; None for an error that is not the Hub's."""
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return _by_status(error, repo, where)
    if (status := _status(error)) in (401, 403):
        return _refused(status, repo, where, "said by its file storage")
    if isinstance(error, errors.LocalTokenNotFoundError):
        return "no Hub token; set HF_TOKEN, or log in: hf auth login"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"offline mode is on (HF_HUB_OFFLINE), and {repo} needs the Hub; unset it"
    if isinstance(error, (*_names("TimeoutException"), TimeoutError)):
        return f"{where} gave no answer about {repo} in {answer_seconds():g} seconds; try again later"
    if isinstance(error, _transport_errors()):
        return f"{where} cannot be reached ({_one_line(error)}); check the network and HF_ENDPOINT"
    if isinstance(error, json.JSONDecodeError):
        return f"{where} answered about {repo} with something that is not JSON; try again later"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return f"a file of {repo} cannot be had from {where} ({_one_line(error)}); check the network and HF_ENDPOINT"
    if disk := _disk(error):
        return f"a file of {repo} cannot be kept on this machine ({disk}); HF_HOME says where the cache is"
    if type(error).__module__ in ("hf_xet", "builtins") and _XET_ERROR.search(f"{type(error).__name__} {error}"):
        return f"the file storage of {where} failed ({_one_line(error)}); try again later"
    return None


def _by_status(error: Any, repo: str, where: str) -> str:
    from huggingface_hub import errors

    status = _status(error)
    said = getattr(error, "server_message", None) or _one_line(error)
    if isinstance(error, errors.GatedRepoError):
        return f"{repo} is gated: ask for access at {where}/datasets/{repo}, then try again"
    named = error.response.headers.get("X-Error-Code") == "RepoNotFound"
    if isinstance(error, errors.RepositoryNotFoundError) and (named or status != 401):
        return f"no dataset {repo} at {where} that this token may see; check the name, or log in: hf auth login"
    if status in (401, 403):
        return _refused(status, repo, where, said)
    return f"{where} answered {status} about {repo}: {said}"


def _refused(status: int, repo: str, where: str, said: str) -> str:
    if status == 401:
        return f"{where} refused the token; set HF_TOKEN to a valid one, or log in: hf auth login"
    return f"this token has no right to do that with {repo} ({said}); use one that may write to it"


def _one_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1].rstrip(".")


def _transport_errors() -> tuple[type[Exception], ...]:
    """What is raised when there is no answer, or half of one."""
    return (ConnectionError, TimeoutError, *_names("TransportError"), *_names("ConnectionError"))


def _names(name: str) -> tuple[type[Exception], ...]:
    """The exceptions of this name in the HTTP libraries that are here."""
    import importlib

    found = []
    for library in _HTTP_LIBRARIES:
        try:
            found.append(getattr(importlib.import_module(library), name))
        except (ImportError, AttributeError):
            continue
    return tuple(found)
