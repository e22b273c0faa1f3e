"""Describe repos, files and commits in the JSON that the Hub's clients read."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

import pygit2

from safetypairs_hf.testing.localhub import cards, history
from safetypairs_hf.testing.localhub.lfs import Pointer, parse_pointer
from safetypairs_hf.testing.localhub.repos import Repo
from safetypairs_hf.testing.localhub.xetstore import XetFiles


def pointer_of(blob: pygit2.Object) -> Pointer | None:
    return parse_pointer(blob.data) if isinstance(blob, pygit2.Blob) and blob.size < 200 else None


def file_info(repo: Repo, path: str, item: pygit2.Object) -> dict[str, Any]:
    """Describe a file or folder for /tree and /paths-info; sizes in bytes."""
    if isinstance(item, pygit2.Tree):
        return {"type": "directory", "oid": str(item.id), "size": 0, "path": path}
    info: dict[str, Any] = {"type": "file", "oid": str(item.id), "size": getattr(item, "size", 0), "path": path}
    if pointer := pointer_of(item):
        info["lfs"] = {"oid": pointer.oid, "size": pointer.size, "pointerSize": info["size"]}
        info["size"] = pointer.size
        if xet_hash := XetFiles(repo.folder / "xet").by_sha256(pointer.oid):
            info["xetHash"] = xet_hash
    return info


def with_last_commit(repo: Repo, commit: pygit2.Commit, info: dict[str, Any]) -> dict[str, Any]:
    oid = pygit2.Oid(hex=info["oid"])
    last = history.last_change(repo.git, commit, info["path"], oid)
    title = last.message.partition("\n")[0]
    return {**info, "lastCommit": {"id": str(last.id), "title": title, "date": date(last)}}


def repo_info(repo: Repo, commit: pygit2.Commit, files: bool = True, sizes: bool = False) -> dict[str, Any]:
    """Describe a repo at a commit for /api/models, /api/datasets and /api/spaces.

    Args:
        files: Include the list of files, `siblings`.
        sizes: Include the size and the ids of each of these files.
    """
    name, card = repo.name, cards.card_data(commit)
    info: dict[str, Any] = {
        "id": name.id,
        "author": name.namespace,
        "sha": str(commit.id),
        "createdAt": repo.settings["created"],
        "lastModified": date(commit),
        "private": repo.private,
        "gated": repo.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": cards.tags_of(card),
        "cardData": card,
    }
    if name.type == "model":
        info["modelId"] = name.id
    if name.type == "space":
        info["sdk"] = repo.settings.get("sdk") or card.get("sdk")
    if files:
        info["siblings"] = [
            _sibling(repo, path, item, sizes) for path, item in history.walk(commit.tree) if _is_file(item)
        ]
    return info


def _is_file(item: pygit2.Object) -> bool:
    return isinstance(item, pygit2.Blob)


def _sibling(repo: Repo, path: str, item: pygit2.Object, sizes: bool) -> dict[str, Any]:
    if not sizes:
        return {"rfilename": path}
    info = file_info(repo, path, item)
    sibling = {"rfilename": path, "size": info["size"], "blobId": info["oid"]}
    if lfs := info.get("lfs"):
        sibling["lfs"] = {"sha256": lfs["oid"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
    return sibling


def commit_info(commit: pygit2.Commit, formatted: bool = False) -> dict[str, Any]:
    """Describe a commit for /commits; `formatted` adds its title and message as HTML."""
    title, _, message = commit.message.partition("\n")
    authors = [{"user": commit.author.name, "avatar": ""}]
    info: dict[str, Any] = {
        "id": str(commit.id),
        "title": title,
        "message": message.strip(),
        "authors": authors,
        "date": date(commit),
    }
    if formatted:
        info["formatted"] = {"title": html.escape(title), "message": html.escape(message.strip())}
    return info


def date(commit: pygit2.Commit) -> str:
    return datetime.fromtimestamp(commit.commit_time, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
