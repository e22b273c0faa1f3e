"""`git clone` and `git fetch` over http: git's own upload-pack does the work. Changes go through the API only."""

from __future__ import annotations

import gzip
import os
import subprocess

from starlette.responses import Response

from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.repos import Repo


def _repo(call: Call) -> Repo:
    """The repo, if the caller may read its files; without a name the answer is a question for one, as git expects."""
    try:
        return call.repo(content=True)
    except Refusal as refusal:
        if call.user is None:
            refusal.headers["WWW-Authenticate"] = 'Basic realm="local hub: user name and token"'
        raise


def advertise(call: Call) -> Response:
    service = call.query.get("service")
    repo = _repo(call)
    if service != "git-upload-pack":
        raise Refusal(403, "This hub takes no git push; use huggingface_hub (upload_folder, create_commit)")
    head = b"# service=git-upload-pack\n"
    body = b"%04x%s0000" % (len(head) + 4, head)
    return _answer(body + _upload_pack(call, repo, b"", "--advertise-refs"), "advertisement")


def upload_pack(call: Call) -> Response:
    request = gzip.decompress(call.body) if call.request.headers.get("content-encoding") == "gzip" else call.body
    return _answer(_upload_pack(call, _repo(call), request), "result")


def _upload_pack(call: Call, repo: Repo, request: bytes, *options: str) -> bytes:
    protocol = call.request.headers.get("git-protocol", "")
    command = ["git", "-c", "safe.directory=*", "upload-pack", "--stateless-rpc", *options, str(repo.folder / "git")]
    try:
        # 128 is also how upload-pack ends when a client that only asked hangs up: what it wrote is the answer.
        done = subprocess.run(command, input=request, capture_output=True, env={**os.environ, "GIT_PROTOCOL": protocol})
    except FileNotFoundError:
        raise Refusal(501, "git is not installed where this hub runs; use huggingface_hub instead") from None
    return done.stdout


def _answer(body: bytes, kind: str) -> Response:
    media_type = f"application/x-git-upload-pack-{kind}"
    return Response(body, media_type=media_type, headers={"Cache-Control": "no-cache"})


ROUTES = [
    ("GET", "/{kind}/{namespace}/{name}/info/refs", advertise),
    ("GET", "/{namespace}/{name}/info/refs", advertise),
    ("POST", "/{kind}/{namespace}/{name}/git-upload-pack", upload_pack),
    ("POST", "/{namespace}/{name}/git-upload-pack", upload_pack),
]
