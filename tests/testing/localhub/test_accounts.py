"""Accounts from words and files."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.testing.localhub.accounts import Accounts, parse_accounts
from safetypairs_hf.testing.localhub.refusals import Refusal


def test_words_and_file_add_up(tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    file.write_text('{"users": {"carol": "c"}, "orgs": {"lab": ["carol"]}}')
    accounts = parse_accounts(["alice:a:b", "bob:b"], ["lab:alice, bob", "two:bob"], file)
    assert accounts.users == {"carol": "c", "alice": "a:b", "bob": "b"}
    assert accounts.orgs == {"lab": ["carol", "alice", "bob"], "two": ["bob"]}
    assert accounts.orgs_of("bob") == ["lab", "two"]
    assert accounts.may_write("carol", "lab") and accounts.may_write("carol", "carol")
    assert not accounts.may_write("carol", "two") and not accounts.may_write(None, "lab")
    assert parse_accounts([], [], None).users == {"local": "hf_local"}


@pytest.mark.parametrize(
    ("users", "orgs"),
    [
        (["alice"], []),
        ([":a"], []),
        (["alice:"], []),
        (["alice:a b"], []),
        (["a/b:c"], []),
        (["..:c"], []),
        (["datasets:c"], []),
        (["alice:a", "alice:b"], []),
        (["alice:a", "bob:a"], []),
        (["alice:a"], ["alice:alice"]),
        (["alice:a"], ["lab"]),
        (["alice:a"], ["lab:bob"]),
        (["alice:a"], ["lab:alice,"]),
        (["alice:a"], ["../lab:alice"]),
    ],
)
def test_mistakes(users: list[str], orgs: list[str]) -> None:
    with pytest.raises(SafetyPairsError):
        parse_accounts(users, orgs, None)


@pytest.mark.parametrize("text", ["", "[]", '{"users": []}', '{"users": {"a": "b"}, "orgs": {"x": 3}}', "\xff"])
def test_files_that_are_no_accounts(tmp_path: Path, text: str) -> None:
    file = tmp_path / "accounts.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SafetyPairsError, match="not readable as accounts"):
        parse_accounts([], [], file)


def test_who() -> None:
    accounts = Accounts({"alice": "hf_a"})
    assert accounts.who(None) is None
    assert accounts.who("Bearer hf_a") == "alice"
    assert accounts.who("Basic " + base64.b64encode(b"any:hf_a").decode()) == "alice"
    for wrong in ("Bearer x", "Basic !!", "Basic " + base64.b64encode(b"hf_a").decode(), "Bearer", "Bearer é"):
        with pytest.raises(Refusal):
            accounts.who(wrong)
