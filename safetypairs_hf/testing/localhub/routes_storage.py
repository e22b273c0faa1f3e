"""Routes on the large files that a repo stores: list them, and remove them permanently."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from safetypairs_hf.testing.localhub import lfs
from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.refusals import Refusal, reading
from safetypairs_hf.testing.localhub.routing import API, Routes
from safetypairs_hf.testing.localhub.xetstore import XetFiles

route = Routes()


@route("GET", f"{API}/lfs-files")
def listing(call: Call) -> list[dict[str, Any]]:
    """List every large file that the repo stores, whether or not a commit names it. A file's id is its sha256."""
    files = []
    for path in sorted(call.repo(write=True).folder.glob("lfs/*/*")):
        status = path.stat()
        pushed = datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        entry = {"fileOid": path.name, "oid": path.name, "filename": path.name, "pushedAt": pushed}
        files.append({**entry, "size": status.st_size})
    return files


@route("POST", f"{API}/lfs-files/batch")
def remove(call: Call) -> dict[str, Any]:
    """Remove large files permanently. History is not rewritten: pointers to them stay in the commits."""
    with reading("deletions"):
        wanted = call.json["deletions"]
        oids = [lfs.checked_oid(oid) for oid in wanted["sha"]]
    if wanted.get("rewriteHistory"):
        raise Refusal(501, "This hub rewrites no history; send rewriteHistory: false")
    with call.changing() as repo:
        for oid in oids:
            call.large_files(repo).path(oid).unlink(missing_ok=True)
            XetFiles(repo.folder / "xet").remove(oid)
    return {}
