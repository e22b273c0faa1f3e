"""A guard at a server that takes a while for an answer and several at once: is the server kept busy?

    python benchmarks/serving.py [--pairs 1510] [--seconds 0.5] [--at-once 16] [--in-flight 20] [--size 128]

The server is on loopback in a process of its own; it holds each answer back for `--seconds`, and answers no more than
`--at-once` requests at a time, the others wait. Ours: `evaluate` of the guard `server`, in a process of its own, from
its start to its exit, so with all imports, the reading of the data, the preflight and the figures. Its setting
`concurrency` is `--in-flight`, a few more than the server takes at once, so that the next image waits there. Ideal: as
many answers as there are images, by a client that always has `--at-once` requests in flight. What comes of it: answers
a second of both, and the share of the ideal rate, with start-up and from the first answer to the last.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from _timing import parsed, parser_of
from evaluating import pairs_of

_ANSWER = {"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": "No"}}


def serve(seconds: float, at_once: int, connection: Any) -> None:
    """Serve until asked for the times of the answers."""
    slots, times = threading.Semaphore(at_once), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send({"data": [{"id": "slow"}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with slots:
                time.sleep(seconds)
                times.append(time.perf_counter())
            self.send({"model": "slow", "choices": [_ANSWER]})

        def send(self, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection.send(f"http://127.0.0.1:{server.server_port}/v1")
    connection.recv()
    connection.send(times)


# Runs in a process of its own: the address, the name of a folder with the pairs, and how many requests in flight.
CLIENT = """
import sys
from datasets import load_from_disk
from safetypairs_hf.evaluating.evaluate import evaluate
from safetypairs_hf.guards.catalogue import make_guard
url, folder, in_flight = sys.argv[1:]
guard = make_guard("server", {"model": "slow", "url": url, "concurrency": in_flight})
print(evaluate(guard, load_from_disk(folder), folder + ".parquet"))
"""


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=1510)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--in-flight", type=int, default=20)
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    arguments = parsed(parser, pairs=12, seconds=0.05, size=64)
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(arguments.seconds, arguments.at_once, theirs), daemon=True
    )
    process.start()
    url = ours.recv()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs_of(arguments.pairs, arguments.size).save_to_disk(folder / "pairs")
        begin = time.perf_counter()
        words = [sys.executable, "-c", CLIENT, url, str(folder / "pairs"), str(arguments.in_flight)]
        done = subprocess.run(words, capture_output=True, text=True)
        wall = time.perf_counter() - begin
    if done.returncode:
        sys.exit(done.stderr)
    ours.send(None)
    times = sorted(ours.recv())
    process.join()
    ideal = arguments.at_once / arguments.seconds
    whole = len(times) / wall
    begun = min(arguments.at_once, len(times) - 1)
    inside = (len(times) - 1 - begun) / (times[-1] - times[begun]) if len(times) - 1 > begun else 0.0
    print(f"{len(times)} answers of {arguments.seconds:g} s, {arguments.at_once} at once: ideal {ideal:.1f}/s")
    print(f"  from start to exit      {whole:6.1f}/s, {whole / ideal:.1%} of the ideal rate ({wall:.1f} s)")
    print(f"  from answer to answer   {inside:6.1f}/s, {inside / ideal:.1%}")


if __name__ == "__main__":
    main()
