"""The accounts of a local Hub: users with one token each, and organisations with members."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.testing.localhub.refusals import Refusal

RESERVED = {"api", "datasets", "lfs", "models", "spaces", "xet"}  # first segments of other paths
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")


@dataclass(frozen=True)
class Accounts:
    """The accounts of a hub.

    Attributes:
        users: name -> token.
        orgs: name -> names of the members, who all have full rights in the organisation.
    """

    users: Mapping[str, str]
    orgs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the accounts.

        Raises:
            SafetyPairsError: A name or a token is invalid, a token is used twice, or a member is not a user.
        """
        for name in [*self.users, *self.orgs]:
            if not NAME.fullmatch(name) or ".." in name or name.lower() in RESERVED:
                raise SafetyPairsError(
                    f"account name {name!r}: expected letters, digits, '-', '_', '.', and no word of ours; rename it"
                )
        names = [name.lower() for name in [*self.users, *self.orgs]]
        if twice := [name for name in names if names.count(name) > 1]:
            raise SafetyPairsError(f"two accounts are named {twice[0]!r}, and case does not matter; rename one of them")
        for name, token in self.users.items():
            if not re.fullmatch(r"[!-~]+", token):
                raise SafetyPairsError(f"user {name!r}: the token is empty or holds blanks; give it as {name}:hf_word")
        if len(set(self.users.values())) < len(self.users):
            raise SafetyPairsError("two users have the same token; give each user a token of their own")
        for org, members in self.orgs.items():
            for member in members:
                if member not in self.users:
                    raise SafetyPairsError(f"organisation {org!r}: its member {member!r} is no user; add --user for it")

    def who(self, authorization: str | None) -> str | None:
        """Return the user that an Authorization header identifies, or None without a header.

        git sends the Basic scheme, with the token as the password. Raises Refusal (401) for an unknown token.
        """
        if not authorization:
            return None
        scheme, _, value = authorization.partition(" ")
        token = value.strip()
        if scheme.lower() == "basic":
            try:
                token = base64.b64decode(token, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                token = ""
        for name, known in self.users.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                return name
        raise Refusal(401, "Invalid credentials in Authorization header")

    def may_write(self, user: str | None, namespace: str) -> bool:
        return user is not None and (user == namespace or user in self.orgs.get(namespace, ()))

    def spelling(self, name: str) -> str:
        """Return an account's name as it is registered, ignoring case; `name` itself if there is no such account."""
        return next((known for known in [*self.users, *self.orgs] if known.lower() == name.lower()), name)

    def orgs_of(self, user: str) -> list[str]:
        return [org for org, members in self.orgs.items() if user in members]


def parse_accounts(users: Sequence[str], orgs: Sequence[str], file: Path | None) -> Accounts:
    """Read the accounts that the options of the command line describe.

    Args:
        users: NAME:TOKEN each.
        orgs: NAME:MEMBER,... each.
        file: A JSON file such as {"users": {...}, "orgs": {...}}, to which the others are added.

    Returns:
        The accounts. If there is no user, one is added with the name `local` and the token `hf_local`.

    Raises:
        SafetyPairsError: An option or the file is malformed.
    """
    known, groups = _read_file(file) if file else ({}, {})
    for word in users:
        name, colon, token = word.partition(":")
        if not (name and colon and token):
            raise SafetyPairsError(f"--user {word!r}: expected NAME:TOKEN, for instance alice:hf_alice")
        if known.get(name, token) != token:
            raise SafetyPairsError(f"--user {word!r}: user {name!r} already has another token; give one token a user")
        known[name] = token
    for word in orgs:
        name, colon, members = word.partition(":")
        if not (name and colon and members):
            raise SafetyPairsError(f"--org {word!r}: expected NAME:MEMBER,..., for instance lab:alice,bob")
        groups[name] = [*groups.get(name, []), *(member.strip() for member in members.split(","))]
    return Accounts(known or {"local": "hf_local"}, groups)


def _read_file(file: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    shape = 'expected JSON like {"users": {"alice": "hf_alice"}, "orgs": {"lab": ["alice"]}}'
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        users = {str(name): str(token) for name, token in data.get("users", {}).items()}
        orgs = {str(name): [str(member) for member in members] for name, members in data.get("orgs", {}).items()}
    except OSError as error:
        raise SafetyPairsError(f"--users {file}: {error.strerror}; {shape}") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise SafetyPairsError(f"--users {file}: not readable as accounts; {shape}") from error
    return users, orgs
