"""Open a published dataset by its name, or one version of it."""

from __future__ import annotations

from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.base import Edition, Published
from safetypairs_hf.dataset.store.hub_store import HubStore
from safetypairs_hf.dataset.store.local_store import LocalStore
from safetypairs_hf.publishing.local_target import LocalTarget
from safetypairs_hf.publishing.open_target import parse_target


def open_published(target: str) -> Published:
    """The dataset that TARGET names: `org/name` on the Hub, or a local folder. Raises PublishError: it is neither."""
    parsed = parse_target(target)
    return LocalStore(target, parsed.path) if isinstance(parsed, LocalTarget) else HubStore(target)


def open_named(text: str) -> Edition:
    """`TARGET@X.Y.Z`, or `TARGET` for its newest version; see `Published.open` for what it raises."""
    target, at, version = text.rpartition("@")
    if at and "/" not in version:
        return open_published(target).open(parse(version))
    return open_published(text).open(None)
