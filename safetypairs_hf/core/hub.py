"""Call the Hub: limit the wait, repeat calls that are worth repeating, and explain each error in one line.

This module also has the look-ups that several rooms need: the refs, tags and files of a repo.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from safetypairs_hf.core.errors import HubUnavailable

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo, GitRefs, HfApi

T = TypeVar("T")

TRIES = 4
_PASSING = (408, 429, 500, 502, 503, 504)  # HTTP statuses of temporary failures
_LONGEST_WAIT = 300.0  # seconds; the Hub counts requests in windows of five minutes
# hf-xet gives the status, and the fault of the disk, only in the text of its errors.
_XET_STATUS = re.compile(r"HTTP status \w+ error \((\d{3})")
_XET_DISK = re.compile(r"IO Error: (.+) \(os error \d+\)")
_XET_ERROR = re.compile(r"xet|CAS client|reconstruction", re.IGNORECASE)
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
_HTTP_LIBRARIES = ("httpx2", "httpx", "requests")  # versions of huggingface_hub use different ones


def answer_seconds() -> float:
    """Return how many seconds to wait for each answer of the Hub: SAFETYPAIRS_HUB_TIMEOUT, or 120.

    Raises:
        HubUnavailable: The variable is not a positive number.
    """
    text = os.environ.get("SAFETYPAIRS_HUB_TIMEOUT") or "120"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not (seconds > 0 and math.isfinite(seconds)):
        raise HubUnavailable(f"SAFETYPAIRS_HUB_TIMEOUT is {text!r}; expected a number of seconds, such as 120")
    return seconds


class Stored(NamedTuple):
    """A file as the Hub lists it: its size in bytes, and its SHA-256 (64 hex) if it is in LFS, else its git id (40)."""

    size: int
    digest: str


def list_refs(
    repo: str, api: HfApi | None = None, *, pull_requests: bool = False, only_if_reached: bool = False
) -> GitRefs:
    """Return the tags and branches of a dataset repo, and on request its pull requests.

    Args:
        repo: `org/name`.
        api: A client for another Hub or token than the default ones.
        pull_requests: Also list the pull requests.
        only_if_reached: See `retried`.

    Raises:
        HubUnavailable: The Hub did not answer, or refused; see `is_missing` and `is_out_of_reach`.
    """
    client = api or _client()

    def ask() -> GitRefs:
        return client.list_repo_refs(repo, repo_type="dataset", include_pull_requests=pull_requests)

    with explained(repo, client.endpoint):
        return retried(ask, only_if_reached=only_if_reached)


def list_tags(repo: str, api: HfApi | None = None, *, only_if_reached: bool = False) -> dict[str, str]:
    """Return the tags of a dataset repo with their commits. Args and Raises: see `list_refs`."""
    return {tag.name: tag.target_commit for tag in list_refs(repo, api, only_if_reached=only_if_reached).tags}


def dataset_info(
    repo: str, api: HfApi | None = None, *, revision: str | None = None, hashes: bool = False
) -> DatasetInfo:
    """Return what the Hub knows about a dataset repo at a revision.

    Args:
        repo: `org/name`.
        api: A client for another Hub or token than the default ones.
        revision: A branch, a tag or a commit; None for main.
        hashes: Also return the size and the hash of every file; see `list_files`.

    Raises:
        HubUnavailable: The Hub did not answer, or refused; see `is_missing` and `is_unknown_revision`.
    """
    client = api or _client()

    def ask() -> DatasetInfo:
        # Unlike the other calls of huggingface_hub, this one ignores the timeout of the session.
        return client.dataset_info(repo, revision=revision, files_metadata=hashes, timeout=answer_seconds())

    with explained(repo, client.endpoint):
        return retried(ask)


def list_files(repo: str, commit: str, api: HfApi | None = None) -> dict[str, Stored]:
    """Return every file of a dataset repo at a commit, with its size and hash. Raises HubUnavailable."""
    info = dataset_info(repo, api, revision=commit, hashes=True)
    return {
        file.rfilename: Stored(file.size or 0, file.lfs.sha256 if file.lfs else file.blob_id or "")
        for file in info.siblings or []
    }


def fetch(
    repo: str, file: str, revision: str | None = None, api: HfApi | None = None, *, kind: str = "dataset"
) -> Path:
    """Download a file of a repo into the local cache of the Hub, unless it is there already.

    Args:
        repo: `org/name`.
        file: The path of the file in the repo.
        revision: A branch, a tag or a commit; None for main.
        api: A client for another Hub or token than the default ones.
        kind: "dataset" or "model".

    Returns:
        The path of the file in the cache, in a folder that is named after the commit.

    Raises:
        FileNotFoundError: The repo has no such file at that revision.
        HubUnavailable: The Hub did not answer, or refused; see `is_missing` and `is_unknown_revision`.
    """
    from huggingface_hub import errors

    client = api or _client()
    with explained(repo, client.endpoint, kind):
        try:
            return Path(retried(lambda: client.hf_hub_download(repo, file, repo_type=kind, revision=revision)))
        except errors.LocalEntryNotFoundError:  # a subclass of EntryNotFoundError, raised if the Hub did not answer
            raise
        except errors.EntryNotFoundError as error:
            raise FileNotFoundError(file) from error


def is_missing(error: HubUnavailable) -> bool:
    """Return whether the Hub said that there is no such repo, or none that this token may see."""
    from huggingface_hub import errors

    cause = error.__cause__
    return isinstance(cause, errors.RepositoryNotFoundError) and not isinstance(cause, errors.GatedRepoError)


def is_unknown_revision(error: HubUnavailable) -> bool:
    """Return whether the Hub said that the repo has no such branch, tag or commit."""
    from huggingface_hub import errors

    return isinstance(error.__cause__, errors.RevisionNotFoundError)


def is_out_of_reach(error: HubUnavailable) -> bool:
    """Return whether the Hub did not answer, or failed temporarily (429, 5xx). False if it refused."""
    status = _status(_root(error.__cause__ or error))
    return status is None or status in _PASSING or status >= 500


@contextmanager
def explained(repo: str, endpoint: str | None = None, kind: str = "dataset") -> Iterator[None]:
    """Turn an exception of `huggingface_hub` about `repo` into a HubUnavailable that says what to do.

    Args:
        repo: `org/name`.
        endpoint: The address of the Hub; None for the default one.
        kind: "dataset" or "model".

    Raises:
        HubUnavailable: The network is down, the token is missing, invalid or has no right, the repo does not exist, or
            the Hub answered something unexpected.
    """
    from huggingface_hub import constants

    _drop_slash_of_endpoint()
    with _limited_wait():
        try:
            yield
        except Exception as error:
            line = _line(_root(error), repo, endpoint or constants.ENDPOINT, kind)
            if line is None:
                raise
            raise HubUnavailable(line) from error


def retried(call: Callable[[], T], *, only_if_reached: bool = False) -> T:
    """Make a call, and repeat it after temporary failures.

    Args:
        call: A function that may be called twice. It is called at most `TRIES` times. The wait before a repetition is
            the one that the Hub asks for (Retry-After), else 1, 2 and 4 seconds.
        only_if_reached: Do not repeat the call if no server answers at the address. This is for callers that continue
            with local files, and must not wait for a missing network.

    Returns:
        What `call` returns.
    """
    for attempt in range(TRIES - 1):
        try:
            return call()
        except Exception as error:
            if isinstance(error, RuntimeError) or not passing(error):  # huggingface_hub retries uploads itself
                raise
            if only_if_reached and isinstance(_root(error), (*_names("ConnectError"), *_names("ConnectTimeout"))):
                raise
            time.sleep(_wait(_root(error), attempt))
    return call()


def passing(error: BaseException) -> bool:
    """Return whether the failure may be temporary: no answer, a partial answer, or a status such as 503."""
    from huggingface_hub import errors

    root = _root(error)
    if isinstance(root, errors.OfflineModeIsEnabled) or _is_bad_token(root):
        return False
    status = _status(root)
    return status in _PASSING if status else isinstance(root, (*_transport_errors(), json.JSONDecodeError))


def _is_bad_token(error: BaseException) -> bool:
    """Return whether the token cannot be sent in a header. The error must not be shown: its text contains the token."""
    return isinstance(error, UnicodeEncodeError) or "Illegal header value" in str(error)


def _client() -> HfApi:
    from huggingface_hub import HfApi

    return HfApi()


def _drop_slash_of_endpoint() -> None:
    """Make `datasets` ignore a slash at the end of HF_ENDPOINT, as huggingface_hub does."""
    given = os.environ.get("HF_ENDPOINT", "")
    if not given.endswith("/"):
        return
    os.environ["HF_ENDPOINT"] = plain = given.rstrip("/")  # for a later import of `datasets`, and for other processes
    if config := sys.modules.get("datasets.config"):
        config.HF_ENDPOINT = plain  # type: ignore[attr-defined]
        config.HUB_DATASETS_URL = config.HUB_DATASETS_URL.replace(given, plain, 1)  # type: ignore[attr-defined]


@contextmanager
def _limited_wait() -> Iterator[None]:
    """Set a timeout for the block: by default huggingface_hub waits forever for a Hub that stalls."""
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
    """Return the error of the request itself, which uploads and downloads wrap in another one."""
    from huggingface_hub import errors

    older = getattr(errors, "XetAuthorizationError", RuntimeError)  # huggingface_hub 1.5 has it, 2.0 does not
    wrappers = (RuntimeError, errors.LocalEntryNotFoundError, older)
    while isinstance(error, wrappers) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    if status is None and (found := _XET_STATUS.search(str(error))):
        return int(found[1])
    return status


def _disk(error: BaseException) -> str:
    """Return why a file cannot be written to the local disk; "" for any other error."""
    if isinstance(error, OSError) and error.errno in _DISK:
        return str(error.strerror)
    found = _XET_DISK.search(str(error))
    return found[1] if found else ""


def _wait(error: BaseException, attempt: int) -> float:
    headers = getattr(getattr(error, "response", None), "headers", {})
    asked = headers.get("Retry-After", "") if headers else ""
    return min(float(asked), _LONGEST_WAIT) if asked.isdigit() else 2.0**attempt


def _line(error: BaseException, repo: str, where: str, kind: str) -> str | None:
    """Return the message for the user; None for an error that does not come from the Hub."""
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return _by_status(error, repo, where, kind)
    if _is_bad_token(error):
        return "the Hub token holds characters that no token has; set HF_TOKEN to a valid one, or log in: hf auth login"
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
        return f"{where} does not deliver a file of {repo} ({_one_line(error)}); check the network and HF_ENDPOINT"
    if disk := _disk(error):
        return f"a file of {repo} cannot be stored on this machine ({disk}); HF_HOME sets where the cache is"
    if type(error).__module__ in ("hf_xet", "builtins") and _XET_ERROR.search(f"{type(error).__name__} {error}"):
        return f"the file storage of {where} failed ({_one_line(error)}); try again later"
    return None


def _by_status(error: Any, repo: str, where: str, kind: str) -> str:
    from huggingface_hub import errors

    status = _status(error)
    message = getattr(error, "server_message", None) or _one_line(error)
    if isinstance(error, errors.GatedRepoError):
        page = f"{where}/{'' if kind == 'model' else f'{kind}s/'}{repo}"
        return f"{repo} is gated: ask for access at {page}, then try again"
    named = error.response.headers.get("X-Error-Code") == "RepoNotFound"
    if isinstance(error, errors.RepositoryNotFoundError) and (named or status != 401):
        return f"no {kind} {repo} at {where} that this token may see; check the name, or log in: hf auth login"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repo} at {where} has no such revision ({message}); name a commit, a tag or a branch that it has"
    if status in (401, 403):
        return _refused(status, repo, where, message)
    return f"{where} answered {status} about {repo}: {message}"


def _refused(status: int, repo: str, where: str, message: str) -> str:
    if status == 401:
        return f"{where} refused the token; set HF_TOKEN to a valid one, or log in: hf auth login"
    return f"this token has no right to do that with {repo} ({message}); use one that may write to it"


def _one_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1].rstrip(".")


def _transport_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that mean no answer, or a partial one."""
    return (ConnectionError, TimeoutError, *_names("TransportError"), *_names("ConnectionError"))


def _names(name: str) -> tuple[type[Exception], ...]:
    """Return the exceptions of this name in the installed HTTP libraries."""
    import importlib

    found = []
    for library in _HTTP_LIBRARIES:
        try:
            found.append(getattr(importlib.import_module(library), name))
        except (ImportError, AttributeError):
            continue
    return tuple(found)
