"""Routes on a repo's large files as a whole: the list of what is stored, and removal for good."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import JSONResponse, Response

from safetypairs_hf.testing.localhub import lfs
from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.refusals import Refusal, reading
from safetypairs_hf.testing.localhub.routes_repos import API
from safetypairs_hf.testing.localhub.xetstore import XetFiles


def listing(call: Call) -> Response:
    """Every large file that the repo stores, reached by a commit or not; its file id here is its sha256."""
    files = []
    for path in sorted(call.repo(write=True).folder.glob("lfs/*/*")):
        status = path.stat()
        pushed = datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        entry = {"fileOid": path.name, "oid": path.name, "filename": path.name, "pushedAt": pushed}
        files.append({**entry, "size": status.st_size})
    return JSONResponse(files)


def remove(call: Call) -> Response:
    """Remove large files for good. History is not rewritten: what names them in a commit then names nothing."""
    with reading("deletions"):
        wanted = call.json["deletions"]
        oids = [lfs.checked_oid(oid) for oid in wanted["sha"]]
    if wanted.get("rewriteHistory"):
        raise Refusal(501, "This hub rewrites no history; send rewriteHistory: false")
    with call.changing() as repo:
        for oid in oids:
            call.large_files(repo).path(oid).unlink(missing_ok=True)
            XetFiles(repo.folder / "xet").remove(oid)
    return JSONResponse({})


ROUTES = [
    ("GET", f"{API}/lfs-files", listing),
    ("POST", f"{API}/lfs-files/batch", remove),
]
