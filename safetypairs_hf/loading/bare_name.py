"""`load_dataset("safetypairs")`: register the bare name with `datasets` without importing it.

`datasets` has no plugin mechanism for names, so its `dataset_module_factory` is wrapped: at once if `datasets.load` was
imported, otherwise by an import hook right after its import. This module runs at interpreter start under `autoload`, so
it imports only `sys`; the modules that do the work are imported when the name is used.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in `typing`, without the cost of importing it
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

NAME = "safetypairs"  # equal to core.embedded_set.NAME, which is too slow to import at start
_MODULES = ("datasets.load", "datasets.inspect")  # datasets.inspect has its own reference to the factory
_FACTORY = "dataset_module_factory"
_MANIFEST = "manifest.parquet"  # equal to dataset.manifest.NAME, for the same reason
_MARK = "_safetypairs_original"


def register() -> None:
    """Make `load_dataset("safetypairs")` work in this process, now or when `datasets` is imported. Idempotent."""
    if not any(getattr(finder, "registers", None) == NAME for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name in _MODULES:
        if name in sys.modules:
            _wrap(sys.modules[name])


class _Finder:
    """Find `datasets.load` as the other finders do, and wrap the factory after the module ran, also after a reload."""

    registers = NAME

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _MODULES:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not self else None
            if spec is not None:
                return _wrapping(spec)
        return None


def _wrapping(spec: ModuleSpec) -> ModuleSpec:
    loader: Any = spec.loader
    run = getattr(loader, "exec_module", None)
    if run is None:
        return spec

    def exec_module(module: ModuleType) -> None:
        run(module)
        _wrap(module)

    loader.exec_module = exec_module  # this loader belongs to this spec only
    return spec


def _wrap(module: ModuleType) -> None:
    original = getattr(module, _FACTORY, None)
    if original is not None and not hasattr(original, _MARK):
        setattr(module, _FACTORY, _wrapped(original))


def _wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
    import functools
    import inspect
    from pathlib import Path

    signature = inspect.signature(original)

    @functools.wraps(original)
    def dataset_module_factory(path: str, *args: Any, **kwargs: Any) -> Any:
        from safetypairs_hf.loading.resolve import Pinned

        given = signature.bind(path, *args, **kwargs).arguments
        revision = given.get("revision")
        bare = str(path).partition("@")[0] == NAME
        if not bare and not isinstance(revision, Pinned) and not Path(path, _MANIFEST).is_file():
            return original(path, *args, **kwargs)
        from safetypairs_hf.loading import pinned

        options = {key: value for key, value in given.items() if key not in ("path", "revision", "download_kwargs")}
        options |= given.get("download_kwargs", {})
        if isinstance(revision, Pinned):
            return pinned.module(original, path, revision, options)
        if not bare:
            return pinned.with_own_key(original(path, *args, **kwargs), path)
        return pinned.bare_name(original, path, None if revision is None else str(revision), options)

    setattr(dataset_module_factory, _MARK, original)
    return dataset_module_factory
