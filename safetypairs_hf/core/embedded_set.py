"""The set that the package carries: `embedded/VERSION/safetypairs` is the folder of a version, as it was published."""

from __future__ import annotations

from pathlib import Path

from safetypairs_hf.core import resources
from safetypairs_hf.core.errors import SafetyPairsError, VersionMismatch
from safetypairs_hf.core.version import Version, parse

NAME = "safetypairs"  # `loading.bare_name` repeats it, because it imports `sys` alone


def versions() -> list[Version]:
    """The versions that this package carries, oldest first.

    Raises:
        SafetyPairsError: it carries none, so the installation is broken.
    """
    found = sorted(parse(path.parent.name) for path in resources.folder("embedded").glob(f"*/{NAME}"))
    if not found:
        raise SafetyPairsError(f"this installation has lost its set {NAME!r}; install safetypairs-hf again")
    return found


def carried(version: Version | None) -> Version:
    """The version that was asked for, or the newest one.

    Raises:
        VersionMismatch: the package does not carry that version; the message lists those that it carries.
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
    """The folder of a version, or of the newest one. Raises VersionMismatch as `carried` does."""
    return resources.folder("embedded") / str(carried(version)) / NAME
