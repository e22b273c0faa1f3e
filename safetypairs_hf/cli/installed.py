"""What `safetypairs --version` tells: this, Python, and the libraries that decide what comes out."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

_LIBRARIES: Final = (
    *("datasets", "huggingface_hub", "pyarrow", "numpy", "pillow", "evaluate"),
    *("torch", "diffusers", "transformers", "openai", "ray"),
)


def versions() -> str:
    """Return a line for this package and one for each library; "not installed" where one is not there."""
    width = max(map(len, _LIBRARIES))
    ours = f"safetypairs {version('safetypairs-hf')}"
    told = {"Python": f"{platform.python_version()}, {platform.system()} {platform.machine()}"}
    told |= {name: _version(name) for name in _LIBRARIES}
    return "\n".join([ours, *(f"  {name:<{width}}  {each}" for name, each in told.items())])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
