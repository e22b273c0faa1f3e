"""Remove large files from a repo's history: rewrite the commits that hold their pointers, and all later ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pygit2
from pygit2.enums import FileMode, ObjectType, SortMode

from safetypairs_hf.testing.localhub.describe import pointer_of
from safetypairs_hf.testing.localhub.history import walk


def places(git: pygit2.Repository) -> dict[str, tuple[str, str]]:
    """Return where each large file of the history is: its sha256 -> a path, and the ref of a commit that has it there.

    The main branch comes before other refs, and a newer commit before an older one.
    """
    found: dict[str, tuple[str, str]] = {}
    seen: set[pygit2.Oid] = set()
    for ref in sorted(git.references, key=lambda name: (name != "refs/heads/main", not name.startswith("refs/heads/"))):
        for commit in git.walk(git.references[ref].peel(pygit2.Commit).id, SortMode.TOPOLOGICAL):
            if commit.tree.id in seen:
                continue
            seen.add(commit.tree.id)
            for path, item in walk(commit.tree):
                if pointer := pointer_of(item):
                    found.setdefault(pointer.oid, (path, ref))
    return found


def erase(git: pygit2.Repository, oids: Collection[str]) -> None:
    """Rewrite all refs so that no commit holds a pointer to one of these files.

    Commits that need no change keep their ids. The others keep their author, time and message; so do annotated tags.

    Args:
        git: The repository. No other writer may use it meanwhile.
        oids: The sha256 of the files.
    """
    commits: dict[pygit2.Oid, pygit2.Oid] = {}
    trees: dict[pygit2.Oid, pygit2.Oid | None] = {}
    for commit in _oldest_first(git):
        parents = [commits[parent] for parent in commit.parent_ids]
        tree = _without(git, commit.tree, oids, trees) or git.TreeBuilder().write()
        commits[commit.id] = commit.id
        if tree != commit.tree.id or parents != commit.parent_ids:
            commits[commit.id] = git.create_commit(None, commit.author, commit.committer, commit.message, tree, parents)
    for name in list(git.references):
        target = git.references[name].peel(pygit2.Commit).id
        if commits[target] == target:
            continue
        tag = git[git.references[name].target]
        if isinstance(tag, pygit2.Tag):
            git.references.delete(name)
            git.create_tag(tag.name, commits[target], ObjectType.COMMIT, tag.tagger, tag.message)
        else:
            git.references.create(name, commits[target], force=True)


def _oldest_first(git: pygit2.Repository) -> Iterator[pygit2.Commit]:
    """Return every commit that a ref reaches, parents before children."""
    walker = git.walk(None, SortMode.TOPOLOGICAL | SortMode.REVERSE)
    for name in git.references:
        walker.push(git.references[name].peel(pygit2.Commit).id)
    return walker


def _without(
    git: pygit2.Repository, tree: pygit2.Tree, oids: Collection[str], done: dict[pygit2.Oid, pygit2.Oid | None]
) -> pygit2.Oid | None:
    """Return the id of a tree without pointers to these files; None if nothing is left. `done` is a cache by tree."""
    if tree.id not in done:
        builder = git.TreeBuilder(tree)
        for item in tree:
            name = str(item.name)
            if isinstance(item, pygit2.Tree):
                kept = _without(git, item, oids, done)
                if kept is None:
                    builder.remove(name)
                elif kept != item.id:
                    builder.insert(name, kept, FileMode.TREE)
            elif (pointer := pointer_of(item)) and pointer.oid in oids:
                builder.remove(name)
        done[tree.id] = builder.write() if len(builder) else None
    return done[tree.id]
