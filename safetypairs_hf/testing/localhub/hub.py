"""The objects that every handler receives: the hub, and one call to it."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request

from safetypairs_hf.testing.localhub.accounts import Accounts
from safetypairs_hf.testing.localhub.lfs import LargeFiles
from safetypairs_hf.testing.localhub.refusals import Refusal, moved, no_repo
from safetypairs_hf.testing.localhub.repos import SEGMENT, TYPES, Repo, RepoName, Repos

LINK_SECONDS = 3600


@dataclass
class Hub:
    """A hub: its folder and its accounts."""

    root: Path
    accounts: Accounts

    def __post_init__(self) -> None:
        self.repos = Repos(self.root, self.accounts)
        self._secret = _secret(self.root / "secret")

    @property
    def id(self) -> str:
        """The name of this hub's folder in the addresses of its Xet storage.

        hf-xet caches the content of a store by its address, and two hubs may use the same port one after the other.
        """
        return hashlib.sha256(b"id" + self._secret).hexdigest()[:16]

    def sign(self, text: str) -> str:
        """Return a token for `text`, valid for an hour. Its bearer may do what `text` says, as by a signed S3 link."""
        until = int(time.time()) + LINK_SECONDS
        return f"{until}-{self._seal(f'{until} {text}')}"

    def verify(self, text: str, token: str) -> None:
        """Raise Refusal (401) unless `sign` made `token` for the same text less than an hour ago."""
        until, _, seal = token.partition("-")
        if not hmac.compare_digest(seal.encode(), self._seal(f"{until} {text}").encode()):
            raise Refusal(401, "The link or token is not valid here; ask the hub for a new one")
        if int(until) < time.time():
            raise Refusal(401, "The link or token has expired; ask the hub for a new one")

    def xet_scope(self, authorization: str | None) -> list[str]:
        """Return what a Xet token permits: "read" or "write", a repo's type, and its id. Raises Refusal (401)."""
        parts = (authorization or "").removeprefix("Bearer ").split("|")
        if len(parts) != 4:
            raise Refusal(401, "No Xet token")
        self.verify(" ".join(parts[:3]), parts[3])
        return parts[:3]

    def _seal(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _secret(file: Path) -> bytes:
    """Return the secret of the hub, which is kept in a file so that links and tokens survive a restart."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(secrets.token_bytes(32))
    return file.read_bytes()


class Call:
    """A request with its body. `parts` are the segments of the path, each unquoted (a revision may contain %2F)."""

    def __init__(self, hub: Hub, request: Request, body: bytes) -> None:
        self.hub = hub
        self.request = request
        self.body = body
        self.parts = {key: unquote(str(value)) for key, value in request.path_params.items()}

    @cached_property
    def user(self) -> str | None:
        """The user that calls; None without a token. Raises Refusal (401) for an invalid token, needed or not."""
        return self.hub.accounts.who(self.request.headers.get("authorization"))

    @property
    def endpoint(self) -> str:
        """The address at which this caller reaches the hub: http://127.0.0.1:PORT or http://localhost:PORT."""
        return f"http://{self.request.headers['host']}"

    @property
    def query(self) -> Any:
        return self.request.query_params

    @property
    def json(self) -> dict[str, Any]:
        """The body. Raises Refusal (400) if it is not a JSON object."""
        try:
            data = json.loads(self.body or b"{}")
        except ValueError:
            raise Refusal(400, "The body is not JSON") from None
        if not isinstance(data, dict):
            raise Refusal(400, "The body is not a JSON object")
        return data

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string of the JSON body. Raises Refusal (400) if it is no string, or missing without a default."""
        value = self.json.get(key)
        value = default if value is None else value
        if not isinstance(value, str):
            raise Refusal(400, f"{key!r} is missing or no text in the body")
        return value

    def number(self, key: str, default: int) -> int:
        """Return a non-negative integer of the query. Raises Refusal (400) for anything else."""
        value = self.query.get(key, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", value):
            raise Refusal(400, f"Invalid {key} {value!r}: expected a number")
        return int(value)

    def signed_in(self) -> str:
        """Return the user that calls. Raises Refusal (401) for an anonymous caller."""
        if self.user is None:
            raise Refusal(401, "Log in first: set HF_TOKEN to the token of a user of this hub")
        return self.user

    @property
    def name(self) -> RepoName:
        """The repo's name in the path, as the caller spells it. Raises Refusal RepoNotFound for an impossible name."""
        kind = self.parts.get("kind", "models")
        type_ = kind.removesuffix("s")
        if type_ not in TYPES:
            raise no_repo(self.user is not None)
        name = self.parts["name"].removesuffix(".git")
        if not (SEGMENT.fullmatch(self.parts["namespace"]) and SEGMENT.fullmatch(name)):
            raise no_repo(self.user is not None)
        return RepoName(type_, self.parts["namespace"], name)

    def repo(self, write: bool = False, content: bool = False) -> Repo:
        """Return the repo that the path names, if the caller may access it: see `Repos.open`.

        Raises Refusal: 307 for the earlier name of a repo that the caller may see, and what `Repos.open` raises.
        """
        repos, name = self.hub.repos, self.name
        if present := repos.moved(name):
            repos.open(present, self.user)
            quoted = self.request.path_params
            before = f"/{quoted['namespace']}/{quoted['name'].removesuffix('.git')}"
            path = self.request.scope["path"].replace(before, f"/{present.id}", 1)
            raise moved("?".join(part for part in (path, self.request.url.query) if part))
        return repos.open(name, self.user, write=write, content=content)

    @contextmanager
    def changing(self, write: bool = True, content: bool = False) -> Iterator[Repo]:
        """Hold the repo's lock during the block, so that nothing else changes it."""
        with self.hub.repos.lock(self.name):
            yield self.repo(write=write, content=content)

    def large_files(self, repo: Repo) -> LargeFiles:
        return LargeFiles(repo.folder / "lfs")
