"""Routes for whole repos: the caller's identity, create, delete, move, settings, lists."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from safetypairs_hf.testing.localhub import cards, describe, history
from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.lfs import ATTRIBUTES
from safetypairs_hf.testing.localhub.pages import page
from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.repos import TYPES, Repo, RepoName, checked_name
from safetypairs_hf.testing.localhub.routing import API, Routes

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
    """Check the metadata of a card. Answer 400 with what the Hub refuses in them, as text or JSON."""
    text = call.text("content", "")
    found = cards.problems(text, call.text("repoType", "model"))
    if found and "text/plain" in call.request.headers.get("accept", ""):
        return PlainTextResponse("\n".join(f"- Error: {problem}" for problem in found), 400)
    if found:
        errors = [{"message": problem} for problem in found]
        return JSONResponse({"error": "; ".join(found), "errors": errors, "warnings": []}, 400)
    missing = not (cards.split_card(text) or "").strip()
    warnings = [{"message": "empty or missing yaml metadata in repo card"}] if missing else []
    return JSONResponse({"errors": [], "warnings": warnings})


def _named(call: Call, key: str | None = None) -> RepoName:
    """Return the repo that the body names: as namespace/name under `key`, else by `name` and `organization`."""
    if key:
        namespace, _, name = call.text(key).partition("/")
    else:
        namespace, name = call.text("organization", call.signed_in()), call.text("name")
    return checked_name(call.text("type", "model"), call.hub.accounts.spelling(namespace), name)


def _owned(call: Call, repo_name: RepoName) -> RepoName:
    """Return the name. Raises Refusal (403) if the caller may not write to its namespace."""
    if not call.hub.accounts.may_write(call.signed_in(), repo_name.namespace):
        where = f'a {repo_name.type} under the namespace "{repo_name.namespace}"'
        raise Refusal(403, f"You don't have the rights to create {where}")
    return repo_name


def _url(call: Call, name: RepoName) -> str:
    return f"{call.endpoint}/{name.url_path}"


@route("POST", "/api/repos/create")
def create(call: Call) -> Response:
    data = call.json
    name = _owned(call, _named(call))
    settings: dict[str, Any] = {"private": _private(data, False)}
    files = {".gitattributes": ATTRIBUTES.encode()}
    if name.type == "space":
        settings["sdk"] = data.get("sdk")
        files[cards.CARD] = f"---\ntitle: {name.name}\nsdk: {data.get('sdk')}\n---\n".encode()
    try:
        call.hub.repos.create(name, settings, files)
    except Refusal as refusal:
        if refusal.status != 409:
            raise
        taken = call.hub.repos.open(name, call.user).name
        return JSONResponse({"error": refusal.message, "url": _url(call, taken)}, 409)
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
    """List the repos of a type that the caller may see, 100 per page, by name. `sort` is ignored."""
    query = call.query
    type_ = call.request.url.path.rsplit("/", 1)[1].removesuffix("s")
    found = []
    for repo in call.hub.repos.visible(type_, call.user):
        if query.get("author", repo.name.namespace).lower() != repo.name.namespace.lower():
            continue
        if any(word.lower() not in repo.name.id.lower() for word in query.getlist("search")):
            continue
        info = describe.repo_info(repo, history.resolve(repo.git, "main"), files="full" in query)
        if set(query.getlist("filter")) <= set(info["tags"]):
            found.append(info)
    return page(call, found, size=max(1, min(call.number("limit", 100), 100)))


@route("GET", "/api/settings/repositories", "/api/organizations/{namespace}/settings/repositories")
def storage(call: Call) -> Response:
    """List the repos of the caller, or of one of its organisations, with the size of their large files in bytes."""
    user = call.signed_in()
    namespace = call.hub.accounts.spelling(call.parts.get("namespace", user))
    if not call.hub.accounts.may_write(user, namespace):
        raise Refusal(403, f"You are no member of {namespace}")
    seen = (repo for type_ in TYPES for repo in call.hub.repos.visible(type_, user))
    found = [repo for repo in seen if repo.name.namespace == namespace]
    sizes = {repo.name: sum(path.stat().st_size for path in repo.folder.glob("lfs/*/*")) for repo in found}
    total = sum(sizes.values()) or 1
    return page(call, found, size=100, show=lambda repo: _storage(repo, sizes[repo.name], total))


def _storage(repo: Repo, size: int, total: int) -> dict[str, Any]:
    updated = describe.date(history.resolve(repo.git, "main"))
    visibility = "private" if repo.private else "public"
    known = {"id": repo.name.id, "type": repo.name.type, "updatedAt": updated, "visibility": visibility}
    return {**known, "storage": size, "storagePercent": 100 * size / total}


@route("GET", f"{API}/auth-check", f"{API}/auth-check/{{level}}")
def auth_check(call: Call) -> dict[str, Any]:
    call.repo(content=True, write=call.parts.get("level") == "write")
    return {}
