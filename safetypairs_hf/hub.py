"""The Hub's errors as one clear line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from safetypairs_hf.errors import HubUnavailable


@contextmanager
def explained(repo: str) -> Iterator[None]:
    """Turn what `huggingface_hub` raises about `repo` into a HubUnavailable that says what to do.

    Raises:
        HubUnavailable: no network, no or a bad token, no right, no such repo, or an answer that is none of these.
    """
    from huggingface_hub import constants, errors

    where = constants.ENDPOINT
    try:
        yield
    except errors.GatedRepoError as error:
        raise HubUnavailable(f"{repo} is gated: ask for access at {where}/datasets/{repo}, then try again") from error
    except errors.RepositoryNotFoundError as error:
        raise HubUnavailable(
            f"no dataset {repo} at {where} that this token may see; check the name, or log in: hf auth login"
        ) from error
    except errors.LocalTokenNotFoundError as error:
        raise HubUnavailable("no Hub token; set HF_TOKEN, or log in: hf auth login") from error
    except errors.OfflineModeIsEnabled as error:
        raise HubUnavailable(f"offline mode is on (HF_HUB_OFFLINE), and {repo} needs the Hub; unset it") from error
    except errors.HfHubHTTPError as error:
        raise HubUnavailable(_by_status(repo, where, error)) from error
    except _unreachable() as error:
        raise HubUnavailable(f"{where} cannot be reached ({error}); check the network and HF_ENDPOINT") from error


def _by_status(repo: str, where: str, error: object) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = getattr(error, "server_message", None) or str(error).strip().split("\n")[-1]
    if status == 401:
        return f"{where} refused the token; set HF_TOKEN to a valid one, or log in: hf auth login"
    if status == 403:
        return f"this token has no right to do that with {repo} ({said}); use one that may write to it"
    return f"{where} answered {status} about {repo}: {said}"


def _unreachable() -> tuple[type[Exception], ...]:
    """What is raised when there is no answer; which HTTP library raises it changed with the client's versions."""
    import importlib

    found: list[type[Exception]] = [ConnectionError, TimeoutError]
    for name, attribute in (("httpx2", "TransportError"), ("httpx", "TransportError"), ("requests", "ConnectionError")):
        try:
            found.append(getattr(importlib.import_module(name), attribute))
        except ImportError:
            continue
    return tuple(found)
