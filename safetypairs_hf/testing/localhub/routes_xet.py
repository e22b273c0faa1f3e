"""Xet: the tokens that a repo hands out, and the storage server that hf-xet then talks to.

A file that comes over Xet is also put together and stored by its sha256, so that clients without Xet read it too.
"""

from __future__ import annotations

import re
import time
from itertools import accumulate
from typing import Any

from starlette.responses import FileResponse, JSONResponse, Response

from safetypairs_hf.testing.localhub import pulls
from safetypairs_hf.testing.localhub.hub import LINK_SECONDS, Call
from safetypairs_hf.testing.localhub.lfs import LargeFiles
from safetypairs_hf.testing.localhub.refusals import Refusal, no_repo
from safetypairs_hf.testing.localhub.repos import Repo, RepoName
from safetypairs_hf.testing.localhub.routes_repos import API
from safetypairs_hf.testing.localhub.xetstore import (
    Term,
    XetFile,
    XetFiles,
    Xorbs,
    checked_hash,
    chunks_of,
    parse_shard,
)


def token(call: Call) -> Response:
    """A token for one repo, to read or to write. A reader may write what their own pull request needs."""
    action = call.parts["action"]
    repo = call.repo(content=True)
    if action == "write" and not pulls.is_own(repo, call.parts["revision"], call.user):
        repo = call.repo(write=not (call.query.get("create_pr") and call.signed_in()))
    what = f"{action} {repo.name.type} {repo.name.id}"
    access, until = f"{what} {call.hub.sign(what)}".replace(" ", "|"), int(time.time()) + LINK_SECONDS
    url = f"{call.hub.endpoint}/xet/{call.hub.id}"
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": access, "X-Xet-Token-Expiration": str(until)}
    return JSONResponse({"casUrl": url, "accessToken": access, "exp": until}, headers=headers)


def _repo(call: Call, action: str) -> Repo:
    """The repo that the caller's Xet token is for. Raises Refusal (401, 403)."""
    parts = call.request.headers.get("authorization", "").removeprefix("Bearer ").split("|")
    if len(parts) != 4:
        raise Refusal(401, "No Xet token")
    call.hub.verify(" ".join(parts[:3]), parts[3])
    if action == "write" and parts[0] != "write":
        raise Refusal(403, "The Xet token is one for reading")
    namespace, _, name = parts[2].partition("/")
    repo_name = RepoName(parts[1], namespace, name)
    try:
        return Repo(repo_name, call.hub.repos.folder(repo_name))
    except FileNotFoundError:
        raise no_repo(signed_in=True) from None


def _xorbs(call: Call) -> Xorbs:
    return Xorbs(call.hub.root / "xorbs")


def put_xorb(call: Call) -> Response:
    _repo(call, "write")
    new = _xorbs(call).add(call.parts["xorb"], call.body, call.hub.repos.scratch)
    return JSONResponse({"was_inserted": new})


def put_shard(call: Call) -> Response:
    """Makes the shard's files known to the repo, each one put together and checked against its sha256 first."""
    repo, xorbs = _repo(call, "write"), _xorbs(call)
    for file in parse_shard(call.body):
        large = LargeFiles(repo.folder / "lfs")
        if large.size(file.sha256) is None:
            with large.intake(file.sha256, call.hub.repos.scratch) as take:
                for piece in xorbs.content(file):
                    take(piece)
        XetFiles(repo.folder / "xet").add(file)
    return JSONResponse({"result": 1})


def reconstruction(call: Call) -> Response:
    """Which chunks make up a file, or the range of it that is asked for, and signed links to them."""
    file = XetFiles(_repo(call, "read").folder / "xet").get(call.parts["file"])
    if file is None:
        raise Refusal(404, "No such file")
    total = sum(term.size for term in file.terms)
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", call.request.headers.get("range", ""))
    start = int(match[1]) if match else 0
    stop = min(int(match[2]) + 1, total) if match and match[2] else total
    if start >= stop and total:
        raise Refusal(416, "The range lies outside the file", headers={"Content-Range": f"bytes */{total}"})
    offset, terms, fetch = _plan(call, file, start, stop)
    shown = [{"hash": t.xorb, "unpacked_length": t.size, "range": {"start": t.start, "end": t.end}} for t in terms]
    return JSONResponse({"offset_into_first_range": offset, "terms": shown, "fetch_info": fetch})


def _plan(call: Call, file: XetFile, start: int, stop: int) -> tuple[int, list[Term], dict[str, list[Any]]]:
    """The terms that cover bytes `start` to `stop` of a file, cut to whole chunks, and where to fetch them."""
    xorbs, at, offset = _xorbs(call), 0, 0
    terms: list[Term] = []
    fetch: dict[str, list[Any]] = {}
    for term in file.terms:
        if at < stop and at + term.size > start:
            chunks = chunks_of(xorbs.read(term.xorb))
            ends = list(accumulate((chunk.size for chunk in chunks[term.start : term.end]), initial=at))
            first = max(i for i, end in enumerate(ends[:-1]) if i == 0 or end <= start)
            last = min(i for i, end in enumerate(ends) if i > 0 and (end >= stop or i == len(ends) - 1))
            offset = offset if terms else start - ends[first]
            cut = Term(term.xorb, ends[last] - ends[first], term.start + first, term.start + last)
            terms.append(cut)
            tail = chunks[cut.end - 1]
            byte_range = {"start": chunks[cut.start].offset, "end": tail.offset + 8 + tail.packed - 1}
            url = f"{call.hub.endpoint}/xet/{call.hub.id}/data/{term.xorb}?token={call.hub.sign(term.xorb)}"
            part = {"range": {"start": cut.start, "end": cut.end}, "url": url, "url_range": byte_range}
            fetch.setdefault(term.xorb, []).append(part)
        at += term.size
    return offset, terms, fetch


def data(call: Call) -> Response:
    """The bytes of a xorb, by a signed link and, as hf-xet asks, by ranges."""
    xorb = checked_hash(call.parts["xorb"])
    call.hub.verify(xorb, call.query.get("token", ""))
    path = _xorbs(call).path(xorb)
    if not path.exists():
        raise Refusal(404, "No such xorb")
    return FileResponse(path, media_type="application/octet-stream")


ROUTES = [
    ("GET", f"{API}/xet-{{action}}-token/{{revision}}", token),
    ("POST", "/xet/{hub}/v1/xorbs/default/{xorb}", put_xorb),
    ("POST", "/xet/{hub}/v1/shards", put_shard),
    ("GET", "/xet/{hub}/v1/reconstructions/{file}", reconstruction),
    ("GET", "/xet/{hub}/data/{xorb}", data),
]
