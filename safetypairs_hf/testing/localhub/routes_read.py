"""Routes that read a repo: its description, refs, history, tree, and the files themselves."""

from __future__ import annotations

import re
from email.utils import quote as quoted
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote

import pygit2
from starlette.responses import FileResponse, JSONResponse, Response

from safetypairs_hf.testing.localhub import describe, history
from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.pages import page
from safetypairs_hf.testing.localhub.refusals import Refusal, no_entry
from safetypairs_hf.testing.localhub.repos import Repo
from safetypairs_hf.testing.localhub.routes_repos import API
from safetypairs_hf.testing.localhub.xetstore import XetFiles


def _truthy(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


def info(call: Call) -> Response:
    repo = call.repo()
    commit = history.resolve(repo.git, call.parts.get("revision", "main"))
    return JSONResponse(describe.repo_info(repo, commit, sizes=_truthy(call.query.get("blobs"))))


def refs(call: Call) -> Response:
    found = history.refs(call.repo().git)
    if "include_prs" not in call.query:
        del found["pullRequests"]
    return JSONResponse(found)


def commits(call: Call) -> Response:
    repo = call.repo()
    found = list(history.log(repo.git, history.resolve(repo.git, call.parts["revision"])))
    return page(call, found, size=50, show=describe.commit_info)


def tree(call: Call) -> Response:
    """A folder, 1,000 entries a page (50 with the last commit of each, which costs a walk through the history)."""
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


def paths_info(call: Call) -> Response:
    """What is known of the paths in the form; one that does not exist is left out, as on the Hub."""
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
    return JSONResponse(found)


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def resolve(call: Call) -> Response:
    """A file's bytes. A large file is answered directly: after a redirect the client would lose X-Repo-Commit."""
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
        route = f"{call.hub.endpoint}/api/{repo.name.type}s/{repo.name.id}/xet-read-token/{commit.id}"
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
    """The whole, or the one range that was asked for."""
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


FILE = "{namespace}/{name}/resolve/{revision}/{path:path}"
ROUTES = [
    ("GET", API, info),
    ("GET", f"{API}/revision/{{revision}}", info),
    ("GET", f"{API}/refs", refs),
    ("GET", f"{API}/commits/{{revision}}", commits),
    ("GET", f"{API}/tree/{{revision}}", tree),
    ("GET", f"{API}/tree/{{revision}}/{{path:path}}", tree),
    ("POST", f"{API}/paths-info/{{revision}}", paths_info),
    ("GET", f"/{{kind}}/{FILE}", resolve),
    ("GET", f"/{FILE}", resolve),
]
