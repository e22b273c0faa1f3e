"""Serve `git clone` and `git fetch` over HTTP with git's own upload-pack. There is no push; repos change by the API."""

from __future__ import annotations

import gzip
import os
import subprocess

from starlette.responses import Response

from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.repos import Repo
from safetypairs_hf.testing.localhub.routing import REPO, Routes

route = Routes()


def _repo(call: Call) -> Repo:
    """Return the repo, if the caller may read its files. A refusal asks anonymous callers to log in, as git expects."""
    try:
        return call.repo(content=True)
    except Refusal as refusal:
        if call.user is None:
            refusal.headers["WWW-Authenticate"] = 'Basic realm="local hub: user name and token"'
        raise


@route("GET", *(f"{repo}/info/refs" for repo in REPO))
def advertise(call: Call) -> Response:
    service = call.query.get("service")
    repo = _repo(call)
    if service != "git-upload-pack":
        raise Refusal(403, "This hub takes no git push; use huggingface_hub (upload_folder, create_commit)")
    head = b"# service=git-upload-pack\n"
    body = b"%04x%s0000" % (len(head) + 4, head)
    return _answer(body + _upload_pack(call, repo, b"", "--advertise-refs"), "advertisement")


@route("POST", *(f"{repo}/git-upload-pack" for repo in REPO))
def upload_pack(call: Call) -> Response:
    request = gzip.decompress(call.body) if call.request.headers.get("content-encoding") == "gzip" else call.body
    return _answer(_upload_pack(call, _repo(call), request), "result")


def _upload_pack(call: Call, repo: Repo, request: bytes, *options: str) -> bytes:
    protocol = call.request.headers.get("git-protocol", "")
    command = ["git", "-c", "safe.directory=*", "upload-pack", "--stateless-rpc", *options, str(repo.folder / "git")]
    try:
        # The exit status is ignored: upload-pack also exits 128 when a client that only listed the refs hangs up.
        done = subprocess.run(command, input=request, capture_output=True, env={**os.environ, "GIT_PROTOCOL": protocol})
    except FileNotFoundError:
        raise Refusal(501, "git is not installed where this hub runs; use huggingface_hub instead") from None
    return done.stdout


def _answer(body: bytes, kind: str) -> Response:
    media_type = f"application/x-git-upload-pack-{kind}"
    return Response(body, media_type=media_type, headers={"Cache-Control": "no-cache"})
