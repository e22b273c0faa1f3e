"""Routes for discussions and pull requests: open, list, show, comment on, rename, close, merge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from safetypairs_hf.testing.localhub import pulls
from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.repos import Repo
from safetypairs_hf.testing.localhub.routing import API, Routes

ONE = f"{API}/discussions/{{number}}"

route = Routes()


@contextmanager
def _discussing(call: Call) -> Iterator[tuple[Repo, str, str]]:
    """Yield the repo, the number of the discussion, and the user, who must be signed in and may read the repo."""
    user = call.signed_in()
    with call.changing(write=False, content=True) as repo:
        pulls.find(repo, call.parts["number"])
        yield repo, call.parts["number"], user


@contextmanager
def _leading(call: Call) -> Iterator[tuple[Repo, str, str]]:
    """Yield the same as `_discussing`, for the author of the discussion and for users with write access."""
    with _discussing(call) as (repo, number, user):
        if pulls.find(repo, number)["author"] != user:
            call.repo(write=True)
        yield repo, number, user


@route("POST", f"{API}/discussions")
def create(call: Call) -> dict[str, Any]:
    author, pull = call.signed_in(), bool(call.json.get("pullRequest"))
    with call.changing(write=False, content=True) as repo:
        number = pulls.open_discussion(repo, author, call.text("title"), call.text("description", ""), pull)
    return {"num": number}


@route("GET", f"{API}/discussions")
def listing(call: Call) -> dict[str, Any]:
    """List discussions, 50 per page, newest first. A draft counts as open."""
    repo, query = call.repo(), call.query
    found = [pulls.describe(repo, number) for number in reversed(repo.settings.get("discussions", {}))]
    kinds = {"pull_request": True, "discussion": False}
    if (kind := query.get("type")) in kinds:
        found = [item for item in found if item["isPullRequest"] == kinds[kind]]
    if (status := query.get("status")) in ("open", "closed"):
        found = [item for item in found if (item["status"] in pulls.OPEN) == (status == "open")]
    if author := query.get("author"):
        found = [item for item in found if item["author"]["name"] == author]
    start = 50 * call.number("p", 0)
    return {"count": len(found), "start": start, "discussions": found[start : start + 50]}


@route("GET", ONE)
def show(call: Call) -> dict[str, Any]:
    return pulls.describe(call.repo(), call.parts["number"])


@route("POST", f"{ONE}/comment")
def comment(call: Call) -> dict[str, Any]:
    text = call.text("comment")
    if not text.strip():
        raise Refusal(400, "The comment is empty")
    with _discussing(call) as (repo, number, user):
        return {"newMessage": pulls.comment(repo, number, user, text)}


@route("POST", f"{ONE}/comment/{{comment}}/edit")
def edit_comment(call: Call) -> dict[str, Any]:
    text = call.text("content")
    with _discussing(call) as (repo, number, user):
        return {"updatedComment": pulls.edit(repo, number, call.parts["comment"], user, text)}


@route("POST", f"{ONE}/comment/{{comment}}/hide")
def hide_comment(call: Call) -> dict[str, Any]:
    with _discussing(call) as (repo, number, user):
        return {"updatedComment": pulls.edit(repo, number, call.parts["comment"], user, None)}


@route("POST", f"{ONE}/title")
def rename(call: Call) -> dict[str, Any]:
    title = call.text("title").strip()
    if not title:
        raise Refusal(400, "The title is empty")
    with _leading(call) as (repo, number, user):
        return {"newTitle": pulls.rename(repo, number, user, title)}


@route("POST", f"{ONE}/status")
def change_status(call: Call) -> dict[str, Any]:
    status, text = call.text("status"), call.text("comment", "")
    with _leading(call) as (repo, number, user):
        return {"newStatus": pulls.change_status(repo, number, user, status, text)}


@route("POST", f"{ONE}/merge")
def merge(call: Call) -> dict[str, Any]:
    with call.changing() as repo:
        pulls.merge(repo, call.parts["number"], call.signed_in(), call.text("comment", ""))
    return {}
