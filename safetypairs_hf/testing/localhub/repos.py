"""The repos of a local Hub on disk: their places, their settings, and who may see and change them.

Under the server's folder, `repos/<type>s/<namespace>/<name>/` holds `git/` (a bare repository), `lfs/` (large files by
sha256), `xet/` (one JSON file for each Xet file) and `hub.json` (settings). Creating, moving and deleting a repo are
each a single rename. Other users of the machine cannot enter the folder of a private repo. `moved.json` maps the
earlier names of moved repos to their new names.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pygit2

from safetypairs_hf.testing.localhub.accounts import Accounts
from safetypairs_hf.testing.localhub.refusals import Refusal, no_repo

TYPES = ("model", "dataset", "space")
SEGMENT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")


class RepoName(NamedTuple):
    """`type` is model, dataset or space; `id` is namespace/name."""

    type: str
    namespace: str
    name: str

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def url_path(self) -> str:
        """The path of the repo's page: models have no prefix."""
        return self.id if self.type == "model" else f"{self.type}s/{self.id}"

    @property
    def key(self) -> str:
        """A key that is equal for all spellings of a name, because case does not matter on the Hub."""
        return f"{self.type}s/{self.id}".lower()


def checked_name(type_: str, namespace: str, name: str) -> RepoName:
    """Return the name. Raises Refusal (400) if the Hub would refuse it; this includes paths out of the hub's folder."""
    if type_ not in TYPES:
        raise Refusal(400, f"Invalid repo type {type_!r}: expected one of {', '.join(TYPES)}")
    for part in (namespace, name):
        if not SEGMENT.fullmatch(part) or ".." in part or "--" in part or part.endswith(".git"):
            raise Refusal(400, f"Invalid repo name {namespace}/{name}: letters, digits, '-', '_', '.'; no '--' or '..'")
    return RepoName(type_, namespace, name)


class Repo:
    """One repo on disk. `settings` is read from `hub.json` once; `save` replaces that file atomically."""

    def __init__(self, name: RepoName, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.settings: dict[str, Any] = json.loads((folder / "hub.json").read_text(encoding="utf-8"))

    @cached_property
    def git(self) -> pygit2.Repository:
        return pygit2.Repository(str(self.folder / "git"))

    def save(self) -> None:
        write_json(self.folder / "hub.json", self.settings)
        self.protect()

    def protect(self) -> None:
        """Keep other users of the machine out of a private repo's folder; give a public one its namespace's rights."""
        shared = stat.S_IMODE(self.folder.parent.stat().st_mode)
        self.folder.chmod(0o700 if self.private else shared)

    @property
    def private(self) -> bool:
        return bool(self.settings["private"])

    @property
    def gated(self) -> str | bool:
        """ "auto", "manual" or False."""
        gated: str | bool = self.settings["gated"]
        return gated


class Repos:
    """All repos under a folder, with a lock for each that serialises its changes."""

    def __init__(self, root: Path, accounts: Accounts) -> None:
        self.root = root
        self.accounts = accounts
        self._locks: dict[str, threading.RLock] = {}
        self._moving = threading.Lock()
        for settings in self.root.glob("repos/*/*/*/hub.json"):  # an earlier version left private folders open
            Repo(_name_of(settings.parent), settings.parent).protect()

    def lock(self, name: RepoName) -> threading.RLock:
        return self._locks.setdefault(name.key, threading.RLock())

    def folder(self, name: RepoName) -> Path:
        """Return the folder of a repo, or the one to make. `name` may differ in case from that of an existing repo."""
        exact = self.root / "repos" / f"{name.type}s" / name.namespace / name.name
        if exact.exists():
            return exact
        others = (self.root / "repos" / f"{name.type}s").glob("*/*/hub.json")
        return next((path.parent for path in others if _name_of(path.parent).key == name.key), exact)

    def moved(self, name: RepoName) -> RepoName | None:
        """Return the present name of a repo that had this name before it was moved, unless another repo has it now."""
        moves, seen = self._moves(), {name.key}
        while not self.folder(name).exists():
            if name.key not in moves or moves[name.key].lower() in seen:
                return None
            name = RepoName(name.type, *moves[name.key].split("/")[1:])
            seen.add(name.key)
        return name if len(seen) > 1 else None

    def _moves(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads((self.root / "moved.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def open(self, name: RepoName, user: str | None, write: bool = False, content: bool = False) -> Repo:
        """Open a repo if `user` (None: anonymous) may access it.

        Args:
            name: The name of the repo.
            user: The user.
            write: Also require write access.
            content: Also require access to the files, which a gated repo grants to each user.

        Raises Refusal: RepoNotFound for a repo that is missing or hidden from `user`, GatedRepo, or 403 (anonymous:
        401).
        """
        try:
            folder = self.folder(name)
            repo = Repo(_name_of(folder), folder)
        except (FileNotFoundError, NotADirectoryError):
            raise no_repo(user is not None) from None
        owner = self.accounts.may_write(user, repo.name.namespace)
        if repo.private and not owner:
            raise no_repo(user is not None)
        if write and not owner:
            raise Refusal(403 if user else 401, f"You have no write access to {repo.name.id}")
        if content and repo.gated and not owner and not _granted(repo, user):
            message = f"Access to {name.type} {repo.name.id} is restricted and you are not in the authorized list"
            raise Refusal(403 if user else 401, message, "GatedRepo")
        return repo

    def create(self, name: RepoName, settings: dict[str, Any], first_files: dict[str, bytes]) -> Repo:
        """Create a repo with one commit. Raises Refusal (409) if the name is taken."""
        target = self.folder(name)
        with self.lock(name), tempfile.TemporaryDirectory(dir=self.scratch) as scratch:
            if target.exists():
                raise Refusal(409, f"You already created this {name.type} repo: {_name_of(target).id}")
            draft = Path(scratch) / "repo"
            for part in ("git", "lfs", "xet"):
                (draft / part).mkdir(parents=True)
            git = pygit2.init_repository(str(draft / "git"), bare=True, initial_head="main")
            index = pygit2.Index()
            for path, data in first_files.items():
                index.add(pygit2.IndexEntry(path, git.create_blob(data), pygit2.enums.FileMode.BLOB))
            author = signature(name.namespace)
            git.create_commit("refs/heads/main", author, author, "initial commit", index.write_tree(git), [])
            write_json(draft / "hub.json", {"created": now(), "private": False, "gated": False, **settings})
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.chmod(0o700)  # before the rename, so that nobody can enter a private repo meanwhile
            draft.rename(target)
            repo = Repo(name, target)
            repo.protect()
        return repo

    def delete(self, name: RepoName) -> None:
        with self.lock(name):
            grave = Path(tempfile.mkdtemp(dir=self.scratch))
            self.folder(name).rename(grave / "repo")
        shutil.rmtree(grave)

    def move(self, old: RepoName, new: RepoName) -> None:
        """Rename a repo. Its earlier name then leads to it. Raises Refusal (409) if the new name is taken."""
        first, second = sorted((old, new), key=lambda name: name.key)
        with self.lock(first), self.lock(second):
            source, target = self.folder(old), self.folder(new)
            if target.exists() and target != source:
                raise Refusal(409, f"A {new.type} repository called {_name_of(target).id} already exists")
            target = self.root / "repos" / f"{new.type}s" / new.namespace / new.name
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            with self._moving:
                moves = {key: name for key, name in self._moves().items() if key != new.key}
                write_json(self.root / "moved.json", moves | {old.key: f"{new.type}s/{new.id}"})

    def visible(self, type_: str, user: str | None) -> Iterator[Repo]:
        """Yield the repos of a type that `user` may see, by name."""
        for settings in sorted((self.root / "repos" / f"{type_}s").glob("*/*/hub.json")):
            folder = settings.parent
            try:
                yield self.open(_name_of(folder), user)
            except Refusal:
                continue

    @property
    def scratch(self) -> Path:
        """The folder for unfinished files, on the same disk as the repos. It is emptied when the server starts."""
        return self.root / "tmp"


def _name_of(folder: Path) -> RepoName:
    return RepoName(folder.parents[1].name.removesuffix("s"), folder.parent.name, folder.name)


def _granted(repo: Repo, user: str | None) -> bool:
    access = repo.settings.get("access", {})
    return user is not None and access.get(user, {}).get("status") == "accepted"


def write_json(path: Path, data: Any) -> None:
    """Replace a JSON file by a rename, so that readers see either the old or the new content."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        json.dump(data, file, indent=1)
    Path(file.name).replace(path)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def signature(user: str) -> pygit2.Signature:
    return pygit2.Signature(user, f"{user}@users.noreply.localhub")
