"""`safetypairs localhub`, as a user starts it, and what it says to mistakes."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi

from safetypairs_hf.testing.localhub.server import serve

COMMAND = [sys.executable, "-m", "safetypairs_hf", "localhub"]


def failed(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
    assert not done.stdout
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_starts_serves_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    accounts = tmp_path / "accounts.json"
    accounts.write_text(json.dumps({"users": {"carol": "hf_carol"}, "orgs": {"team": ["carol"]}}))
    options = ["--port", "0", "--users", str(accounts), "--user", "alice:hf_alice", "--org", "team:alice"]
    command = [*COMMAND, "--dir", str(tmp_path / "hub"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        found = re.search(r"HF_ENDPOINT=(http://127\.0\.0\.1:\d+) HF_TOKEN=(\S+)", line)
        assert found is not None and "air-gapped" in line
        for token, name in ((found[2], "carol"), ("hf_alice", "alice")):
            who = HfApi(found[1], token=token).whoami()
            assert (who["name"], who["orgs"][0]["name"]) == (name, "team")
        process.send_signal(number)
        assert process.wait() == 0
        assert process.stderr.read() == "Local Hub stopped.\n"


def test_mistakes_get_one_line(tmp_path: Path) -> None:
    hub = ["--dir", str(tmp_path / "hub")]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, message = failed(*hub, "--port", port)
    assert (code, message.count("\n")) == (1, 1) and f"port {port}: Address already in use" in message
    (tmp_path / "file").write_text("")
    for arguments, expected in (
        (["--dir", str(tmp_path / "file")], "hub folder"),
        ([*hub, "--user", "alice"], "expected NAME:TOKEN"),
        ([*hub, "--user", "alice:a", "--org", "lab:bob"], "'bob' is no user"),
        ([*hub, "--users", str(tmp_path / "none.json")], "No such file"),
        ([*hub, "--users", str(tmp_path / "file")], "not readable as accounts"),
    ):
        code, message = failed(*arguments)
        assert (code, message.count("\n")) == (1, 1) and expected in message
    code, message = failed(*hub, "--host", "0.0.0.0")
    assert code == 2 and "127.0.0.1 only" in message


def test_a_kill_leaves_no_half_commit(tmp_path: Path) -> None:
    """Killed while commits come in: after a restart each one that was answered is whole, and at most one more is."""
    command = [*COMMAND, "--dir", str(tmp_path / "hub"), "--port", "0", "--user", "alice:hf_alice"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().split("HF_ENDPOINT=")[1].split()[0]
        api = HfApi(endpoint, token="hf_alice")
        api.create_repo("alice/a")
        answered = commit_until_killed(api, process)
    with serve(tmp_path / "hub", {"alice": "hf_alice"}) as server:
        api = HfApi(server.endpoint, token="hf_alice")
        found = [item.commit_id for item in api.list_repo_commits("alice/a")]
        assert answered == found[::-1][1 : len(answered) + 1] and len(found) - 1 - len(answered) in (0, 1)
        files = set(api.list_repo_files("alice/a")) - {".gitattributes"}
        assert files == {f"{number}-{part}.txt" for number in range(len(found) - 1) for part in range(20)}
        assert commit(api, "after") == api.model_info("alice/a").sha
    check = ["git", "-C", str(tmp_path / "hub/repos/models/alice/a/git"), "fsck", "--strict"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def commit(api: HfApi, name: str) -> str:
    """By a plain request: the client would try for half a minute to reach the hub that was killed."""
    lines = [{"key": "header", "value": {"summary": name}}]
    for part in range(20):
        lines.append({"key": "file", "value": {"path": f"{name}-{part}.txt", "content": f"{name} {part}"}})
    body = "\n".join(json.dumps(line) for line in lines).encode()
    url = f"{api.endpoint}/api/models/alice/a/commit/main"
    answer = httpx2.post(url, content=body, headers={"authorization": "Bearer hf_alice"})
    return str(answer.raise_for_status().json()["commitOid"])


def commit_until_killed(api: HfApi, process: subprocess.Popen[str]) -> list[str]:
    answered: list[str] = []
    killer = threading.Timer(0.5, process.kill)
    killer.start()
    for number in range(100_000):
        try:
            answered.append(commit(api, str(number)))
        except httpx2.TransportError:
            break
    assert answered and process.wait() == -signal.SIGKILL
    return answered
