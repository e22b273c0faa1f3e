"""Starting and stopping the server on 127.0.0.1."""

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
LOCK = "localhub.lock"  # also the mark of a folder that is ours


@dataclass(frozen=True)
class Server:
    """A running server: its address, its folder, its accounts, and every request so far, in order of arrival."""

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
    """A Hub on 127.0.0.1 in a thread, until the block is left; port 0 takes a free one.

    `directory` holds everything it stores, and is made where it is missing. `users`: name -> token; `orgs`: name ->
    members. Raises SafetyPairsError for bad accounts, a folder that cannot be used, and a port that is taken.
    """
    accounts = Accounts(users or {"local": "hf_local"}, orgs or {})
    with _claimed(Path(directory).absolute()) as root, _bound(port) as listener:
        endpoint = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        server = Server(endpoint, root, accounts)
        app = build(Hub(root, accounts, endpoint), server.log)
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
    """The folder, for this process alone; what an earlier one left half done in it is thrown away."""
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
        for item in (root / "tmp").iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        yield root


@contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    # Asyncio turns Nagle's delay (40 ms a request) off only for sockets that name their protocol.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "not a port"
            raise SafetyPairsError(f"port {port}: {reason}; name another one, or 0 for any that is free") from error
        yield listener
