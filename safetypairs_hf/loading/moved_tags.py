"""Tags that name another commit than this machine has seen them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetypairs_hf.core import remembered
from safetypairs_hf.core.hub import fetch
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.dataset import manifest, takedowns

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_KIND = "tags"


def tag_moved(repo: str, tag: str, commit: str, api: HfApi) -> str:
    """Say in words that a tag was moved since this machine first saw it; "" where it was not, or by a takedown.

    A takedown that rewrites history puts the versions without the pairs on new commits with the same files. The list of
    takedowns on main tells of it, and the same manifest of the same files.
    """
    place = f"{api.endpoint}/datasets/{repo}"
    seen = remembered.recall(_KIND, place).get(tag)
    if seen and seen[0] == commit:
        return ""
    digest = _manifest_digest(repo, commit, api)
    if seen and not (seen[1] == digest and _has_takedowns(repo, api)):
        return f"{repo} {tag} was on commit {seen[0][:8]} when this machine saw it, and is on {commit[:8]} now"
    remembered.remember(_KIND, place, {tag: [commit, digest]})
    return ""


def _manifest_digest(repo: str, commit: str, api: HfApi) -> str:
    try:
        return sha256(fetch(repo, manifest.NAME, commit, api).read_bytes())
    except FileNotFoundError:  # `load` says what that means
        return ""


def _has_takedowns(repo: str, api: HfApi) -> bool:
    try:
        return takedowns.lists_any(fetch(repo, takedowns.NAME, "main", api))
    except FileNotFoundError:
        return False
