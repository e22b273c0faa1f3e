"""Find the taxonomy of an evaluation's data: the version's own, or the one that was given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import HubUnavailable, PublishError, SafetyPairsError
from safetypairs_hf.core.target_name import parse_target_name
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_file import read

if TYPE_CHECKING:
    from safetypairs_hf.taxonomy.categories import Taxonomy


def taxonomy_of(
    name: str | None, parts: Sequence[Any], given: str | Path | Taxonomy | None = None, check: str = "error"
) -> Taxonomy:
    """Find the taxonomy of some data.

    Args:
        name: "TARGET@X.Y.Z", or None for a dataset without a version.
        parts: The pairs, as datasets with the column `category`.
        given: A file, a name or a Taxonomy (see `taxonomy.read`), for a dataset without a version whose categories are
            not the nine.
        check: As in `load`.

    Raises:
        SafetyPairsError: A taxonomy was given for a version, which has its own; one is needed and was not given; or it
            lacks a category of the data.
        HubUnavailable: The manifest that names the taxonomy is not on this machine, and the Hub did not answer.
    """
    labels = getattr(parts[0].features["category"], "names", None)
    if given is not None and name is not None:
        raise SafetyPairsError(f"{name} has its own taxonomy; the argument taxonomy is for a dataset without a version")
    if given is not None:
        found = read(given)
    elif name is not None:
        found = _of_version(name, labels, check)
    else:
        found = NINE
    slugs = labels if labels is not None else sorted({slug for part in parts for slug in part["category"][:]})
    if strange := [slug for slug in slugs if slug not in found.slugs]:
        what = f"{name or 'the dataset'} has the category {strange[0]!r}, and {found.name} has {', '.join(found.slugs)}"
        raise SafetyPairsError(f"{what}; give TARGET@VERSION as data, or taxonomy=FILE")
    return found


def _of_version(name: str, labels: Sequence[str] | None, check: str) -> Taxonomy:
    """Return the taxonomy that the manifest of a version names, at the commit that was loaded."""
    from safetypairs_hf.core.hub import fetch
    from safetypairs_hf.dataset import manifest
    from safetypairs_hf.loading.resolve import resolve

    target = parse_target_name(name)
    assert target.version is not None
    try:
        if target.is_folder:
            return manifest.taxonomy_at(target.path / manifest.NAME)
        commit = resolve(target.place, target.version.tag, check=check)
        return manifest.taxonomy_at(fetch(target.place, manifest.NAME, commit))
    except HubUnavailable:
        if labels is not None and tuple(labels) == NINE.slugs:
            return NINE  # loaded before versions had taxonomies, and now the Hub is not reachable
        raise
    except PublishError as error:
        raise SafetyPairsError(f"{name}: {error}") from error
