"""Routes of git LFS: the batch call, upload in one piece or in parts, verify, download."""

from __future__ import annotations

import re
from math import ceil
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, JSONResponse, Response

from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.lfs import LargeFiles, checked_oid
from safetypairs_hf.testing.localhub.refusals import Refusal, reading
from safetypairs_hf.testing.localhub.repos import Repo
from safetypairs_hf.testing.localhub.routing import REPO, Routes

PART = 8 << 20  # bytes; clients that support it upload larger files in parts of this size
PIECE = 1 << 20  # bytes read at a time
OBJECT = "/lfs/{action}/{type}/{namespace}/{name}/{oid}/{part}"

route = Routes()


@route("POST", *(f"{repo}/info/lfs/objects/batch" for repo in REPO))
def batch(call: Call) -> Response:
    """Return where to send or fetch each object; a client that can upload by Xet is told to.

    Signed-in users with read access may upload, because they may open pull requests.
    """
    data, operation = call.json, call.json.get("operation")
    repo = call.repo(content=True)
    if operation == "upload":
        call.signed_in()  # refuses anonymous callers
    elif operation != "download":
        raise Refusal(400, f"Invalid operation {operation!r}: expected upload or download")
    with reading("batch"):
        transfers = set(data.get("transfers", []))
        wanted = [(checked_oid(item["oid"]), int(item["size"])) for item in data["objects"]]
    # Newer clients do not ask: where they can use Xet, they do.
    by_xet, parts = operation == "upload" and "xet" in transfers, "multipart" in transfers
    files, objects, asked = call.large_files(repo), [], set()
    for oid, size in wanted:
        answer: dict[str, Any] = {"oid": oid, "size": size}
        if operation == "download":
            if files.size(oid) is None:
                answer["error"] = {"code": 404, "message": "Object does not exist"}
            else:
                answer["actions"] = {"download": {"href": _link(call, repo, "download", oid)}}
        elif not by_xet and files.size(oid) is None and oid not in asked:
            # Equal files of one commit share an object. With two addresses, the client would upload it twice at the
            # same time from one file handle.
            asked.add(oid)
            answer["actions"] = _upload(call, repo, oid, size, parts)
        objects.append(answer)
    transfer = "xet" if by_xet else "multipart" if parts else "basic"
    body = {"transfer": transfer, "objects": objects, "hash_algo": "sha256"}
    return JSONResponse(body, media_type="application/vnd.git-lfs+json")


def _upload(call: Call, repo: Repo, oid: str, size: int, parts: bool) -> dict[str, Any]:
    verify = {"href": f"{call.endpoint}/{repo.name.url_path}.git/info/lfs/verify"}
    if authorization := call.request.headers.get("authorization"):
        verify["header"] = {"Authorization": authorization}  # type: ignore[assignment]
    if not parts or size <= PART:
        return {"upload": {"href": _link(call, repo, "upload", oid)}, "verify": verify}
    header = {"chunk_size": str(PART)}
    for number in range(1, ceil(size / PART) + 1):
        header[str(number)] = _link(call, repo, "upload", oid, number)
    return {"upload": {"href": _link(call, repo, "complete", oid), "header": header}, "verify": verify}


def _link(call: Call, repo: Repo, action: str, oid: str, part: int = 0) -> str:
    """Return a signed link to /lfs/ACTION/REPO/OID/PART. As with S3, a client sends the bytes without its token."""
    what = f"/lfs/{action}/{repo.name.type}/{repo.name.id}/{oid}/{part}"
    return f"{call.endpoint}{what}?token={call.hub.sign(what)}"


def signed_files(call: Call) -> tuple[LargeFiles, str, Path]:
    """Check a signed link.

    Returns:
        The store that it names, the object's id, and the path of a draft to which a part's number is appended.
    """
    what = OBJECT.format(**call.parts)
    call.hub.verify(what, call.query.get("token", ""))
    parts = call.parts
    repo_folder = call.hub.root / "repos" / f"{parts['type']}s" / parts["namespace"] / parts["name"]
    if not repo_folder.exists():
        raise Refusal(404, "The repo is gone", "RepoNotFound")
    owner = re.sub(r"\W", "_", f"{parts['type']}-{parts['namespace']}-{parts['name']}")
    return LargeFiles(repo_folder / "lfs"), parts["oid"], call.hub.repos.scratch / f"{owner}-{parts['oid']}"


@route("PUT", OBJECT)
async def upload(call: Call) -> Response:
    """Store an object, or one part of it, while its bytes arrive. A large file is never held in memory."""
    files, oid, draft = signed_files(call)
    part = int(call.parts["part"])
    if part == 0:
        with files.intake(oid, call.hub.repos.scratch) as take:
            async for piece in call.request.stream():
                take(piece)
        return Response(headers={"ETag": f'"{oid}"'})
    with Path(f"{draft}.{part}").open("wb") as file:
        async for piece in call.request.stream():
            file.write(piece)
    return Response(headers={"ETag": f'"{oid}-{part}"'})


@route("POST", OBJECT)
def complete(call: Call) -> dict[str, Any]:
    """Join the parts of an object. Raises Refusal (400) if a part is missing, or the sha256 is not the object's."""
    files, oid, draft = signed_files(call)
    with reading("list of parts"):
        numbers = sorted(int(part["partNumber"]) for part in call.json["parts"])
    paths = [Path(f"{draft}.{number}") for number in numbers]
    if missing := [path for path in paths if not path.exists()]:
        raise Refusal(400, f"Part {missing[0].suffix[1:]} was never uploaded")
    with files.intake(oid, call.hub.repos.scratch) as take:
        for path in paths:
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    take(piece)
    for path in paths:
        path.unlink()
    return {"success": True}


@route("POST", *(f"{repo}/info/lfs/verify" for repo in REPO))
def verify(call: Call) -> dict[str, Any]:
    oid, size = checked_oid(call.json.get("oid")), call.json.get("size")
    if call.large_files(call.repo(content=True)).size(oid) != size:
        raise Refusal(404, f"Object {oid[:12]} of {size} bytes is not here")
    return {}


@route("GET", OBJECT)
def download(call: Call) -> Response:
    files, oid, _ = signed_files(call)
    if files.size(oid) is None:
        raise Refusal(404, "Object does not exist")
    return FileResponse(files.path(oid), media_type="application/octet-stream")
