"""The files that a release has beside its data."""

from __future__ import annotations

from safetypairs_hf.publishing import card
from safetypairs_hf.publishing.manifest import Manifest


def render(manifest: Manifest, name: str) -> dict[str, str]:
    """File name in the repo -> text, for a version; `name` is what `load_dataset` takes."""
    return card.render(manifest, name)
