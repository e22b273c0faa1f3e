"""Start and stop the server on 127.0.0.1."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.web_server import LOOPBACK, listening, running
from safetypairs_hf.testing.localhub.accounts import Accounts
from safetypairs_hf.testing.localhub.app import Logged, build
from safetypairs_hf.testing.localhub.hub import Hub

LOCK = "localhub.lock"  # this file also marks a folder as that of a hub


@dataclass(frozen=True)
class Server:
    """A running server: its address, folder and accounts, and the requests so far in order of arrival."""

    endpoint: str
    directory: Path
    accounts: Accounts
    log: list[Logged] = field(default_factory=list)


@contextmanager
def serve(
    directory: str | Path,
    users: Mapping[str, str] | None = None,
    orgs: Mapping[str, Sequence[str]] | None = None,
    port: int = 0,
) -> Iterator[Server]:
    """Run a Hub on 127.0.0.1 in a thread until the end of the block.

    Args:
        directory: The folder that stores everything; it is made if it is missing.
        users: name -> token. The default is one user `local` with the token `hf_local`.
        orgs: name -> names of the members.
        port: The port; 0 for any free one.

    Raises:
        SafetyPairsError: The accounts are invalid, the folder cannot be used, or the port is taken.
    """
    accounts = Accounts(users or {"local": "hf_local"}, orgs or {})
    with _claimed(Path(directory).absolute()) as root, listening(LOOPBACK, port) as listener:
        endpoint = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        server = Server(endpoint, root, accounts)
        with running(build(Hub(root, accounts), server.log), listener, "localhub"):
            yield server


@contextmanager
def _claimed(root: Path) -> Iterator[Path]:
    """Lock the folder for this process, and remove the unfinished files of an earlier one."""
    try:
        if root.is_dir() and any(root.iterdir()) and not (root / LOCK).exists():
            raise SafetyPairsError(f"hub folder {root}: it holds other files; name an empty or a new folder")
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / LOCK).open("w")
    except OSError as error:
        raise SafetyPairsError(f"hub folder {root}: {error.strerror}; name a folder that you can write to") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SafetyPairsError(
                f"hub folder {root}: another hub is using it; stop that one or name another folder"
            ) from None
        for part in ("repos", "xorbs", "tmp"):
            (root / part).mkdir(exist_ok=True)
        for part in ("xorbs", "tmp"):  # these mix the content of private and public repos
            (root / part).chmod(0o700)
        for item in (root / "tmp").iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        yield root
