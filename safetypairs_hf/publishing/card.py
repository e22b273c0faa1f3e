"""The dataset card and changelog: the template in `dataset_card/`, every figure from the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jinja2
import yaml

from safetypairs_hf.building import funnel
from safetypairs_hf.pictures import sha256
from safetypairs_hf.publishing.manifest import Manifest, Total, dump
from safetypairs_hf.resources import folder
from safetypairs_hf.taxonomy import CATEGORIES, SLUGS

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def render(manifest: Manifest, name: str) -> dict[str, str]:
    """README.md and CHANGELOG.md of a version; `name` is what `load_dataset` takes."""
    header = yaml.safe_dump(metadata(manifest), sort_keys=False, allow_unicode=True)
    return {"README.md": f"---\n{header}---\n\n{_prose(manifest, name)}", "CHANGELOG.md": changelog(manifest)}


def metadata(manifest: Manifest) -> dict[str, Any]:
    """The card's YAML: what is fixed, licence and size, and the configs with the size of each split."""
    fixed = yaml.safe_load((folder("dataset_card") / "metadata.yaml").read_text(encoding="utf-8"))
    found = configs(manifest)
    # `datasets` caches a local folder by these values: without them it would answer a new version with the old rows.
    identity = {"version": str(manifest.version), "description": f"manifest {sha256(dump(manifest))}"}
    return {
        **fixed,
        "license": sorted({release["license"].lower() for release in manifest.releases}),
        "size_categories": [next((text for limit, text in _SIZES if len(manifest.entries) < limit), "n>1M")],
        "configs": [
            {
                "config_name": config,
                **({"default": True} if config == "default" else {}),
                **identity,
                "data_files": [{"split": view.split, "path": view.glob} for view in views],
            }
            for config, views in found.items()
        ],
        "dataset_info": [_info(config, views) for config, views in found.items()],
    }


class View(NamedTuple):
    """A split of a config: the glob of its files and what they hold."""

    split: str
    glob: str
    total: Total


def configs(manifest: Manifest) -> dict[str, list[View]]:
    """The configs, all views of the same files; each lists only splits that hold pairs."""
    totals = manifest.totals()
    splits = _splits(totals)
    present = [slug for slug in SLUGS if any(slug in totals[split] for split in splits)]
    views = {"default": [View(split, f"data/{split}/*/*.parquet", _sum(totals[split].values())) for split in splits]}
    if "test" in totals:
        test = totals["test"]
        views["by_category"] = [
            View(slug, f"data/test/{slug}/*.parquet", test[slug]) for slug in present if slug in test
        ]
    for slug in present:
        views[slug] = [
            View(split, f"data/{split}/{slug}/*.parquet", totals[split][slug])
            for split in splits
            if slug in totals[split]
        ]
    return views


def _info(config: str, views: Sequence[View]) -> dict[str, Any]:
    """What lets `load_dataset` notice that a file is missing."""
    size = _sum(view.total for view in views).size
    splits = [{"name": view.split, "num_bytes": view.total.size, "num_examples": view.total.pairs} for view in views]
    return {"config_name": config, "splits": splits, "download_size": size, "dataset_size": size}


def _sum(totals: Iterable[Total]) -> Total:
    pairs, sizes = zip(*totals, strict=True)
    return Total(sum(pairs), sum(sizes))


def changelog(manifest: Manifest) -> str:
    """CHANGELOG.md, newest first."""
    lines = ["# Changelog", ""]
    for release in reversed(manifest.releases):
        lines += [f"## {release['version']}", "", f"{release['summary']}; {release['pairs']} pairs in all.", ""]
    return "\n".join(lines)


def _prose(manifest: Manifest, name: str) -> str:
    loader = jinja2.FileSystemLoader(folder("dataset_card"))
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    totals = manifest.totals()
    release = manifest.releases[-1]
    return environment.get_template("README.md.jinja").render(
        title=name.rstrip("/").rsplit("/", 1)[-1],
        name=name,
        on_hub=not name.startswith((".", "/")),
        version=release["version"],
        pairs=len(manifest.entries),
        groups=len({entry.group for entry in manifest.entries}),
        categories=CATEGORIES,
        splits=_splits(totals),
        counts={split: {slug: total.pairs for slug, total in of.items()} for split, of in totals.items()},
        by_category="test" in totals,
        release=release,
        judges=release["judging"]["judges"],
        funnel=list(funnel.rows({"stages": release["funnel"]})),
        licenses=_joined(release["license"] for release in manifest.releases),
        attributions=_joined(release["attribution"] for release in manifest.releases),
    )


def _splits(totals: dict[str, dict[str, Total]]) -> list[str]:
    return [split for split in ("train", "test") if split in totals]


def _joined(texts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(texts))
