"""What is refused: another token, host or origin, paths out of the review, bodies of no use; and who may listen."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.reviewing.request_checks import BODY
from safetypairs_hf.reviewing.review import ReviewServer, serve_review


@pytest.fixture(scope="module")
def server(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewServer]:
    with serve_review(str(small_run), out=str(tmp_path_factory.mktemp("decisions"))) as running:
        yield running


def ask(
    server: ReviewServer, method: str, path: str, body: Any = None, *, host: str = "", **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers of an answer; `path` is below the token unless it begins with a slash."""
    address = urlsplit(server.address)
    connection = HTTPConnection(address.hostname or "", address.port or 0)
    sent = {"Host": host or address.netloc, "Origin": f"http://{host or address.netloc}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    if data is not None:
        sent = {"Content-Type": "application/json"} | sent
    connection.request(method, path if path.startswith("/") else f"{address.path}{path}", data, sent)
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, text, dict(answer.getheaders())


OPEN = {"reviewer": "anna"}


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1:9999", "[::1]:80", "LOCALHOST"])
def test_an_ssh_tunnel_may_use_another_port(server: ReviewServer, host: str) -> None:
    status, _, _ = ask(server, "POST", "api/open", OPEN, host=host)
    assert status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.", "0.0.0.0", "a b", "[::1"])
def test_another_host_is_refused(server: ReviewServer, host: str) -> None:
    for method, path, body in (("GET", "", None), ("POST", "api/open", OPEN)):
        status, said, _ = ask(server, method, path, body, host=host)
        assert (status, said) == (421, "This server does not answer by that host name.\n")


@pytest.mark.parametrize("path", ["/", "/wrong/", "/settings.json", "/favicon.ico", "//", "/%C3%A9/", "/api/open"])
def test_without_the_token_nothing_is_told(server: ReviewServer, path: str) -> None:
    status, said, _ = ask(server, "GET", path)
    assert (status, said) == (
        403,
        "This address is not valid, or not any more: open the one that the command printed.\n",
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_decision_from_another_origin_is_refused(server: ReviewServer, headers: dict[str, str]) -> None:
    status, said, _ = ask(server, "POST", "api/open", OPEN, **headers)
    assert (status, said) == (403, "A decision is taken from the page itself alone.\n")


@pytest.mark.parametrize(
    "path",
    [
        "../recipe.json",
        "%2e%2e/recipe.json",
        "..%2f..%2frecipe.json",
        "page/../../review.py",
        "index.html",
        "pictures/anna/..%2f..%2frecipe.json/left",
        "pictures/anna/0000000000000000/left",
        "pictures/..%2f/0000000000000000/left",
        "pictures/nobody/../left",
        "%00",
    ],
)
def test_a_path_out_of_the_review_is_refused(server: ReviewServer, path: str) -> None:
    status, said, _ = ask(server, "GET", path)
    assert status == 404
    assert "parts" not in said and "def " not in said  # nothing of recipe.json or of a Python file


def test_no_side_tells_its_member(server: ReviewServer) -> None:
    state = json.loads(ask(server, "POST", "api/open", OPEN)[1])
    pair_id = state["next"][0]["pair_id"]
    for side, status in (("left", 200), ("right", 200), ("unsafe", 404), ("safe", 404)):
        assert ask(server, "GET", f"pictures/anna/{pair_id}/{side}")[0] == status


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"{}", {}, 400, "the request has ; expected reviewer"),
        (b'{"reviewer": 1}', {}, 400, "the request has a reviewer that is no str"),
        (b'{"reviewer": "a", "b": 1}', {}, 400, "the request has reviewer, b; expected reviewer"),
        (b"\xff", {}, 400, "the request is not UTF-8"),
        (b"[]", {}, 400, "expected a JSON object"),
        (b'{"reviewer": "../x"}', {}, 400, "is no name of a reviewer"),
        (b"reviewer=anna", {"Content_Type": "application/x-www-form-urlencoded"}, 415, "Decisions are JSON."),
        (b"x" * (BODY + 1), {}, 413, "A decision has a length, of at most 65,536 bytes."),
    ],
)
def test_a_body_of_no_use_is_one_clear_line(
    server: ReviewServer, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    found, text, _ = ask(server, "POST", "api/open", body, **headers)
    assert found == status
    assert said in text


def test_other_methods_are_refused(server: ReviewServer) -> None:
    assert ask(server, "PUT", "api/open", OPEN)[0] == 405
    assert ask(server, "GET", "api/open")[0] == 405


def test_answers_are_kept_out_of_caches_frames_and_other_pages(server: ReviewServer) -> None:
    for path in ("", "page.js", "settings.json", "../nothing"):
        _, _, headers = ask(server, "GET", path)
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "frame-ancestors 'none'" in policy and "unsafe" not in policy and "http" not in policy


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of the name review.example, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=review.example", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", *words, *names, "-out", str(cert), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def test_with_tls_the_page_is_https(small_run: Path, tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    with serve_review(str(small_run), out=str(tmp_path), tls=certificate) as running:
        address = urlsplit(running.address)
        assert address.scheme == "https"
        context = ssl.create_default_context(cafile=str(certificate[0]))
        connection = HTTPSConnection("127.0.0.1", address.port or 0, context=context)
        headers = {"Origin": f"https://{address.netloc}", "Content-Type": "application/json"}
        connection.request("POST", f"{address.path}api/open", json.dumps(OPEN), headers)
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "192.0.2.1"}, "--host 192.0.2.1 can be reached by others, .* give --tls CERT KEY"),
        ({"host": "0.0.0.0", "tls": True}, "--host '0.0.0.0': name the one address or name"),
        ({"host": "192.0.2.1", "tls": True}, "port 0: Cannot assign requested address"),
        ({"tls": False}, "--tls .* expected a certificate and its key"),
        ({"reviewer": "a/b"}, "'a/b' is no name of a reviewer"),
        ({"reviewers": 0}, "0 reviewers: expected 1 or more"),
        ({"limit": 0}, "a limit of 0 pairs: expected 1 or more"),
        ({"order": "doubtfull"}, "no order 'doubtfull'; expected doubtful or random; did you mean 'doubtful'"),
    ],
)
def test_an_argument_of_no_use_is_one_clear_line(
    small_run: Path, tmp_path: Path, certificate: tuple[Path, Path], given: dict[str, Any], said: str
) -> None:
    if "tls" in given:
        given = given | {"tls": certificate if given["tls"] else (small_run / "recipe.json", certificate[1])}
    with pytest.raises(SafetyPairsError, match=said), serve_review(str(small_run), out=str(tmp_path), **given):
        pass
