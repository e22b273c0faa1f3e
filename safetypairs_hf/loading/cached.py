"""What `datasets` has prepared on this machine, read by commit with the Hub out of reach.

Its own fallback for that answers with whatever version was prepared last; here the commit decides.
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
    """`datasets`' builder for prepared data, with its commit given. Only whole configs were prepared."""

    def __init__(self, **options: Any) -> None:
        known = set(inspect.signature(Cache.__init__).parameters) - {"features", "data_files", "data_dir"}
        extra = sorted(name for name, value in options.items() if name not in known and value is not None)
        if extra:
            what = ", ".join(extra)
            raise HubUnavailable(f"the Hub cannot be reached; on this machine are whole configs only: leave out {what}")
        super().__init__(**options)


_CHECKED = "-checked"  # behind a commit: rows that were prepared from files which had been checked


def checked(commit: str) -> str:
    """The cache key of a commit whose files were checked before its rows were prepared."""
    return f"{commit}{_CHECKED}"


def prepared(repo: str, cache_dir: str | None = None, *, strict: bool = True) -> list[tuple[str, str, str]]:
    """(config, version, commit) of what is prepared whole of a Hub dataset, the config `default` first.

    `strict`: only what was checked; else only what was not.
    """
    namespace, name = repo.split("/")
    root = Path(cache_dir or config.HF_DATASETS_CACHE).expanduser() / f"{namespace}___{camelcase_to_snakecase(name)}"
    found = []
    for info in root.glob("*/*/*/dataset_info.json"):
        name, version, key = info.parts[-4:-1]
        commit = key.removesuffix(_CHECKED)
        # A folder named otherwise than its config was prepared with options (columns, features): not whole.
        whole = json.loads(info.read_text("utf-8")).get("config_name") == name and not key.endswith(".incomplete")
        if whole and key.endswith(_CHECKED) == strict:
            found.append((name, version, commit))
    return sorted(found, key=lambda entry: (entry[0] != "default", entry))


def configs(repo: str, commit: str, cache_dir: str | None = None) -> list[str]:
    """The configs of a commit that are prepared on this machine."""
    return [name for name, _, of in prepared(repo, cache_dir) if of == commit]


def module(repo: str, commit: str, cache_dir: str | None = None, *, strict: bool = True) -> DatasetModule | None:
    """The commit's prepared configs as `datasets` wants them; None where there are none. `strict`: see `prepared`."""
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
