"""The page of a published dataset: what a version holds, and every release up to it, from its manifest."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from safetypairs_hf.report.page import Block, Page, Table

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition


def dataset_page(edition: Edition) -> Page:
    """Make the page of one version. It reads the manifest alone, no image."""
    table, names = edition.table, {each.slug: each.name for each in edition.taxonomy.categories}
    counts = Counter(zip(table["category"].to_pylist(), table["split"].to_pylist(), strict=True))
    splits = sorted({split for _, split in counts}, reverse=True)
    rows = [
        (slug, names.get(slug, ""), *(counts[slug, split] for split in splits))
        for slug in dict.fromkeys((*names, *sorted(slug for slug, _ in counts)))
        if any(counts[slug, split] for split in splits)
    ]
    groups = len(set(table["group"].to_pylist()))
    size = sum(table["size"].to_pylist()) / 1e6
    reviews = Counter(table["review"].to_pylist())
    reviewed = ", ".join(f"{count:,} {status}" for status, count in reviews.most_common())
    lead = (
        f"{table.num_rows:,} pairs in {groups:,} groups of near-duplicates, {size:,.1f} MB of images. "
        f"Review: {reviewed or 'none'}."
    )
    total = ("all", "", *(sum(counts[slug, split] for slug, *_ in rows) for split in splits))
    return Page(
        edition.name,
        lead,
        [
            Block("Pairs", table=Table(("category", "name", *splits), [*rows, total])),
            Block("Releases", table=_releases(edition)),
        ],
    )


def _releases(edition: Edition) -> Table:
    columns = ("version", "pairs", "added", "removed", "recipe", "summary")
    rows = [tuple(release.get(name) for name in columns) for release in reversed(edition.releases)]
    return Table(columns, rows)
