"""A fresh local Hub for a test, and real clients that use it.

    from hub_fixtures import Hub, hub  # noqa: F401

    def test_something(hub: Hub) -> None:
        hub.api().create_repo("lab/pairs", repo_type="dataset")
        hub.run_python("from datasets import load_dataset; load_dataset('lab/pairs')")

huggingface_hub and datasets read HF_ENDPOINT and HF_HOME when they are imported. So in the test's own process use
`hub.api()` and pass `endpoint`, `token` and `cache_dir`; for everything else use `hub.run_python`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from safetypairs_hf.testing.localhub.app import Logged
from safetypairs_hf.testing.localhub.server import Server, serve

if TYPE_CHECKING:
    from huggingface_hub import HfApi

USERS = {"alice": "hf_alice", "bob": "hf_bob"}
ORGS = {"lab": ["alice"]}  # bob is nobody there


@dataclass(frozen=True)
class Hub:
    """A running hub with users alice and bob, and the organisation lab of which alice is the only member.

    `home` is an HF_HOME of its own; `cache` is its hub cache, to be given as `cache_dir`.
    """

    server: Server
    home: Path

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def cache(self) -> Path:
        return self.home / "hub"

    def api(self, user: str | None = "alice") -> HfApi:
        """A real client in this process; `None` is one without a token."""
        from huggingface_hub import HfApi

        return HfApi(self.endpoint, token=USERS[user] if user else False)

    def env(self, user: str | None = "alice", xet: bool = False) -> dict[str, str]:
        """The environment for a subprocess whose Hub is this one."""
        mine = {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(self.home), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        mine |= {"HF_TOKEN": USERS[user]} if user else {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
        mine |= {} if xet else {"HF_HUB_DISABLE_XET": "1"}
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        return {**inherited, "NO_PROXY": "127.0.0.1", **mine}

    def run_python(self, code: str, user: str | None = "alice", xet: bool = False, cwd: Path | None = None) -> str:
        """What `code` prints, run in a process of its own. Raises AssertionError with its stderr where it fails."""
        command = [sys.executable, "-c", code]
        env = self.env(user, xet)
        done = subprocess.run(command, env=env, cwd=cwd or self.home, capture_output=True, text=True)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def requests(self, method: str = "", part: str = "") -> list[Logged]:
        """The requests so far with this method whose path holds `part`."""
        return [entry for entry in self.server.log if method in ("", entry.method) and part in entry.path]


# Each line of arguments is a command of its own; what it prints, and its exit code, is one line of JSON.
_COMMANDS = """
import json
from click.testing import CliRunner
from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import SafetyPairsError
for words in {lines!r}:
    command = group.get_command(None, words[0])
    done = CliRunner().invoke(command, words[1:])
    if done.exception and not isinstance(done.exception, (SafetyPairsError, SystemExit)):
        raise done.exception
    known = isinstance(done.exception, SafetyPairsError)
    print(json.dumps([done.exit_code, str(done.exception) if known else done.output]))
"""


def commands(hub: Hub, cwd: Path, *lines: list[str], user: str | None = "alice") -> list[tuple[int, str]]:
    """The exit code of each command, and its message where it failed, else what it printed; all in one process."""
    printed = hub.run_python(_COMMANDS.format(lines=list(lines)), user=user, cwd=cwd).splitlines()
    return [(code, said) for code, said in map(json.loads, printed)]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    home = tmp_path / "hf_home"
    home.mkdir()
    with serve(tmp_path / "hub", USERS, ORGS) as server:
        yield Hub(server, home)
