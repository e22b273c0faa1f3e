"""Discussions and pull requests: numbered entries in the repo's settings; a pull request also has a ref refs/pr/N.

The history of a discussion is kept as a list of events, in the Hub's form. A pull request without a commit of its own
is a draft until somebody opens it.
"""

from __future__ import annotations

import secrets
from typing import Any

import pygit2

from safetypairs_hf.testing.localhub import history
from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.repos import Repo, now

OPEN = ("open", "draft")


def open_discussion(repo: Repo, author: str, title: str, description: str, pull: bool) -> int:
    """Open a discussion, or a pull request on the main branch; return its number. The caller holds the repo's lock."""
    return _open(repo, author, title, description, "refs/heads/main", "draft" if pull else "open", pull)


def open_pull(repo: Repo, author: str, title: str, description: str, base: str) -> int:
    """Open a pull request on the branch `base`, for a commit that the caller makes next; return its number.

    Its ref starts at the head of its base. The caller holds the repo's lock.
    """
    return _open(repo, author, title, description, base, "open", True)


def _open(repo: Repo, author: str, title: str, description: str, base: str, status: str, pull: bool) -> int:
    known = repo.settings.setdefault("discussions", {})
    number = len(known) + 1
    known[str(number)] = {"title": title, "author": author, "created": now(), "status": status, "pull": pull,
                          "base": base, "merged": None, "events": []}  # fmt: skip
    _comment(known[str(number)], author, description)
    if pull:
        # Forced, because a crash before `save` may have left a ref of this number.
        repo.git.references.create(f"refs/pr/{number}", history.resolve(repo.git, base).id, force=True)
    repo.save()
    return number


def find(repo: Repo, number: str) -> dict[str, Any]:
    """Return the settings of a discussion. Raises Refusal (404) if there is none of this number."""
    found: dict[str, Any] | None = repo.settings.get("discussions", {}).get(number)
    if found is None:
        raise Refusal(404, f"Discussion {number} does not exist in {repo.name.id}")
    return found


def is_own(repo: Repo, ref: str, user: str | None) -> bool:
    """Return whether `ref` is an open pull request of `user`, who may then commit to it without write access."""
    pull = repo.settings.get("discussions", {}).get(ref.removeprefix("refs/pr/"))
    return bool(ref.startswith("refs/pr/") and pull and pull["author"] == user and pull["status"] in OPEN)


def comment(repo: Repo, number: str, user: str, text: str) -> dict[str, Any]:
    """Add a comment, and return its event."""
    event = _comment(find(repo, number), user, text)
    repo.save()
    return event


def edit(repo: Repo, number: str, comment_id: str, user: str, text: str | None) -> dict[str, Any]:
    """Replace the text of the user's own comment, or hide it forever if the text is None; return its event.

    Raises Refusal: 404 for a comment that does not exist, 403 for somebody else's, 400 for a hidden one.
    """
    events = (item for item in find(repo, number)["events"] if item["type"] == "comment")
    event: dict[str, Any] | None = next((item for item in events if item["id"] == comment_id), None)
    if event is None:
        raise Refusal(404, f"Discussion {number} has no comment {comment_id}")
    if event["author"]["name"] != user:
        raise Refusal(403, "You can only change your own comments")
    if event["data"]["hidden"]:
        raise Refusal(400, "A hidden comment stays hidden")
    event["data"] = {"edited": text is not None, "hidden": text is None, "latest": {"raw": text or ""}}
    repo.save()
    return event


def rename(repo: Repo, number: str, user: str, title: str) -> dict[str, Any]:
    """Change the title of a discussion, and return the event."""
    found = find(repo, number)
    event = _add(found, "title-change", user, {"from": found["title"], "to": title})
    found["title"] = title
    repo.save()
    return event


def change_status(repo: Repo, number: str, user: str, status: str, text: str = "") -> dict[str, Any]:
    """Open or close a discussion, with a comment if `text` is not empty; return the event of the new status.

    Raises Refusal: 400 for another status, 409 for a merged pull request.
    """
    if status not in ("open", "closed"):
        raise Refusal(400, f"Invalid status {status!r}: expected open or closed")
    found = find(repo, number)
    if found["status"] == "merged":
        raise Refusal(409, "A merged pull request stays merged")
    return _end(repo, found, user, status, text)


def merge(repo: Repo, number: str, user: str, text: str = "") -> None:
    """Merge a pull request into its base by a merge commit. Raises Refusal (409) if it conflicts or is not open."""
    pull = find(repo, number)
    if not pull["pull"] or pull["status"] not in OPEN:
        raise Refusal(409, f"Discussion {number} is not an open pull request")
    if pull["status"] == "draft":
        raise Refusal(409, f"Pull request {number} is a draft: change its status to open first")
    base = history.resolve(repo.git, pull["base"])
    head = history.resolve(repo.git, f"refs/pr/{number}")
    index: pygit2.Index = repo.git.merge_commits(base, head)
    if index.conflicts:
        raise Refusal(409, f"Pull request {number} conflicts with {pull['base']}; resolve it there first")
    message = f"{pull['title']} (#{number})"
    tree = index.write_tree(repo.git)
    pull["merged"] = history.commit_tree(repo.git, pull["base"], [base, head], tree, user, message)
    _end(repo, pull, user, "merged", text)


def _end(repo: Repo, found: dict[str, Any], user: str, status: str, text: str) -> dict[str, Any]:
    if text:
        _comment(found, user, text)
    found["status"] = status
    event = _add(found, "status-change", user, {"status": status})
    repo.save()
    return event


def _comment(found: dict[str, Any], user: str, text: str) -> dict[str, Any]:
    return _add(found, "comment", user, {"edited": False, "hidden": False, "latest": {"raw": text}})


def _add(found: dict[str, Any], type_: str, user: str, data: dict[str, Any]) -> dict[str, Any]:
    event = {"id": secrets.token_hex(12), "type": type_, "createdAt": now(), "author": {"name": user}, "data": data}
    found["events"].append(event)
    return event


def describe(repo: Repo, number: str) -> dict[str, Any]:
    """Describe a discussion as the Hub does."""
    found = find(repo, number)
    info = {
        "num": int(number),
        "title": found["title"],
        "author": {"name": found["author"]},
        "createdAt": found["created"],
        "status": found["status"],
        "isPullRequest": found["pull"],
        "repo": {"name": repo.name.id, "type": repo.name.type},
        "events": found["events"],
    }
    if found["pull"]:
        info["changes"] = {"base": found["base"], "mergeCommitId": found["merged"]}
        info["filesWithConflicts"] = []
    return info
