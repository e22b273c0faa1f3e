"""The versions that `safetypairs --version` prints: of this package, of Python and of the main libraries."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

_LIBRARIES: Final = (
    *("datasets", "huggingface_hub", "pyarrow", "numpy", "pillow", "evaluate"),
    *("torch", "diffusers", "transformers", "openai", "ray"),
)


def versions() -> str:
    """Return a line for this package and one for each library; "not installed" for a library that is missing."""
    width = max(map(len, _LIBRARIES))
    ours = f"safetypairs {version('safetypairs-hf')}"
    found = {"Python": f"{platform.python_version()}, {platform.system()} {platform.machine()}"}
    found |= {name: _version(name) for name in _LIBRARIES}
    return "\n".join([ours, *(f"  {name:<{width}}  {each}" for name, each in found.items())])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
