"""Serve a web application from a thread of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from safetypairs_hf.core.errors import SafetyPairsError

LOOPBACK = "127.0.0.1"


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on a port; 0 takes any free port.

    Raises:
        SafetyPairsError: The host is not an address of this machine, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError, OverflowError) as error:
        raise SafetyPairsError(f"host {host}, port {port}: {getattr(error, 'strerror', None) or error}") from error
    # asyncio disables Nagle's delay (40 ms a request) only for sockets that name their protocol.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "not a port"
            raise SafetyPairsError(f"port {port}: {reason}; name another one, or 0 for any that is free") from error
        yield listener


@contextmanager
def running(app: Any, listener: socket.socket, name: str, **options: Any) -> Iterator[None]:
    """Run an ASGI application during the block. `options` go to uvicorn, for example `ssl_certfile`."""
    config = uvicorn.Config(
        app, lifespan="off", ws="none", log_level="error", access_log=False, timeout_graceful_shutdown=2, **options
    )
    config.load()  # before the thread starts, so that the caller gets the error for a broken certificate
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name=name, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        thread.join()
