"""Detect tags that point to another commit than this machine saw before."""

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
    """Return a sentence if a tag was moved since this machine first saw it; "" if not, or if a takedown moved it.

    A takedown that rewrites history puts versions, without the removed pairs, on new commits. It is recognised by the
    list of takedowns on main, and by a manifest with the same files.
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
    except FileNotFoundError:  # `load` reports it
        return ""


def _has_takedowns(repo: str, api: HfApi) -> bool:
    try:
        return takedowns.lists_any(fetch(repo, takedowns.NAME, "main", api))
    except FileNotFoundError:
        return False
