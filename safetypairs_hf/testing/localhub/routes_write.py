"""Routes that change a repo's content and refs: preupload, commit, branches, tags, squash, copies of large files."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import pygit2

from safetypairs_hf.testing.localhub import cards, describe, history, lfs, pulls
from safetypairs_hf.testing.localhub.hub import Call
from safetypairs_hf.testing.localhub.refusals import Refusal, reading
from safetypairs_hf.testing.localhub.repos import Repo, checked_name, signature
from safetypairs_hf.testing.localhub.routing import API, Routes
from safetypairs_hf.testing.localhub.xetstore import XetFiles

route = Routes()


def _for_commit(call: Call) -> tuple[Repo, str]:
    """Return the repo and the full ref, if the caller may commit to it or open a pull request on it."""
    repo = call.repo(content=True)
    ref = history.branch_ref(repo.git, call.parts["revision"])
    if not call.query.get("create_pr") and not pulls.is_own(repo, ref, call.user):
        repo = call.repo(write=True)
    call.signed_in()  # refuses anonymous callers
    return repo, ref


@route("POST", f"{API}/preupload/{{revision}}")
def preupload(call: Call) -> dict[str, Any]:
    """Return how to send each file, whether .gitignore excludes it, and the id of its present content."""
    repo, ref = _for_commit(call)
    commit = history.resolve(repo.git, ref)
    rules = lfs.parse_attributes(_text(commit, ".gitattributes"))
    ignore = str(call.json.get("gitIgnore") or _text(commit, ".gitignore").decode("utf-8", "replace"))
    with reading("list of files"):
        files = call.json["files"]
        ignored = _ignored([history.checked_path(file["path"]) for file in files], ignore)
        return {"files": [_plan(commit, file, rules, file["path"] in ignored) for file in files]}


def _plan(commit: pygit2.Commit, file: dict[str, Any], rules: lfs.Rules, ignored: bool) -> dict[str, Any]:
    path = file["path"]
    mode = lfs.upload_mode(path, int(file["size"]), base64.b64decode(file.get("sample", "")), rules)
    plan = {"path": path, "uploadMode": mode, "shouldIgnore": ignored}
    try:
        item = history.entry(commit, path)
    except Refusal:
        return plan
    if isinstance(item, pygit2.Blob):
        pointer = describe.pointer_of(item)
        plan["oid"] = pointer.oid if pointer else str(item.id)
    return plan


def _text(commit: pygit2.Commit, path: str) -> bytes:
    try:
        item = commit.tree[path]
    except KeyError:
        return b""
    return item.data if isinstance(item, pygit2.Blob) else b""


def _ignored(paths: list[str], rules: str) -> set[str]:
    """Return the paths that .gitignore rules exclude, as git itself reads them."""
    if not rules.strip():
        return set()
    with tempfile.TemporaryDirectory() as folder:
        git = pygit2.init_repository(folder)
        (Path(folder) / ".gitignore").write_text(rules, encoding="utf-8")
        return {path for path in paths if git.path_is_ignored(path)}


@route("POST", f"{API}/commit/{{revision}}")
def commit(call: Call) -> dict[str, Any]:
    """Make one commit from lines of JSON. The ref moves last, so that clients never see a partial commit.

    Raises Refusal (412) if the header's parentCommit is not the head of the branch.
    """
    with call.hub.repos.lock(call.name):
        repo, ref = _for_commit(call)
        head = history.resolve(repo.git, ref)
        header, changes = _read_lines(call, repo)
        expected = header.get("parentCommit")
        if expected and expected != str(head.id):
            raise Refusal(412, "The branch was updated since you opened this page. Please refresh and try again.")
        index = history.changed_tree(repo.git, head, changes)
        _mark_large(repo.git, index, changes)
        tree = index.write_tree(repo.git)
        if cards.CARD in changes.files:
            cards.check(repo.git[tree], repo.name.type)
        title, text = header.get("summary", ""), header.get("description", "")
        answer: dict[str, Any] = {"success": True, "hookOutput": ""}
        as_pull = bool(call.query.get("create_pr"))
        if as_pull:
            number = pulls.open_pull(repo, call.signed_in(), title, text, ref)
            ref, answer["pullRequestUrl"] = f"refs/pr/{number}", f"{_page(call, repo)}/discussions/{number}"
        oid = str(head.id)
        if tree != head.tree.id or as_pull:
            message = "\n\n".join(part for part in (title, text) if part)
            oid = history.commit_tree(repo.git, ref, [head], tree, call.signed_in(), message)
    return {**answer, "commitOid": oid, "commitUrl": f"{_page(call, repo)}/commit/{oid}"}


def _page(call: Call, repo: Repo) -> str:
    return f"{call.endpoint}/{repo.name.url_path}"


def _read_lines(call: Call, repo: Repo) -> tuple[dict[str, str], history.Changes]:
    """Read the header and the changes of a commit, and write its blobs."""
    header: dict[str, str] = {}
    changes = history.Changes()
    with reading("commit"):
        lines = [json.loads(line) for line in call.body.splitlines() if line.strip()]
        for key, value in ((line["key"], line["value"]) for line in lines):
            if key == "header":
                header = {name: str(text) for name, text in value.items()}
            elif key == "file":
                binary = value.get("encoding") == "base64"
                data = base64.b64decode(value["content"], validate=True) if binary else value["content"].encode()
                changes.files[history.checked_path(value["path"])] = repo.git.create_blob(data)
            elif key == "lfsFile":
                pointer = _stored(call, repo, value)
                changes.files[history.checked_path(value["path"])] = repo.git.create_blob(pointer.encode())
            elif key == "deletedFile":
                changes.deleted.append(value["path"])
            elif key == "deletedFolder":
                changes.folders.append(value["path"].rstrip("/"))
            else:
                raise Refusal(400, f"Unknown operation {key!r} in the commit")
    return header, changes


def _stored(call: Call, repo: Repo, value: dict[str, Any]) -> lfs.Pointer:
    size = call.large_files(repo).size(value["oid"])
    if size is None:
        raise Refusal(400, f"The large file {value['path']} ({value['oid'][:12]}) was not uploaded to this repo")
    return lfs.Pointer(value["oid"], size)


def _mark_large(git: pygit2.Repository, index: pygit2.Index, changes: history.Changes) -> None:
    """Add large files that no pattern of .gitattributes matches to that file, so that `git lfs` works in a clone."""
    found = git[index[".gitattributes"].id] if ".gitattributes" in index else None
    attributes = found.data if isinstance(found, pygit2.Blob) else b""
    rules = lfs.parse_attributes(attributes)
    added = [
        f"{path.replace(' ', '[[:space:]]')}{lfs.RULE}"
        for path, blob in changes.files.items()
        if describe.pointer_of(git[blob]) and not lfs.is_large(path, rules)
    ]
    if added:
        text = attributes if attributes.endswith(b"\n") or not attributes else attributes + b"\n"
        blob = git.create_blob(text + "".join(added).encode())
        index.add(pygit2.IndexEntry(".gitattributes", blob, pygit2.enums.FileMode.BLOB))


@route("POST", f"{API}/branch/{{branch}}")
def create_branch(call: Call) -> dict[str, Any]:
    with call.changing() as repo:
        start = call.text("startingPoint", "main")
        target = history.resolve(repo.git, start).id
        history.create_ref(repo.git, f"refs/heads/{call.parts['branch']}", target)
    return {}


@route("DELETE", f"{API}/branch/{{branch}}")
def delete_branch(call: Call) -> dict[str, Any]:
    if call.parts["branch"] == "main":
        raise Refusal(403, "Cannot delete refs/heads/main: it is the default branch")
    with call.changing() as repo:
        _delete_ref(repo.git, f"refs/heads/{call.parts['branch']}")
    return {}


@route("POST", f"{API}/tag/{{revision}}")
def create_tag(call: Call) -> dict[str, Any]:
    """Tag the revision that the path names; the tag is annotated if the body has a message."""
    tag, message = call.text("tag"), call.text("message", "")
    with call.changing() as repo:
        target = history.resolve(repo.git, call.parts["revision"])
        history.create_ref(repo.git, f"refs/tags/{tag}", target.id)
        if message:
            who = signature(call.signed_in())
            repo.git.references.delete(f"refs/tags/{tag}")
            repo.git.create_tag(tag, target.id, pygit2.enums.ObjectType.COMMIT, who, message)
    return {}


@route("DELETE", f"{API}/tag/{{revision}}")
def delete_tag(call: Call) -> dict[str, Any]:
    with call.changing() as repo:
        _delete_ref(repo.git, f"refs/tags/{call.parts['revision']}")
    return {}


def _delete_ref(git: pygit2.Repository, name: str) -> None:
    history.resolve(git, name)
    git.references.delete(name)


@route("POST", f"{API}/super-squash/{{revision}}")
def squash(call: Call) -> dict[str, Any]:
    """Replace the whole history of a branch by one commit."""
    with call.changing() as repo:
        ref = history.branch_ref(repo.git, call.parts["revision"])
        tree = history.resolve(repo.git, ref).tree.id
        message = call.text("message", "Super-squash branch")
        history.commit_tree(repo.git, ref, [], tree, call.signed_in(), message)
    return {}


@route("POST", f"{API}/lfs-files/duplicate")
def duplicate_files(call: Call) -> dict[str, Any]:
    """Copy large files of this repo to another one. Files that this repo lacks are listed as failed in the answer."""
    source = call.repo(content=True)
    with reading("target"):
        wanted = call.json["target"]
        namespace, _, name = wanted["name"].partition("/")
    target = call.hub.repos.open(checked_name(wanted["type"], namespace, name), call.user, write=True)
    failed = []
    with reading("list of files"):
        oids = [lfs.checked_oid(file["sha256"]) for file in call.json["files"]]
    for oid in oids:
        if call.large_files(source).size(oid) is None:
            failed.append({"sha256": oid, "error": "not in the source repo"})
            continue
        call.large_files(target).link(call.large_files(source), oid)
        xet_hash = XetFiles(source.folder / "xet").by_sha256(oid)
        if xet_hash and (xet_file := XetFiles(source.folder / "xet").get(xet_hash)):
            XetFiles(target.folder / "xet").add(xet_file)
    return {"success": not failed, "failed": failed}
