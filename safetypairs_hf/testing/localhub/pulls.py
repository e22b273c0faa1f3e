"""Discussions and pull requests: numbered entries in the repo's settings; a pull request also has a ref refs/pr/N."""

from __future__ import annotations

from typing import Any

import pygit2

from safetypairs_hf.testing.localhub import history
from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.repos import Repo, now


def open_pull(repo: Repo, author: str, title: str, description: str, base: str, pull: bool = True) -> int:
    """Open a pull request on the branch `base`, or a discussion if `pull` is False; return its number.

    The ref of a pull request starts at the head of its base. The caller must hold the repo's lock.
    """
    known = repo.settings.setdefault("discussions", {})
    number = len(known) + 1
    known[str(number)] = {"title": title, "description": description, "author": author, "created": now(),
                          "status": "open", "pull": pull, "base": base, "merged": None}  # fmt: skip
    if pull:
        # Forced, because a crash before `save` may have left a ref of this number.
        repo.git.references.create(f"refs/pr/{number}", history.resolve(repo.git, base).id, force=True)
    repo.save()
    return number


def find(repo: Repo, number: str) -> dict[str, Any]:
    """The settings of a discussion. Raises Refusal (404) if there is none of this number."""
    found: dict[str, Any] | None = repo.settings.get("discussions", {}).get(number)
    if found is None:
        raise Refusal(404, f"Discussion {number} does not exist in {repo.name.id}")
    return found


def is_own(repo: Repo, ref: str, user: str | None) -> bool:
    """Whether `ref` is an open pull request of `user`, who may then commit to it without write access to the repo."""
    pull = repo.settings.get("discussions", {}).get(ref.removeprefix("refs/pr/"))
    return bool(ref.startswith("refs/pr/") and pull and pull["author"] == user and pull["status"] == "open")


def merge(repo: Repo, number: str, user: str) -> None:
    """Merge a pull request into its base by a merge commit. Raises Refusal (409) if it conflicts or is not open."""
    pull = find(repo, number)
    if not pull["pull"] or pull["status"] != "open":
        raise Refusal(409, f"Discussion {number} is not an open pull request")
    base = history.resolve(repo.git, pull["base"])
    head = history.resolve(repo.git, f"refs/pr/{number}")
    index: pygit2.Index = repo.git.merge_commits(base, head)
    if index.conflicts:
        raise Refusal(409, f"Pull request {number} conflicts with {pull['base']}; resolve it there first")
    message = f"{pull['title']} (#{number})"
    tree = index.write_tree(repo.git)
    pull["merged"] = history.commit_tree(repo.git, pull["base"], [base, head], tree, user, message)
    pull["status"] = "merged"
    repo.save()


def describe(repo: Repo, number: str) -> dict[str, Any]:
    """Describe a discussion as the Hub does; its only event is the description."""
    found = find(repo, number)
    author = {"name": found["author"]}
    event = {"id": f"{number}-0", "type": "comment", "createdAt": found["created"], "author": author,
             "data": {"edited": False, "hidden": False, "latest": {"raw": found["description"]}}}  # fmt: skip
    info = {
        "num": int(number),
        "title": found["title"],
        "author": author,
        "createdAt": found["created"],
        "status": found["status"],
        "isPullRequest": found["pull"],
        "repo": {"name": repo.name.id, "type": repo.name.type},
        "events": [event],
    }
    if found["pull"]:
        info["changes"] = {"base": found["base"], "mergeCommitId": found["merged"]}
        info["filesWithConflicts"] = []
    return info
