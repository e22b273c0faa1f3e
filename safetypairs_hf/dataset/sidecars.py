"""The sidecar files of a release: the card, what the Hub reads, what was corrected and reviewed, the loading script."""

from __future__ import annotations

from safetypairs_hf.core.resources import folder
from safetypairs_hf.dataset import card, croissant, errata, eval_yaml, manifest, reviews, takedowns
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.taxonomy import taxonomy_file

SCRIPT = "loading_script/safetypairs.py"
# Every file that a release may write outside the folders of data.
SIDECARS = {
    *("README.md", "CHANGELOG.md", "croissant.json", "eval.yaml", takedowns.NAME, errata.NAME, reviews.NAME),
    *(manifest.NAME, taxonomy_file.NAME, SCRIPT),
}


def render(manifest: Manifest, name: str) -> dict[str, str]:
    """File name in the repo -> text, for a version; `name` is what `load_dataset` takes. All but the reviews.

    The text depends on nothing else, and not on the hashes of these files that the manifest holds in the end: who has
    the manifest can render it again and compare.
    """
    # In a subfolder: a script at the root would make `datasets` 4 and 5 refuse the whole repo.
    script = (folder("loading_script") / "safetypairs.py").read_text(encoding="utf-8")
    return {
        **card.render(manifest, name),
        **croissant.render(manifest, name),
        **eval_yaml.render(manifest),
        **takedowns.render(manifest),
        **errata.render(manifest),
        **_taxonomy(manifest),
        SCRIPT: script,
    }


def _taxonomy(manifest: Manifest) -> dict[str, str]:
    """taxonomy.yaml of a version; nothing for one whose last release names none, as releases did before."""
    if "taxonomy" not in manifest.releases[-1]:
        return {}
    return {taxonomy_file.NAME: taxonomy_file.to_text(manifest.taxonomy)}
