"""The sidecar files of a release: card, Hub metadata, errata, reviews, and the loading script."""

from __future__ import annotations

from safetypairs_hf.core.resources import folder
from safetypairs_hf.dataset import card, croissant, errata, eval_yaml, manifest, reviews, takedowns
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.taxonomy import taxonomy_file

SCRIPT = "loading_script/safetypairs.py"
# Every file outside the data folders that a release may write.
SIDECARS = {
    *("README.md", "CHANGELOG.md", "croissant.json", "eval.yaml", takedowns.NAME, errata.NAME, reviews.NAME),
    *(manifest.NAME, taxonomy_file.NAME, SCRIPT),
}


def render(manifest: Manifest, name: str) -> dict[str, str]:
    """Return the text of each sidecar file except the reviews, by file name. `name` is the name for `load_dataset`.

    The texts depend on nothing else, and not on the hashes of these files that the final manifest holds: anybody who
    has the manifest can render them again and compare.
    """
    # In a subfolder, because a script at the root makes `datasets` 4 and 5 refuse the whole repo.
    script = (folder("loading_script") / "safetypairs.py").read_text(encoding="utf-8")
    return {
        **card.render(manifest, name),
        **croissant.render(manifest, name),
        **eval_yaml.render(manifest, name),
        **takedowns.render(manifest),
        **errata.render(manifest),
        **_taxonomy(manifest),
        SCRIPT: script,
    }


def _taxonomy(manifest: Manifest) -> dict[str, str]:
    """Return taxonomy.yaml of a version; empty if its last release names no taxonomy, as old releases do."""
    if "taxonomy" not in manifest.releases[-1]:
        return {}
    return {taxonomy_file.NAME: taxonomy_file.to_text(manifest.taxonomy)}
