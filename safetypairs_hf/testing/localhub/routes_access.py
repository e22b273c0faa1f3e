"""Routes for access to gated repos: ask for it, list the requests, grant, accept and reject them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.responses import Response

from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.pages import page
from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.repos import Repo, now
from safetypairs_hf.testing.localhub.routing import API, REPO, Routes

route = Routes()


@route("POST", *(f"{repo}/ask-access" for repo in REPO))
def ask_access(call: Call) -> dict[str, Any]:
    """Ask for access, like the button on a gated repo's page: granted at once if `auto`, by the owner if `manual`."""
    with call.changing(write=False) as repo:
        if repo.gated:
            _set_access(repo, call.signed_in(), "accepted" if repo.gated == "auto" else "pending")
    return {}


@route("GET", f"{API}/user-access-request/{{status}}")
def list_access(call: Call) -> Response:
    status = call.parts["status"]
    requests = call.repo(write=True).settings.get("access", {}).items()
    return page(call, [_access(user, entry) for user, entry in requests if entry["status"] == status], size=100)


@route("POST", f"{API}/user-access-request/grant")
def grant_access(call: Call) -> dict[str, Any]:
    user = call.text("user")
    if user not in call.hub.accounts.users:
        raise Refusal(404, f"{user} is no user of this hub")
    with _gated(call) as repo:
        if _status(repo, user) == "accepted":
            raise Refusal(400, f"{user} already has access to this repo")
        return _access(user, _set_access(repo, user, "accepted"))


@route("POST", f"{API}/user-access-request/handle")
def handle_access(call: Call) -> dict[str, Any]:
    user, status = call.text("user", call.json.get("requestId")), call.text("status")
    if status not in ("accepted", "rejected", "pending"):
        raise Refusal(400, f"Invalid status {status!r}: expected accepted, rejected or pending")
    with _gated(call) as repo:
        if _status(repo, user) is None:
            raise Refusal(404, f"{user} has not asked for access")
        if _status(repo, user) == status:
            raise Refusal(404, f"The request of {user} is already {status}")
        return _access(user, _set_access(repo, user, status))


@contextmanager
def _gated(call: Call) -> Iterator[Repo]:
    """Yield the repo, for a change of who may read it. Raises Refusal (400) if it is not gated."""
    with call.changing() as repo:
        if not repo.gated:
            raise Refusal(400, f"{repo.name.id} is not gated")
        yield repo


def _status(repo: Repo, user: str) -> str | None:
    status: str | None = repo.settings.get("access", {}).get(user, {}).get("status")
    return status


def _set_access(repo: Repo, user: str, status: str) -> dict[str, str]:
    entry = {"status": status, "timestamp": now()}
    repo.settings.setdefault("access", {})[user] = entry
    repo.save()
    return entry


def _access(user: str, entry: dict[str, str]) -> dict[str, Any]:
    return {"requestId": user, "user": {"user": user, "fullname": user}, **entry}
