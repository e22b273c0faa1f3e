"""Find the set that the package carries. `embedded/VERSION/safetypairs` is the folder of a published version."""

from __future__ import annotations

from pathlib import Path

from safetypairs_hf.core import resources
from safetypairs_hf.core.errors import SafetyPairsError, VersionMismatch
from safetypairs_hf.core.version import Version, parse

NAME = "safetypairs"  # repeated in `loading.bare_name`, which must import `sys` alone


def versions() -> list[Version]:
    """Return the versions that this package carries, oldest first.

    Raises:
        SafetyPairsError: There is none, so the installation is broken.
    """
    found = sorted(parse(path.parent.name) for path in resources.folder("embedded").glob(f"*/{NAME}"))
    if not found:
        raise SafetyPairsError(f"this installation has lost its set {NAME!r}; install safetypairs-hf again")
    return found


def carried(version: Version | None) -> Version:
    """Return the requested version, or the newest one for None.

    Raises:
        VersionMismatch: The package does not carry that version; the message lists the versions that it carries.
    """
    there = versions()
    if version is not None and version not in there:
        listed = ", ".join(map(str, there))
        raise VersionMismatch(
            f"{NAME} has no {version}; the versions that this safetypairs-hf carries are {listed}; for another dataset "
            "name a folder or org/name"
        )
    return version or there[-1]


def folder(version: Version | None) -> Path:
    """Return the folder of a version, or of the newest one for None. Raises VersionMismatch as `carried` does."""
    return resources.folder("embedded") / str(carried(version)) / NAME
