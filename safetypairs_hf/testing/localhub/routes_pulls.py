"""Routes of discussions and pull requests: open, list, show, close, merge."""

from __future__ import annotations

from typing import Any

from safetypairs_hf.testing.localhub import pulls
from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.repos import now
from safetypairs_hf.testing.localhub.routing import API, Routes

route = Routes()


@route("POST", f"{API}/discussions")
def create(call: Call) -> dict[str, Any]:
    author, pull = call.signed_in(), bool(call.json.get("pullRequest"))
    with call.changing(write=False, content=True) as repo:
        title, text = call.text("title"), call.text("description", "")
        number = pulls.open_pull(repo, author, title, text, "refs/heads/main", pull=pull)
    return {"num": number}


@route("GET", f"{API}/discussions")
def listing(call: Call) -> dict[str, Any]:
    repo, query = call.repo(), call.query
    found = [pulls.describe(repo, number) for number in repo.settings.get("discussions", {})]
    kinds = {"pull_request": True, "discussion": False}
    if (kind := query.get("type")) in kinds:
        found = [item for item in found if item["isPullRequest"] == kinds[kind]]
    if status := query.get("status"):
        found = [item for item in found if (item["status"] == "open") == (status == "open") or status == "all"]
    if author := query.get("author"):
        found = [item for item in found if item["author"]["name"] == author]
    start = 50 * call.number("p", 0)
    return {"count": len(found), "start": start, "discussions": found[start : start + 50]}


@route("GET", f"{API}/discussions/{{number}}")
def show(call: Call) -> dict[str, Any]:
    return pulls.describe(call.repo(), call.parts["number"])


@route("POST", f"{API}/discussions/{{number}}/status")
def change_status(call: Call) -> dict[str, Any]:
    status = call.text("status")
    if status not in ("open", "closed"):
        raise Refusal(400, f"Invalid status {status!r}: expected open or closed")
    with call.changing() as repo:
        found = pulls.find(repo, call.parts["number"])
        if found["status"] == "merged":
            raise Refusal(409, "A merged pull request stays merged")
        found["status"] = status
        repo.save()
    event = {"id": f"{call.parts['number']}-{status}", "type": "status-change", "createdAt": now(),
             "author": {"name": call.signed_in()}, "data": {"status": status}}  # fmt: skip
    return {"newStatus": event}


@route("POST", f"{API}/discussions/{{number}}/merge")
def merge(call: Call) -> dict[str, Any]:
    with call.changing() as repo:
        pulls.merge(repo, call.parts["number"], call.signed_in())
    return {}
