"""Routes on whole repos: the caller's identity, create, delete, move, settings, lists, requests for access."""

from __future__ import annotations

from typing import Any

import yaml
from starlette.responses import JSONResponse, Response

from safetypairs_hf.testing.localhub import describe, history
from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.lfs import ATTRIBUTES
from safetypairs_hf.testing.localhub.pages import page
from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.repos import Repo, RepoName, checked_name, now
from safetypairs_hf.testing.localhub.routing import API, REPO, Routes

route = Routes()


@route("GET", "/api/whoami-v2")
def whoami(call: Call) -> dict[str, Any]:
    user = call.signed_in()
    orgs = [{"type": "org", "id": org, "name": org, "fullname": org, "roleInOrg": "admin", "isEnterprise": False,
             "canPay": False, "avatarUrl": ""} for org in call.hub.accounts.orgs_of(user)]  # fmt: skip
    auth = {"type": "access_token", "accessToken": {"displayName": "localhub", "role": "write"}}
    who = {"type": "user", "id": user, "name": user, "fullname": user, "isPro": False, "canPay": False}
    return {**who, "avatarUrl": "", "orgs": orgs, "auth": auth}


@route("POST", "/api/validate-yaml")
def validate_yaml(call: Call) -> Response:
    """Check that the YAML block of a card parses and is a mapping; answer 400 with the reason if not."""
    block = describe.split_card(str(call.json.get("content", "")))
    if block is None or not block.strip():
        return JSONResponse({"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]})
    try:
        data = yaml.safe_load(block)
    except yaml.YAMLError as error:
        return _bad_card(str(error))
    if not isinstance(data, dict):
        return _bad_card(f"the metadata is a {type(data).__name__}; expected key: value lines")
    if not isinstance(data.get("configs", []), list):
        return _bad_card('"configs" must be an array')
    return JSONResponse({"errors": [], "warnings": []})


def _bad_card(message: str) -> Response:
    return JSONResponse({"error": message, "errors": [{"message": message}], "warnings": []}, 400)


def _named(call: Call, key: str | None = None) -> RepoName:
    """The repo that the body names: as namespace/name under `key`, without a `key` by `name` and `organization`."""
    if key:
        namespace, _, name = call.text(key).partition("/")
    else:
        namespace, name = call.text("organization", call.signed_in()), call.text("name")
    return checked_name(call.text("type", "model"), namespace, name)


def _owned(call: Call, repo_name: RepoName) -> RepoName:
    """Return the name. Raises Refusal (403) if the caller may not write to its namespace."""
    if not call.hub.accounts.may_write(call.signed_in(), repo_name.namespace):
        raise Refusal(403, f"You don't have the rights to create or change repos under {repo_name.namespace}")
    return repo_name


def _url(call: Call, name: RepoName) -> str:
    return f"{call.hub.endpoint}/{name.url_path}"


@route("POST", "/api/repos/create")
def create(call: Call) -> Response:
    data = call.json
    name = _owned(call, _named(call))
    settings: dict[str, Any] = {"private": _private(data, False)}
    if name.type == "space":
        settings["sdk"] = data.get("sdk")
    try:
        call.hub.repos.create(name, settings, {".gitattributes": ATTRIBUTES.encode()})
    except Refusal as refusal:
        if refusal.status != 409:
            raise
        return JSONResponse({"error": refusal.message, "url": _url(call, name)}, 409)
    return JSONResponse({"url": _url(call, name), "name": name.id, "id": name.id})


def _private(data: dict[str, Any], before: bool) -> bool:
    if data.get("visibility") not in (None, "public", "private", "protected"):
        raise Refusal(400, f"Invalid visibility {data['visibility']!r}: expected public or private")
    if "visibility" in data:
        return bool(data["visibility"] == "private")
    return bool(data.get("private", before))


@route("DELETE", "/api/repos/delete")
def delete(call: Call) -> dict[str, Any]:
    name = _named(call)
    with call.hub.repos.lock(name):
        call.hub.repos.open(name, call.user, write=True)
        call.hub.repos.delete(name)
    return {}


@route("POST", "/api/repos/move")
def move(call: Call) -> dict[str, Any]:
    old, new = _named(call, "fromRepo"), _named(call, "toRepo")
    call.hub.repos.open(old, call.user, write=True)
    call.hub.repos.move(old, _owned(call, new))
    return {}


@route("PUT", f"{API}/settings")
def settings(call: Call) -> dict[str, Any]:
    data = call.json
    if data.get("gated", False) not in ("auto", "manual", False):
        raise Refusal(400, f"Invalid gated {data['gated']!r}: expected auto, manual or false")
    with call.changing() as repo:
        repo.settings["private"] = _private(data, repo.private)
        repo.settings["gated"] = data.get("gated", repo.gated)
        repo.save()
    return {"private": repo.private, "gated": repo.gated}


@route("GET", "/api/models", "/api/datasets", "/api/spaces")
def listing(call: Call) -> Response:
    """List the repos of a type that the caller may see, 100 a page, by name; `sort` is ignored."""
    query = call.query
    type_ = call.request.url.path.rsplit("/", 1)[1].removesuffix("s")
    found = []
    for repo in call.hub.repos.visible(type_, call.user):
        if query.get("author") not in (None, repo.name.namespace):
            continue
        if any(word.lower() not in repo.name.id.lower() for word in query.getlist("search")):
            continue
        info = describe.repo_info(repo, history.resolve(repo.git, "main"), files="full" in query)
        if set(query.getlist("filter")) <= set(info["tags"]):
            found.append(info)
    return page(call, found, size=max(1, min(call.number("limit", 100), 100)))


@route("GET", f"{API}/auth-check", f"{API}/auth-check/{{level}}")
def auth_check(call: Call) -> dict[str, Any]:
    call.repo(content=True, write=call.parts.get("level") == "write")
    return {}


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
    with call.changing() as repo:
        return _access(user, _set_access(repo, user, "accepted"))


@route("POST", f"{API}/user-access-request/handle")
def handle_access(call: Call) -> dict[str, Any]:
    user, status = call.text("user", call.json.get("requestId")), call.text("status")
    if status not in ("accepted", "rejected", "pending"):
        raise Refusal(400, f"Invalid status {status!r}: expected accepted, rejected or pending")
    with call.changing() as repo:
        if user not in repo.settings.get("access", {}):
            raise Refusal(404, f"{user} has not asked for access")
        return _access(user, _set_access(repo, user, status))


def _set_access(repo: Repo, user: str, status: str) -> dict[str, str]:
    entry = {"status": status, "timestamp": now()}
    repo.settings.setdefault("access", {})[user] = entry
    repo.save()
    return entry


def _access(user: str, entry: dict[str, str]) -> dict[str, Any]:
    return {"requestId": user, "user": {"user": user, "fullname": user}, **entry}
