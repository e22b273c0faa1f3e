"""Start and stop the server on 127.0.0.1."""

from __future__ import annotations

import fcntl
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.testing.localhub.accounts import Accounts
from safetypairs_hf.testing.localhub.app import Logged, build
from safetypairs_hf.testing.localhub.hub import Hub

LOOPBACK = "127.0.0.1"
LOCK = "localhub.lock"  # its presence also marks a folder as a hub's


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
        directory: Where everything is stored; created if it is missing.
        users: name -> token; default one user `local` with the token `hf_local`.
        orgs: name -> names of the members.
        port: 0 for any free port.

    Raises:
        SafetyPairsError: The accounts are invalid, the folder cannot be used, or the port is taken.
    """
    accounts = Accounts(users or {"local": "hf_local"}, orgs or {})
    with _claimed(Path(directory).absolute()) as root, _bound(port) as listener:
        endpoint = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        server = Server(endpoint, root, accounts)
        app = build(Hub(root, accounts), server.log)
        config = uvicorn.Config(
            app, lifespan="off", ws="none", log_level="error", access_log=False, timeout_graceful_shutdown=2
        )
        inner = uvicorn.Server(config)
        thread = threading.Thread(target=inner.run, args=([listener],), name="localhub", daemon=True)
        thread.start()
        try:
            while not inner.started and thread.is_alive():
                time.sleep(0.005)
            yield server
        finally:
            inner.should_exit = True
            thread.join()


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
        for part in ("xorbs", "tmp"):  # here the content of private and public repos lies together
            (root / part).chmod(0o700)
        for item in (root / "tmp").iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        yield root


@contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    # asyncio disables Nagle's delay (40 ms a request) only for sockets that name their protocol.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "not a port"
            raise SafetyPairsError(f"port {port}: {reason}; name another one, or 0 for any that is free") from error
        yield listener
