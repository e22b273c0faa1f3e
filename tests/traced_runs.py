"""Finished runs of `recipes/traced.py`, and what is published of them, read back from the files by pyarrow alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.run_folder import RunFolder, open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.dataset.store.open_store import open_published
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import Published, publish
from safetypairs_hf.versions.verify import verify

TRACED = str(Path(__file__).parent / "recipes" / "traced.py")
NULL, NEUTRAL, REGENERATED = range(3)  # of the column `control`


def traced_run(out: Path, **settings: object) -> RunFolder:
    build(load_recipe(TRACED, {key: str(value) for key, value in settings.items()}), str(out), 1)
    return open_run(str(out))


def put(run: RunFolder, folder: Path, version: str, **options: Any) -> Published:
    return publish(run, parse_target(str(folder)), parse(version), **options)


def held(folder: Path) -> Manifest:
    found = manifest.load((folder / manifest.NAME).read_bytes())
    assert found is not None
    return found


def rows(folder: Path, root: str) -> list[dict[str, Any]]:
    """Every row below `data`, `controls` or `failures`, with its file."""
    found = []
    for path in sorted((folder / root).rglob("*.parquet")):
        if path.name != "manifest.parquet":
            name = path.relative_to(folder).as_posix()
            found += [{**row, "file": name} for row in pq.read_table(path, partitioning=None).to_pylist()]
    return found


def problems(folder: Path) -> list[str]:
    return [str(problem) for problem in verify(open_published(str(folder))).problems]
