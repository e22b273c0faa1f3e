"""Open a published dataset or one version of it by name."""

from __future__ import annotations

from safetypairs_hf.core.target_name import TargetName, parse_place, parse_target_name
from safetypairs_hf.dataset.store.base import Edition, Published
from safetypairs_hf.dataset.store.embedded_store import EmbeddedStore
from safetypairs_hf.dataset.store.hub_store import HubStore
from safetypairs_hf.dataset.store.local_store import LocalStore


def open_published(target: str) -> Published:
    """Open the dataset that TARGET names.

    Raises:
        SafetyPairsError: `target` is not the name of a dataset, or names a version.
    """
    return store_of(parse_place(target))


def open_named(text: str) -> Edition:
    """Open `TARGET@X.Y.Z`, or `TARGET` for its newest version. Raises what `Published.open` raises."""
    name = parse_target_name(text)
    return store_of(name).open(name.version)


def store_of(name: TargetName) -> Published:
    """Open a dataset by a parsed name. The version in the name is ignored."""
    if name.is_embedded:
        return EmbeddedStore()
    return LocalStore(name.place, name.path) if name.is_folder else HubStore(name.place)
