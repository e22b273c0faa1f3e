"""Runs many `safetypairs` commands and Python blocks, each in a process of its own, and imports the libraries once.

`python fork_server.py SOCKET` imports what commands import, and forks for each that a client asks for, with the
client's arguments, folder, environment and streams. `python -SE fork_server.py SOCKET ask WORDS...` is such a client,
and ends as the command ended. What libraries read when they are imported (HF_ENDPOINT, HF_HOME, ...) is that of the
server: a client in whose environment this differs becomes an ordinary process instead.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import NoReturn

# What the libraries read when they are imported.
AT_IMPORT = ("HF_", "TRANSFORMERS_", "OMP_")
IMPORTED = (
    *("accelerate", "datasets", "diffusers", "evaluate", "jinja2", "matplotlib.pyplot", "openai", "pandas", "peft"),
    *("rich.progress", "sklearn.ensemble", "sklearn.linear_model", "torch", "transformers"),
)


def frozen(environment: dict[str, str]) -> dict[str, str]:
    """The part of an environment that a process cannot change once the libraries are imported."""
    return {name: value for name, value in sorted(environment.items()) if name.startswith(AT_IMPORT)}


def ask(path: str, words: list[str]) -> int:
    """Have the server run `safetypairs WORDS`, or Python code where the words are `-c CODE`; the exit status."""
    import json
    from pathlib import Path

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        body = json.dumps([words, str(Path.cwd()), dict(os.environ)]).encode()
        socket.send_fds(connection, [len(body).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(body)
        answer = connection.recv(1)
    if answer == b"\xff":  # not here: as an ordinary process
        python = os.environ["REAL_PYTHON"]
        os.execv(python, [python, *(words if words[:1] == ["-c"] else ["-m", "safetypairs_hf", *words])])
    return answer[0] if answer else 70


def serve(path: str) -> None:
    import gc
    import importlib
    import signal
    import tempfile  # noqa: F401  # read before the first fork, so that every child draws its own names
    from contextlib import suppress

    at_start = frozen(dict(os.environ))
    import safetypairs_hf.cli as cli

    for name in cli.COMMANDS:
        cli.group.get_command(None, name)  # type: ignore[arg-type]
    for name in IMPORTED:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that a child's collections leave these pages shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                break
            connection.close()
    if (asked := _received(connection, at_start)) is None:
        connection.sendall(b"\xff")
        os._exit(0)
    if (pid := os.fork()) == 0:
        connection.close()
        _run(*asked)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.sendall(bytes([status if 0 <= status < 255 else 128 - status]))
    os._exit(0)


def _received(
    connection: socket.socket, at_start: dict[str, str]
) -> tuple[list[str], str, dict[str, str], list[int]] | None:
    import json

    head, streams, _, _ = socket.recv_fds(connection, 8, 3)
    size, body = int.from_bytes(head, "big"), b""
    while len(body) < size:
        body += connection.recv(size - len(body))
    words, folder, environment = json.loads(body)
    return (words, folder, environment, streams) if frozen(environment) == at_start else None


def _run(words: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> NoReturn:
    """Run a command as this process and end it, without taking all the imported modules down first."""
    import atexit
    import threading
    import traceback

    for stream, number in zip(streams, range(3), strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    status: object = 0
    try:
        if words[:1] == ["-c"]:
            sys.argv, sys.path[0] = ["-c"], ""
            exec(compile(words[1], "<block>", "exec"), {"__name__": "__main__"})
        else:
            from safetypairs_hf.cli import main

            sys.argv, sys.path[0] = ["safetypairs", *words], folder
            main()
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    if isinstance(status, str):
        sys.stderr.write(f"{status}\n")
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the end of an interpreter does
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    if sys.argv[2:3] == ["ask"]:
        sys.exit(ask(sys.argv[1], sys.argv[3:]))
    serve(sys.argv[1])
