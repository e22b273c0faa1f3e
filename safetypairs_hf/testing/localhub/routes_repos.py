"""Routes about repos as a whole: who am I, create, delete, move, settings, lists, requests for access."""

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

API = "/api/{kind}/{namespace}/{name}"


def whoami(call: Call) -> Response:
    user = call.signed_in()
    orgs = [{"type": "org", "id": org, "name": org, "fullname": org, "roleInOrg": "admin", "isEnterprise": False,
             "canPay": False, "avatarUrl": ""} for org in call.hub.accounts.orgs_of(user)]  # fmt: skip
    auth = {"type": "access_token", "accessToken": {"displayName": "localhub", "role": "write"}}
    who = {"type": "user", "id": user, "name": user, "fullname": user, "isPro": False, "canPay": False}
    return JSONResponse({**who, "avatarUrl": "", "orgs": orgs, "auth": auth})


def validate_yaml(call: Call) -> Response:
    """The card's YAML block really parses, and is a mapping; 400 with what is wrong otherwise."""
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
    """The repo that the body names: under `key` as namespace/name, else by name and organization."""
    if key:
        namespace, _, name = call.text(key).partition("/")
    else:
        namespace, name = call.text("organization", call.signed_in()), call.text("name")
    return checked_name(call.text("type", "model"), namespace, name)


def _owned(call: Call, repo_name: RepoName) -> RepoName:
    """The same name. Raises Refusal (403) where the caller may not write to its namespace."""
    if not call.hub.accounts.may_write(call.signed_in(), repo_name.namespace):
        raise Refusal(403, f"You don't have the rights to create or change repos under {repo_name.namespace}")
    return repo_name


def _url(call: Call, name: RepoName) -> str:
    return f"{call.hub.endpoint}/{name.url_path}"


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


def delete(call: Call) -> Response:
    name = _named(call)
    with call.hub.repos.lock(name):
        call.hub.repos.open(name, call.user, write=True)
        call.hub.repos.delete(name)
    return JSONResponse({})


def move(call: Call) -> Response:
    old, new = _named(call, "fromRepo"), _named(call, "toRepo")
    call.hub.repos.open(old, call.user, write=True)
    call.hub.repos.move(old, _owned(call, new))
    return JSONResponse({})


def settings(call: Call) -> Response:
    data = call.json
    if data.get("gated", False) not in ("auto", "manual", False):
        raise Refusal(400, f"Invalid gated {data['gated']!r}: expected auto, manual or false")
    with call.changing() as repo:
        repo.settings["private"] = _private(data, repo.private)
        repo.settings["gated"] = data.get("gated", repo.gated)
        repo.save()
    return JSONResponse({"private": repo.private, "gated": repo.gated})


def listing(call: Call) -> Response:
    """The repos of a type that the caller may see, in order of name whatever `sort` says; 100 a page."""
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


def auth_check(call: Call) -> Response:
    call.repo(content=True, write=call.parts.get("level") == "write")
    return JSONResponse({})


def ask_access(call: Call) -> Response:
    """What the button on a gated repo's page does: `auto` lets in at once, `manual` leaves it to the owner."""
    with call.changing(write=False) as repo:
        if repo.gated:
            _set_access(repo, call.signed_in(), "accepted" if repo.gated == "auto" else "pending")
    return JSONResponse({})


def list_access(call: Call) -> Response:
    status = call.parts["status"]
    requests = call.repo(write=True).settings.get("access", {}).items()
    return page(call, [_access(user, entry) for user, entry in requests if entry["status"] == status], size=100)


def grant_access(call: Call) -> Response:
    user = call.text("user")
    if user not in call.hub.accounts.users:
        raise Refusal(404, f"{user} is no user of this hub")
    with call.changing() as repo:
        return JSONResponse(_access(user, _set_access(repo, user, "accepted")))


def handle_access(call: Call) -> Response:
    user, status = call.text("user", call.json.get("requestId")), call.text("status")
    if status not in ("accepted", "rejected", "pending"):
        raise Refusal(400, f"Invalid status {status!r}: expected accepted, rejected or pending")
    with call.changing() as repo:
        if user not in repo.settings.get("access", {}):
            raise Refusal(404, f"{user} has not asked for access")
        return JSONResponse(_access(user, _set_access(repo, user, status)))


def _set_access(repo: Repo, user: str, status: str) -> dict[str, str]:
    entry = {"status": status, "timestamp": now()}
    repo.settings.setdefault("access", {})[user] = entry
    repo.save()
    return entry


def _access(user: str, entry: dict[str, str]) -> dict[str, Any]:
    return {"requestId": user, "user": {"user": user, "fullname": user}, **entry}


ROUTES = [
    ("GET", "/api/whoami-v2", whoami),
    ("POST", "/api/validate-yaml", validate_yaml),
    ("POST", "/api/repos/create", create),
    ("DELETE", "/api/repos/delete", delete),
    ("POST", "/api/repos/move", move),
    ("GET", "/api/models", listing),
    ("GET", "/api/datasets", listing),
    ("GET", "/api/spaces", listing),
    ("PUT", f"{API}/settings", settings),
    ("GET", f"{API}/auth-check", auth_check),
    ("GET", f"{API}/auth-check/{{level}}", auth_check),
    ("POST", f"{API}/user-access-request/grant", grant_access),
    ("POST", f"{API}/user-access-request/handle", handle_access),
    ("GET", f"{API}/user-access-request/{{status}}", list_access),
    ("POST", "/{kind}/{namespace}/{name}/ask-access", ask_access),
    ("POST", "/{namespace}/{name}/ask-access", ask_access),
]
