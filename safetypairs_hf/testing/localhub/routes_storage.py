"""Routes for the large files that a repo stores: list them, and remove them permanently."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.responses import Response

from safetypairs_hf.testing.localhub import erasure, lfs
from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.pages import page
from safetypairs_hf.testing.localhub.refusals import reading
from safetypairs_hf.testing.localhub.routing import API, Routes
from safetypairs_hf.testing.localhub.xetstore import XetFiles

route = Routes()


@route("GET", f"{API}/lfs-files")
def listing(call: Call) -> Response:
    """List every large file that the repo stores, 1,000 per page. A file's id is its sha256.

    A file that no commit has is listed by its id instead of a path, and without a ref.
    """
    repo = call.repo(write=True)
    places = erasure.places(repo.git)
    return page(call, sorted(repo.folder.glob("lfs/*/*")), size=1000, show=lambda path: _describe(path, places))


def _describe(path: Path, places: dict[str, tuple[str, str]]) -> dict[str, Any]:
    status, oid = path.stat(), path.name
    name, ref = places.get(oid, (oid, None))
    pushed = datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    where = {"filename": name, "ref": ref} if ref else {"filename": name}
    return {"fileOid": oid, "oid": oid, "pushedAt": pushed, "size": status.st_size, **where}


@route("POST", f"{API}/lfs-files/batch")
def remove(call: Call) -> dict[str, Any]:
    """Remove large files permanently. With `rewriteHistory`, their pointers are removed from all commits too."""
    with reading("deletions"):
        wanted = call.json["deletions"]
        oids = [lfs.checked_oid(oid) for oid in wanted["sha"]]
    with call.changing() as repo:
        if wanted.get("rewriteHistory"):
            erasure.erase(repo.git, set(oids))
        for oid in oids:
            call.large_files(repo).path(oid).unlink(missing_ok=True)
            XetFiles(repo.folder / "xet").remove(oid)
    return {}
