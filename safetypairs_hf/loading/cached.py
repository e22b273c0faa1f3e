"""Datasets that `datasets` prepared on this machine, looked up by commit when the Hub cannot be reached.

The fallback of `datasets` returns whichever version was prepared last; here the commit decides.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from datasets import BuilderConfig, config
from datasets.load import BuilderConfigsParameters, DatasetModule
from datasets.naming import camelcase_to_snakecase
from datasets.packaged_modules.cache.cache import Cache

from safetypairs_hf.core.errors import HubUnavailable


class PinnedCache(Cache):  # type: ignore[misc]  # datasets has no types
    """The builder that `datasets` uses for prepared data, with a fixed commit. Only whole configs are prepared."""

    def __init__(self, **options: Any) -> None:
        known = set(inspect.signature(Cache.__init__).parameters) - {"features", "data_files", "data_dir"}
        extra = sorted(name for name, value in options.items() if name not in known and value is not None)
        if extra:
            what = ", ".join(extra)
            raise HubUnavailable(f"the Hub cannot be reached; this machine has whole configs only: leave out {what}")
        super().__init__(**options)


_CHECKED = "-checked"  # appended to a commit: its rows were prepared from checked files


def checked(commit: str) -> str:
    """Return the cache key of a commit for rows that were prepared from checked files."""
    return f"{commit}{_CHECKED}"


def prepared(repo: str, cache_dir: str | None = None, *, strict: bool = True) -> list[tuple[str, str, str]]:
    """Return (config, version, commit) for each prepared whole config of a Hub dataset, the config `default` first.

    With `strict`, only those prepared from checked files; otherwise only the others.
    """
    namespace, name = repo.split("/")
    root = Path(cache_dir or config.HF_DATASETS_CACHE).expanduser() / f"{namespace}___{camelcase_to_snakecase(name)}"
    found = []
    for info in root.glob("*/*/*/dataset_info.json"):
        name, version, key = info.parts[-4:-1]
        commit = key.removesuffix(_CHECKED)
        # A folder with another name than its config was prepared with options (columns, features), so it is not whole.
        whole = json.loads(info.read_text("utf-8")).get("config_name") == name and not key.endswith(".incomplete")
        if whole and key.endswith(_CHECKED) == strict:
            found.append((name, version, commit))
    return sorted(found, key=lambda entry: (entry[0] != "default", entry))


def configs(repo: str, commit: str, cache_dir: str | None = None) -> list[str]:
    """Return the configs of a commit that are prepared on this machine."""
    return [name for name, _, of in prepared(repo, cache_dir) if of == commit]


def module(repo: str, commit: str, cache_dir: str | None = None, *, strict: bool = True) -> DatasetModule | None:
    """Return the prepared configs of a commit as a module of `datasets`, or None. `strict`: see `prepared`."""
    found = [(name, version) for name, version, of in prepared(repo, cache_dir, strict=strict) if of == commit]
    if not found:
        return None
    builder_configs = [BuilderConfig(name, version=version) for name, version in found]
    return DatasetModule(
        PinnedCache.__module__,
        checked(commit) if strict else commit,
        {"repo_id": repo, "dataset_name": repo.split("/")[1], "version": found[0][1]},
        BuilderConfigsParameters(
            builder_configs=builder_configs,
            default_config_name="default" if found[0][0] == "default" else None,
        ),
    )
