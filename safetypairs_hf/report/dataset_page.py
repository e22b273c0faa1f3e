"""Compute the data for the page of a published version: balance, releases, reviews, probe, groups and pairs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from safetypairs_hf.dataset import card, errata
from safetypairs_hf.dataset.policy_pair_rows import is_policy_pair
from safetypairs_hf.report.page import Report
from safetypairs_hf.report.pair_pictures import pictured, within_budget
from safetypairs_hf.report.pair_sample import groups_of, sample_of

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition

_SAID = ("pairs", "accept", "reject", "borderline")
_FIGURE = ("value", "low", "high", "items")
_RELEASE = ("version", "pairs", "added", "removed", "relabelled", "recipe", "license", "code", "summary")


def dataset_report(edition: Edition) -> Report:
    """Make the report of one version. It reads the manifest, and the data files of the pairs that it shows.

    Raises:
        SafetyPairsError: A data file, or the taxonomy in the manifest, cannot be read.
    """
    named = ["pair_id", "category", "split", "group", "review", "size", "introduced", *errata.IMAGES]
    rows = edition.table.select(named).to_pylist()
    of_policies = [row for row in rows if is_policy_pair(row)]
    groups, pairs = groups_of(rows), sample_of(rows)
    data = {
        "kind": "dataset",
        "data": edition.name,
        "version": str(edition.version),
        "taxonomy": edition.taxonomy.name,
        "pairs_in_all": len(rows),
        "bytes": sum(row["size"] for row in rows),
        "splits": sorted({row["split"] for row in rows}, reverse=True),
        "categories": _balance([row for row in rows if not is_policy_pair(row)], edition),
        "policy_pairs": len(of_policies),
        "policy_categories": _balance(of_policies, edition),
        "groups": groups,
        "reviews": dict(Counter(row["review"] for row in rows).most_common()),
        "review": _review(edition),
        "errata": _errata(edition),
        "errata_in_all": len(edition.head.get("errata") or ()),
        "releases": [{name: release.get(name) for name in _RELEASE} for release in reversed(edition.releases)],
        "probe": _probe(edition),
        "takedowns": len(edition.head.get("takedowns", ())),
        "pairs": pairs,
    }
    shown = [pair["pair_id"] for pair in pairs]
    shown += [pair_id for group in groups["largest"] for pair_id in group["pairs"]]
    return Report("dataset", data, within_budget(pictured(edition, shown), shown), edition)


def _balance(rows: list[dict[str, Any]], edition: Edition) -> list[dict[str, Any]]:
    """Return the pairs of each category by split, and the number of their groups. The rows are of one kind of pairs."""
    names = {each.slug: each.name for each in edition.taxonomy.categories}
    counts = Counter((row["category"], row["split"]) for row in rows)
    groups = Counter(category for category, _ in {(row["category"], row["group"]) for row in rows})
    present = dict.fromkeys((*names, *sorted({category for category, _ in counts})))
    found = []
    for slug in present:
        splits = {split: count for (category, split), count in counts.items() if category == slug}
        if splits:
            total = sum(splits.values())
            row = {"category": slug, "name": names.get(slug, ""), "pairs": total, "groups": groups[slug]}
            found.append({**row, "splits": splits})
    return found


def _review(edition: Edition) -> dict[str, Any] | None:
    """Return the agreement of the newest review, with the version that it came with; None if no release had a review.

    `figures` are those of the card. Each has `value` in [-1, 1], the ends of its 95% interval `low` and `high` (None if
    it has no interval), and the number of `items`, whose kind is in `of` (pair or answer).
    """
    made = [release for release in edition.releases if release.get("review")]
    if not made:
        return None
    found = made[-1]["review"]
    figures = [
        {"name": name, "of": of, **{key: figure.get(key) for key in _FIGURE}}
        for name, figure, of in card.agreements(found)
        if figure["items"]
    ]
    return {
        "version": made[-1]["version"],
        **{name: found[name] for name in ("pairs", "reviewers")},
        "figures": figures,
        "people": [{key: each[key] for key in ("reviewer", *_SAID)} for each in found["people"]],
    }


def _errata(edition: Edition) -> list[dict[str, Any]]:
    """Return the newest errata, as many as the card lists, each with the change, the reason and the reporter."""
    every = edition.head.get("errata") or ()
    kept = ("version", "pair_id", "reason", "by")
    newest = every[: -card.MOST_ERRATA - 1 : -1]
    return [{"what": errata.in_words(each), **{name: each[name] for name in kept}} for each in newest]


def _probe(edition: Edition) -> dict[str, Any] | None:
    """Return the newest probe, with the version whose new pairs it used; None if no release was probed."""
    made = [
        {**release["probe"], "version": release["version"]}
        for release in edition.releases
        if "not_made" not in release.get("probe", {"not_made": ""})
    ]
    return made[-1] if made else None
