"""The dataset that the package includes, which has a folder for each version."""

from __future__ import annotations

from safetypairs_hf.core.embedded_set import NAME, folder
from safetypairs_hf.core.version import Version
from safetypairs_hf.dataset.store.base import Edition
from safetypairs_hf.dataset.store.local_store import LocalStore


class EmbeddedStore:
    """See `Published`."""

    name = NAME

    def tags(self) -> None:
        return None

    def newest(self) -> Edition | None:
        return self.open(None)

    def open(self, version: Version | None) -> Edition:
        return LocalStore(NAME, folder(version)).open(version)
