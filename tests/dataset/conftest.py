"""What the tests of a published folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest import Manifest


@pytest.fixture(scope="module")
def release(folder: Path) -> Manifest:
    """The manifest of the module's own fixture `folder`, a published folder."""
    found = manifest.load((folder / "manifest.parquet").read_bytes())
    assert found is not None
    return found
