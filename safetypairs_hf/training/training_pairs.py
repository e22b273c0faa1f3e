"""The pairs for training: some splits of a published version, with the images as published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import SafetyPairsError

if TYPE_CHECKING:
    from datasets import Dataset

    from safetypairs_hf.taxonomy.categories import Taxonomy


@dataclass(frozen=True)
class TrainingPairs:
    """Some splits of one version.

    Attributes:
        name: "org/name@1.2.0".
        splits: The rows of each split, one for each pair, with the published columns and undecoded images.
        taxonomy: The taxonomy of the categories.
        sources: The licence and the attribution of each release.
    """

    name: str
    splits: dict[str, Dataset]
    taxonomy: Taxonomy
    sources: list[tuple[str, str]]

    def __len__(self) -> int:
        return sum(map(len, self.splits.values()))


def training_pairs(data: str, splits: Sequence[str] = ("train",), check: str = "error") -> TrainingPairs:
    """Open the pairs of some splits of `TARGET@X.Y.Z`, or of the newest version of `TARGET`.

    Args:
        data: The version.
        splits: The splits to open.
        check: As in `load`.

    Raises:
        SafetyPairsError: There is no such target, version or split; the content is not as published (see `load`); or a
            pair or a group of near-duplicates is in two splits.
    """
    import datasets

    from safetypairs_hf.dataset.store.open_store import open_named
    from safetypairs_hf.evaluating.data import named_version
    from safetypairs_hf.loading.load import load

    name = named_version(data, check)
    whole: Any = load(name.place, str(name.version), check=check)
    check_splits({split: (part["pair_id"][:], part["group"][:]) for split, part in whole.items()}, str(name))
    missing = [split for split in splits if split not in whole]
    if missing or not splits:
        asked = f"split {missing[0]!r}" if missing else "splits that were asked for, as none was named"
        raise SafetyPairsError(f"{name} has no {asked}; there are {', '.join(whole)}")
    edition = open_named(str(name))
    undecoded = datasets.Image(decode=False)
    return TrainingPairs(
        name=str(name) if check == "error" else f"{name} (check={check})",
        splits={
            split: whole[split].cast_column("unsafe_image", undecoded).cast_column("safe_image", undecoded)
            for split in dict.fromkeys(splits)
        },
        taxonomy=edition.taxonomy,
        sources=list(
            dict.fromkeys((release["license"], release.get("attribution") or "") for release in edition.releases)
        ),
    )


def check_splits(held: dict[str, tuple[Sequence[str], Sequence[str]]], name: str) -> None:
    """Check that no pair and no group is in two splits.

    Args:
        held: The pair ids and the groups of the rows, by split.
        name: The name of the data in messages.

    Raises:
        SafetyPairsError: One is; the message names it and both splits.
    """
    for what, column in (("pair", 0), ("group", 1)):
        owner: dict[str, str] = {}
        for split, columns in held.items():
            for value in columns[column]:
                if owner.setdefault(value, split) != split:
                    raise SafetyPairsError(
                        f"{name}: {what} {value!r} is in {owner[value]} and in {split}; a model trained on it "
                        "cannot be measured on it, so the publisher has to move it to one split"
                    )
