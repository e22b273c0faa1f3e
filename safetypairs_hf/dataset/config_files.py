"""Find the data files of each config and split of a version, from their names only."""

from __future__ import annotations

from collections.abc import Iterable

from safetypairs_hf.dataset import failure_rows, policy_pair_rows, reviews

ConfigFiles = dict[str, dict[str, set[str]]]


def config_files(names: Iterable[str]) -> ConfigFiles:
    """Sort data files into config -> split -> files, as the globs of the card do.

    Args:
        names: Every file in the data folders that the manifest names, and the file of reviews if there is one.
    """
    found: ConfigFiles = {}

    def put(config: str, split: str, name: str) -> None:
        found.setdefault(config, {}).setdefault(split, set()).add(name)

    for name in names:
        if name == reviews.NAME:
            put(reviews.CONFIG, reviews.CONFIG, name)
            continue
        root, *folders, _ = name.split("/")
        if root == "data":
            split, category = folders
            put("default", split, name)
            put(category, split, name)
            if split == "test":
                put("by_category", category, name)
        elif root == policy_pair_rows.CONFIG:
            put(policy_pair_rows.CONFIG, folders[0], name)
        elif root == "controls":
            put("controls", folders[0], name)
        elif name != failure_rows.NAME:
            put("failures", "train", name)
    return found
