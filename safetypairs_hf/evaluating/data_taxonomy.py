"""Which taxonomy the categories of an evaluation's data are of: the version's own, or the one that was given."""

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
        name: "TARGET@X.Y.Z", or None for a dataset that names no version.
        parts: the pairs, as datasets with the column `category`.
        given: a file, a name or a Taxonomy (see `taxonomy.read`), for a dataset that names no version and has other
            categories than the nine.
        check: see `load`.

    Raises:
        SafetyPairsError: it was given for a version, which has its own; or it was not given and has to be; or it does
            not have every category of the data.
        HubUnavailable: the version's manifest, which names the taxonomy, is not on this machine, and the Hub did not
            answer.
    """
    labels = getattr(parts[0].features["category"], "names", None)
    if given is not None and name is not None:
        raise SafetyPairsError(f"{name} has a taxonomy of its own; taxonomy is for a dataset that names no version")
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
    """The taxonomy that the manifest of a version names, by the commit that was loaded."""
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
            return NINE  # it was loaded before versions had taxonomies, and now the Hub is out of reach
        raise
    except PublishError as error:
        raise SafetyPairsError(f"{name}: {error}") from error
