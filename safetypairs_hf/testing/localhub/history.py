"""Read and write one bare git repository: revisions, trees, commits, branches, tags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pygit2
from pygit2.enums import FileMode, ObjectType, SortMode

from safetypairs_hf.testing.localhub.refusals import Refusal, no_entry, no_revision
from safetypairs_hf.testing.localhub.repos import signature


@dataclass
class Changes:
    """The changes of a commit: `files` (path -> blob id) to write, `deleted` files, and deleted `folders`."""

    files: dict[str, pygit2.Oid] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


def resolve(git: pygit2.Repository, revision: str) -> pygit2.Commit:
    """Return the commit of a branch, tag, full ref or commit id (7 digits or more). Raises Refusal RevisionNotFound."""
    for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision if revision.startswith("refs/") else ""):
        if "\0" in name:  # libgit2 would end the name there
            raise no_revision(revision)
        try:
            if name and name in git.references:
                return git.references[name].peel(pygit2.Commit)
        except ValueError:  # not a valid name for git
            raise no_revision(revision) from None
    if 7 <= len(revision) <= 40 and all(char in "0123456789abcdef" for char in revision):
        try:
            return git[revision].peel(pygit2.Commit)
        except (KeyError, ValueError, pygit2.InvalidSpecError):
            pass
    raise no_revision(revision)


def branch_ref(git: pygit2.Repository, revision: str) -> str:
    """Return the full name of a branch or pull request.

    Raises Refusal: RevisionNotFound, or 400 for another kind of ref, which takes no commits.
    """
    name = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    if not name.startswith(("refs/heads/", "refs/pr/")):
        raise Refusal(400, f"Cannot commit to {revision}: expected a branch or refs/pr/N")
    resolve(git, name)
    return name


def entry(commit: pygit2.Commit, path: str) -> pygit2.Object:
    """Return the blob or tree at `path` ("" for the root). Raises Refusal EntryNotFound."""
    if not path:
        return commit.tree
    try:
        if "\0" not in path:  # libgit2 would end the path there
            return commit.tree[path]
    except KeyError:
        pass
    raise no_entry(path, str(commit.id))


def checked_path(path: str) -> str:
    """Return the path of a file to write.

    Raises Refusal (422) for a path that the Hub refuses: with '..', '.git', empty parts or control characters, or with
    a backslash, which leads out of the folder of a client on Windows.
    """
    parts = path.split("/")
    bad = any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
    if bad or "\\" in path or not path.isprintable():
        raise Refusal(422, f"Invalid path in repo: {path!r}")
    return path


def walk(tree: pygit2.Tree, prefix: str = "", recursive: bool = True) -> Iterator[tuple[str, pygit2.Object]]:
    """Yield every (path, blob or tree) below a tree. A folder comes before its contents."""
    for item in tree:
        path = f"{prefix}{item.name}"
        yield path, item
        if recursive and isinstance(item, pygit2.Tree):
            yield from walk(item, f"{path}/", recursive)


def log(git: pygit2.Repository, start: pygit2.Commit) -> Iterator[pygit2.Commit]:
    return git.walk(start.id, SortMode.TOPOLOGICAL)


def last_change(git: pygit2.Repository, start: pygit2.Commit, path: str, oid: pygit2.Oid) -> pygit2.Commit:
    """Return the commit, along first parents of `start`, that gave `path` its content `oid`."""
    commit = start
    while commit.parents:
        parent = commit.parents[0]
        try:
            if parent.tree[path].id != oid:
                return commit
        except KeyError:
            return commit
        commit = parent
    return commit


def changed_tree(git: pygit2.Repository, commit: pygit2.Commit, changes: Changes) -> pygit2.Index:
    """Apply `changes` to the tree of `commit`, deletions first, and return the result as an index.

    A folder may be deleted like a file, because clients do not always know which it is.

    Raises Refusal: EntryNotFound for something to delete that does not exist, 400 for a file at the path of a folder.
    """
    index = pygit2.Index()
    index.read_tree(commit.tree)
    folders = list(changes.folders)
    for path in changes.deleted:
        if isinstance(entry(commit, path), pygit2.Tree):
            folders.append(path)
        else:
            index.remove(path)
    for path in folders:
        if not isinstance(entry(commit, path), pygit2.Tree):
            raise no_entry(f"{path}/", str(commit.id))
        index.remove_all([f"{_literal(path)}/*"])
    taken = {item.path for item in index} | set(changes.files)
    parents = {path[:i] for path in taken for i, char in enumerate(path) if char == "/"}
    if clash := sorted(parents & taken):
        raise Refusal(400, f"{clash[0]} would be both a file and a folder")
    for path, blob in changes.files.items():
        index.add(pygit2.IndexEntry(checked_path(path), blob, FileMode.BLOB))
    return index


def _literal(path: str) -> str:
    """Escape a path as a pattern that matches only itself."""
    return "".join(f"\\{char}" if char in "*?[]\\" else char for char in path)


def commit_tree(
    git: pygit2.Repository, ref: str, parents: list[pygit2.Commit], tree: pygit2.Oid, author: str, message: str
) -> str:
    """Write a commit, point `ref` at it, and return the commit's id."""
    who = signature(author)
    oid = git.create_commit(None, who, who, message, tree, [parent.id for parent in parents])
    git.references.create(ref, oid, force=True)
    return str(oid)


def create_ref(git: pygit2.Repository, name: str, target: pygit2.Oid) -> None:
    """Create a ref. Raises Refusal: 409 if the ref exists, 400 for a name that is invalid for git."""
    try:
        if "\0" in name:  # libgit2 would end the name there
            raise ValueError("it holds a NUL character")
        if name in git.references:
            raise Refusal(409, f"Reference {name} already exists")
        git.references.create(name, target)
    except ValueError as error:
        raise Refusal(400, f"Invalid reference name {name}: {error}") from None


def refs(git: pygit2.Repository) -> dict[str, list[dict[str, Any]]]:
    """Return branches, tags and pull requests with their commits, in the Hub's form."""
    found: dict[str, list[dict[str, Any]]] = {"branches": [], "converts": [], "tags": [], "pullRequests": []}
    kinds = {"refs/heads/": "branches", "refs/tags/": "tags", "refs/pr/": "pullRequests"}
    for name in git.references:
        for prefix, kind in kinds.items():
            if name.startswith(prefix):
                commit = git.references[name].peel(ObjectType.COMMIT)
                short = name if kind == "pullRequests" else name.removeprefix(prefix)
                found[kind].append({"name": short, "ref": name, "targetCommit": str(commit.id)})
    return found
