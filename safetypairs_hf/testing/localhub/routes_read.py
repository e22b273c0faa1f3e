"""Routes that read a repo: its description, refs, history, tree and files."""

from __future__ import annotations

import re
from email.utils import quote as quoted
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote

import pygit2
from starlette.responses import FileResponse, Response

from safetypairs_hf.testing.localhub import describe, history
from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.pages import page
from safetypairs_hf.testing.localhub.refusals import Refusal, no_entry
from safetypairs_hf.testing.localhub.repos import Repo
from safetypairs_hf.testing.localhub.routing import API, REPO, Routes
from safetypairs_hf.testing.localhub.xetstore import XetFiles

route = Routes()


def _truthy(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


@route("GET", API, f"{API}/revision/{{revision}}")
def info(call: Call) -> dict[str, Any]:
    repo = call.repo()
    commit = history.resolve(repo.git, call.parts.get("revision", "main"))
    return describe.repo_info(repo, commit, sizes=_truthy(call.query.get("blobs")))


@route("GET", f"{API}/refs")
def refs(call: Call) -> dict[str, Any]:
    found = history.refs(call.repo().git)
    if "include_prs" not in call.query:
        del found["pullRequests"]
    return found


@route("GET", f"{API}/commits/{{revision}}")
def commits(call: Call) -> Response:
    repo, formatted = call.repo(), "formatted" in call.query.getlist("expand[]")
    found = list(history.log(repo.git, history.resolve(repo.git, call.parts["revision"])))
    return page(call, found, size=50, show=lambda commit: describe.commit_info(commit, formatted))


@route("GET", f"{API}/tree/{{revision}}", f"{API}/tree/{{revision}}/{{path:path}}")
def tree(call: Call) -> Response:
    """List a folder: 1,000 entries per page, or 50 with their last commits, which take a walk over the history each."""
    repo = call.repo()
    commit = history.resolve(repo.git, call.parts["revision"])
    path = call.parts.get("path", "").strip("/")
    folder = history.entry(commit, path)
    if not isinstance(folder, pygit2.Tree):
        raise no_entry(f"{path}/", str(commit.id))
    found = list(history.walk(folder, f"{path}/" if path else "", _truthy(call.query.get("recursive"))))
    expand = _truthy(call.query.get("expand"))
    return page(call, found, size=50 if expand else 1000, show=lambda item: _info(repo, commit, expand, *item))


def _info(repo: Repo, commit: pygit2.Commit, expand: bool, path: str, item: pygit2.Object) -> dict[str, Any]:
    found = describe.file_info(repo, path, item)
    return describe.with_last_commit(repo, commit, found) if expand else found


@route("POST", f"{API}/paths-info/{{revision}}")
def paths_info(call: Call) -> list[dict[str, Any]]:
    """Describe the paths that the form names. As on the Hub, the answer omits paths that do not exist."""
    repo = call.repo()
    commit = history.resolve(repo.git, call.parts["revision"])
    if "json" in call.request.headers.get("content-type", ""):
        form: dict[str, Any] = call.json
    else:
        form = parse_qs(call.body.decode("utf-8", "replace"))
    found = []
    for path in form.get("paths", []):
        try:
            item = history.entry(commit, path.strip("/"))
        except Refusal:
            continue
        found.append(_info(repo, commit, _truthy(_one(form.get("expand"))), path.strip("/"), item))
    return found


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


@route("GET", *(f"{repo}/resolve/{{revision}}/{{path:path}}" for repo in REPO))
def resolve(call: Call) -> Response:
    """Send a file. A large file is sent without a redirect, after which the client would lose X-Repo-Commit."""
    repo = call.repo(content=True)
    commit = history.resolve(repo.git, call.parts["revision"])
    item = history.entry(commit, call.parts["path"])
    if not isinstance(item, pygit2.Blob):
        raise no_entry(call.parts["path"], str(commit.id))
    headers = {
        "X-Repo-Commit": str(commit.id),
        "Accept-Ranges": "bytes",
        "Content-Disposition": _disposition(call.parts["path"]),
        "Access-Control-Expose-Headers": "X-Repo-Commit, X-Linked-Size, X-Linked-ETag, ETag",
        "ETag": f'"{item.id}"',
    }
    pointer = describe.pointer_of(item)
    if pointer is None:
        return _bytes(call, item.data, headers)
    headers |= {"ETag": f'"{pointer.oid}"', "X-Linked-ETag": f'"{pointer.oid}"', "X-Linked-Size": str(pointer.size)}
    if xet_hash := XetFiles(repo.folder / "xet").by_sha256(pointer.oid):
        route = f"{call.endpoint}/api/{repo.name.type}s/{repo.name.id}/xet-read-token/{commit.id}"
        headers |= {"X-Xet-Hash": xet_hash, "X-Xet-Refresh-Route": route, "Link": f'<{route}>; rel="xet-auth"'}
    path = call.large_files(repo).path(pointer.oid)
    if not path.exists():
        raise no_entry(call.parts["path"], str(commit.id))
    return FileResponse(path, headers=headers, media_type="application/octet-stream")


def _disposition(path: str) -> str:
    name = PurePosixPath(path).name
    plain = name.encode("ascii", "replace").decode()
    return f"inline; filename*=UTF-8''{quote(name, safe='')}; filename=\"{quoted(plain)}\";"


def _bytes(call: Call, data: bytes, headers: dict[str, str]) -> Response:
    """Send the whole file, or the byte range that the request names."""
    headers["Content-Type"] = "text/plain; charset=utf-8"
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", call.request.headers.get("range", ""))
    if not match or match[0] == "bytes=-":
        return Response(data, headers=headers)
    if match[1]:
        start, stop = int(match[1]), min(int(match[2] or len(data)) + 1, len(data))
    else:
        start, stop = max(len(data) - int(match[2]), 0), len(data)
    if start >= stop:
        raise Refusal(416, "The range lies outside the file", headers={"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return Response(data[start:stop], 206, headers=headers)
