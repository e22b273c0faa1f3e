"""Routes for Xet: a repo's tokens, and the storage server that hf-xet uses with them.

A file uploaded over Xet is also assembled and stored by its sha256, so that clients without Xet can read it.
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
from safetypairs_hf.testing.localhub.routing import API, Routes
from safetypairs_hf.testing.localhub.xetstore import (
    Chunk,
    Term,
    XetFile,
    XetFiles,
    Xorbs,
    checked_hash,
    chunks_of,
    parse_shard,
)

route = Routes()


@route("GET", f"{API}/xet-{{action}}-token/{{revision}}")
def token(call: Call) -> Response:
    """Give a token to read or write one repo. Users with read access may write to their own pull requests."""
    action = call.parts["action"]
    if action not in ("read", "write"):
        raise Refusal(404, "There are tokens to read and to write")
    repo = call.repo(content=True)
    if action == "write" and not pulls.is_own(repo, call.parts["revision"], call.user):
        repo = call.repo(write=not (call.query.get("create_pr") and call.signed_in()))
    what = f"{action} {repo.name.type} {repo.name.id}"
    access, until = f"{what} {call.hub.sign(what)}".replace(" ", "|"), int(time.time()) + LINK_SECONDS
    url = f"{call.endpoint}/xet/{call.hub.id}"
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": access, "X-Xet-Token-Expiration": str(until)}
    return JSONResponse({"casUrl": url, "accessToken": access, "exp": until}, headers=headers)


def _repo(call: Call, action: str) -> Repo:
    """Return the repo of the caller's Xet token. Raises Refusal: 401 for an invalid token, 403 for a read-only one."""
    permitted, type_, id_ = call.hub.xet_scope(call.request.headers.get("authorization"))
    if action == "write" and permitted != "write":
        raise Refusal(403, "The Xet token is one for reading")
    namespace, _, name = id_.partition("/")
    repo_name = RepoName(type_, namespace, name)
    try:
        return Repo(repo_name, call.hub.repos.folder(repo_name))
    except FileNotFoundError:
        raise no_repo(signed_in=True) from None


def _xorbs(call: Call) -> Xorbs:
    return Xorbs(call.hub.root / "xorbs")


@route("POST", "/xet/{hub}/v1/xorbs/default/{xorb}")
def put_xorb(call: Call) -> dict[str, Any]:
    _repo(call, "write")
    new = _xorbs(call).add(call.parts["xorb"], call.body, call.hub.repos.scratch)
    return {"was_inserted": new}


@route("POST", "/xet/{hub}/v1/shards")
def put_shard(call: Call) -> dict[str, Any]:
    """Add the files of a shard to the repo, after assembling each and checking its sha256."""
    repo, xorbs = _repo(call, "write"), _xorbs(call)
    for file in parse_shard(call.body):
        large = LargeFiles(repo.folder / "lfs")
        if large.size(file.sha256) is None:
            with large.intake(file.sha256, call.hub.repos.scratch) as take:
                for piece in xorbs.content(file):
                    take(piece)
        XetFiles(repo.folder / "xet").add(file)
    return {"result": 1}


@route("GET", "/xet/{hub}/v1/reconstructions/{file}")
def reconstruction(call: Call) -> dict[str, Any]:
    """List the chunks of a file, or of the requested range of it, with signed links to them."""
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
    return {"offset_into_first_range": offset, "terms": shown, "fetch_info": fetch}


def _plan(call: Call, file: XetFile, start: int, stop: int) -> tuple[int, list[Term], dict[str, list[Any]]]:
    """Find the chunks that cover bytes `start` to `stop` (exclusive) of a file.

    Returns:
        The offset of byte `start` in the first chunk, the terms cut to the chunks that are needed, and for each xorb
        the ranges to fetch, with signed links.
    """
    xorbs, at, offset = _xorbs(call), 0, 0
    terms: list[Term] = []
    known: dict[str, list[Chunk]] = {}
    for term in file.terms:
        if at < stop and at + term.size > start:
            chunks = known.get(term.xorb) or known.setdefault(term.xorb, chunks_of(xorbs.read(term.xorb)))
            ends = list(accumulate((chunk.size for chunk in chunks[term.start : term.end]), initial=at))
            first = max(i for i, end in enumerate(ends[:-1]) if i == 0 or end <= start)
            last = min(i for i, end in enumerate(ends) if i > 0 and (end >= stop or i == len(ends) - 1))
            offset = offset if terms else start - ends[first]
            terms.append(Term(term.xorb, ends[last] - ends[first], term.start + first, term.start + last))
        at += term.size
    return offset, terms, {xorb: _fetch(call, xorb, chunks, terms) for xorb, chunks in known.items()}


def _fetch(call: Call, xorb: str, chunks: list[Chunk], terms: list[Term]) -> list[dict[str, Any]]:
    """Return the ranges of a xorb to fetch for terms, with signed links.

    Ranges that overlap or touch are merged. hf-xet stores fetched ranges by their start, and fails if two ranges have
    the same start and different ends, as in a file that repeats itself.
    """
    merged: list[list[int]] = []
    for start, end in sorted((term.start, term.end) for term in terms if term.xorb == xorb):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    url = f"{call.endpoint}/xet/{call.hub.id}/data/{xorb}?token={call.hub.sign(xorb)}"
    parts = []
    for start, end in merged:
        tail = chunks[end - 1]
        span = {"start": chunks[start].offset, "end": tail.offset + 8 + tail.packed - 1}
        parts.append({"range": {"start": start, "end": end}, "url": url, "url_range": span})
    return parts


@route("GET", "/xet/{hub}/data/{xorb}")
def data(call: Call) -> Response:
    """Send a xorb, or the byte range that the request names, for a signed link."""
    xorb = checked_hash(call.parts["xorb"])
    call.hub.verify(xorb, call.query.get("token", ""))
    path = _xorbs(call).path(xorb)
    if not path.exists():
        raise Refusal(404, "No such xorb")
    return FileResponse(path, media_type="application/octet-stream")
