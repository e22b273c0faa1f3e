"""The images of the pairs of a version, each image once, in work units."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.target_name import TargetName, parse_target_name
from safetypairs_hf.core.version import parse
from safetypairs_hf.evaluating.data_taxonomy import taxonomy_of

if TYPE_CHECKING:
    from pathlib import Path

    from datasets import Dataset

    from safetypairs_hf.taxonomy.categories import Taxonomy

_AT_ONCE = 64  # images in memory at once during hashing


class Image(NamedTuple):
    """The identity of a question: the SHA-256 of the image file, and the category that it is judged under.

    For a policy pair, that is the category of the row's own policy, which differs between the two members.
    """

    sha256: str
    category: str


@dataclass(frozen=True)
class Data:
    """Whole pairs, one row for each image, without the bytes of the images.

    Attributes:
        name: "org/name@1.2.0"; None for a dataset without a name.
        images: What each row shows.
        configs, split, limit: How the pairs were chosen.
        controls: The kind of control of each row, for the config `controls`; otherwise None.
        pair_categories: The category of each row's pair, for the config `policy_pairs`, where `images` has the
            categories whose policies are used; otherwise None.
        taxonomy: The taxonomy of the categories, by whose policies guards are asked.
        categories: The categories that the pairs were restricted to; () for all.
    """

    name: str | None
    configs: tuple[str, ...]
    split: str
    limit: int | None
    pair_ids: list[str]
    references: list[int]
    groups: list[str]
    images: list[Image]
    controls: list[str] | None
    taxonomy: Taxonomy
    _places: list[tuple[Dataset, int]]
    categories: tuple[str, ...] = ()
    pair_categories: list[str] | None = None

    @property
    def n_pairs(self) -> int:
        return len(set(self.pair_ids))

    def digest(self) -> str:
        """16 hex digits of every row: runs with the same digest asked about the same images of the same pairs."""
        digest = hashlib.sha256()
        controls = self.controls or [""] * len(self.images)
        for row in zip(self.pair_ids, self.references, self.groups, self.images, controls, strict=True):
            digest.update(f"{row}\n".encode())
        return digest.hexdigest()[:16]

    def units(self, size: int) -> list[list[int]]:
        """Return the rows to judge, one for each distinct image, with `size` rows in a unit.

        They are sorted by category, so that the prompts of a batch have one length. The order depends only on the data.
        """
        first: dict[Image, int] = {}
        for row, image in enumerate(self.images):
            first.setdefault(image, row)
        order = {slug: number for number, slug in enumerate(self.taxonomy.slugs)}
        rows = sorted(first.values(), key=lambda row: (order.get(self.images[row].category, len(order)), row))
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def name_of(self, row: int) -> str:
        """Return the name of a row's image in messages."""
        return f"the {'unsafe' if self.references[row] else 'safe'} image of pair {self.pair_ids[row]}"

    def read(self, row: int) -> bytes:
        """Return the encoded image file of a row. May be called from any thread."""
        part, index = self._places[row]
        return _bytes(part[index]["image"])


def open_data(
    data: str | Dataset,
    split: str = "test",
    configs: Sequence[str] = ("default",),
    limit: int | None = None,
    check: str = "error",
    taxonomy: str | Path | Taxonomy | None = None,
    categories: Sequence[str] = (),
) -> Data:
    """Open the pairs of `TARGET@X.Y.Z` (`TARGET`: its newest version), or of a dataset that `load` returned.

    Args:
        data: The name or the dataset.
        split: The split.
        configs: The configs; a pair that several of them hold is taken once.
        limit: The number of whole pairs to take, those with the lowest ids. Ids are hashes, so this is a random sample,
            and a larger limit includes it. None takes all.
        check: As in `load`; with "warn", the name of the data says so.
        taxonomy: See `taxonomy_of`.
        categories: Take only pairs of these categories, given by slug, code or name; () takes all.

    Raises:
        SafetyPairsError: There is no such target, version, config or split; the content is not as published (see
            `load`); there is no pair; the taxonomy is unknown; or a row holds the path of an image instead of its
            bytes.
    """
    import datasets

    from safetypairs_hf.loading.images import images

    named = isinstance(data, str)
    name, parts = _named(data, split, configs, check) if named else (None, [_one_split(data, split)])
    parts = [part for part in parts if len(part)]
    of = taxonomy_of(name, parts, taxonomy, check) if parts else None
    chosen = tuple(dict.fromkeys(of.find(each).slug for each in categories)) if of else ()
    kept = [part for part in _distinct([_within(part, chosen) for part in parts], limit) if len(part)]
    if of is None or not kept:
        where = f"in split {split!r}" + (f" under {', '.join(chosen)}" if chosen else "")
        raise SafetyPairsError(f"{name or 'the dataset'} has no pairs {where}; there is nothing to evaluate")
    of_controls, of_policies = _alone(kept, "control", "controls"), _alone(kept, "unsafe_policy", "policy_pairs")
    encoded = [images(part).cast_column("image", datasets.Image(decode=False)) for part in kept]
    hashes = [digest for part in encoded for digest in _hashes(part)]
    whole = [digest for digest in hashes if digest is not None]
    if len(whole) < len(hashes):
        raise SafetyPairsError(f"{'+'.join(configs)} has rows with one image, not pairs; name a config of pairs")

    def column(key: str) -> list[Any]:
        return [value for part in encoded for value in part[key][:]]

    return Data(
        # Figures on unverified content must not be attributed to that version.
        name=f"{name} (check={check})" if name and check != "error" else name,
        configs=tuple(configs),
        split=split,
        limit=limit,
        pair_ids=column("pair_id"),
        references=column("reference"),
        groups=column("group"),
        images=[Image(*each) for each in zip(whole, column("policy" if of_policies else "category"), strict=True)],
        controls=column("control") if of_controls else None,
        taxonomy=of,
        _places=[(part, index) for part in encoded for index in range(len(part))],
        categories=chosen,
        pair_categories=column("category") if of_policies else None,
    )


def named_version(text: str, check: str = "error") -> TargetName:
    """Read `TARGET@X.Y.Z`, or `TARGET` for its newest version. The result always has a version."""
    from safetypairs_hf.loading import resolve

    name = parse_target_name(text)
    if name.version:
        return name
    if name.is_folder:
        return name._replace(version=resolve.held_version(name))
    return name._replace(version=parse(resolve.resolve(name.place, None, check=check).asked))


def _named(text: str, split: str, configs: Sequence[str], check: str) -> tuple[str, list[Any]]:
    from safetypairs_hf.loading.load import load

    name = named_version(text, check)
    parts = [load(name.place, str(name.version), config, split, check=check) for config in dict.fromkeys(configs)]
    return str(name), parts


def _one_split(data: Any, split: str) -> Any:
    import datasets

    if isinstance(data, datasets.DatasetDict):
        if split not in data:
            raise SafetyPairsError(f"the dataset has no split {split!r}; there are {', '.join(data)}")
        return data[split]
    if not isinstance(data, datasets.Dataset):
        raise SafetyPairsError(
            f"evaluate takes TARGET@VERSION or a datasets.Dataset of pairs, not {type(data).__name__}; "
            "load it whole, without streaming"
        )
    return data


def _within(part: Any, slugs: Sequence[str]) -> Any:
    """Return the rows of some categories; all rows if none is named."""
    if not slugs:
        return part
    names = getattr(part.features["category"], "names", None)
    found = [each if names is None else names[each] for each in part["category"][:]]
    return part.select([row for row, slug in enumerate(found) if slug in slugs])


def _distinct(parts: Sequence[Any], limit: int | None) -> list[Any]:
    """Take each pair from the first part that holds it, up to `limit` pairs, each with all its rows."""
    owner: dict[str, int] = {}
    places = []
    for number, part in enumerate(parts):
        for row, pair_id in enumerate(part["pair_id"][:]):
            if owner.setdefault(pair_id, number) == number:
                places.append((pair_id, number, row))
    if limit is not None:
        chosen = set(sorted(owner)[:limit])
        places = [place for place in places if place[0] in chosen]
    return [
        part.select(sorted(row for _, number, row in places if number == index)) for index, part in enumerate(parts)
    ]


def _alone(parts: Sequence[Any], column: str, config: str) -> bool:
    """Return whether these rows are of a config that must be evaluated alone, which one of its columns shows."""
    with_them = [part for part in parts if column in part.column_names]
    if with_them and len(with_them) < len(parts):
        what = "no pairs of its own" if config == "controls" else "pairs of another kind"
        raise SafetyPairsError(f"the config {config} holds {what}; evaluate it alone, into another file")
    return bool(with_them)


def _hashes(part: Any) -> list[str | None]:
    def hashed(image: dict[str, Any] | None) -> str | None:
        return None if image is None else hashlib.sha256(_bytes(image)).hexdigest()

    with ThreadPoolExecutor() as pool:
        return [
            digest
            for batch in part.select_columns(["image"]).iter(_AT_ONCE)
            for digest in pool.map(hashed, batch["image"])
        ]


def _bytes(image: dict[str, Any]) -> bytes:
    """Return the bytes of an image cell. A path is not followed: it could show the guard any file of this machine."""
    if image["bytes"] is None:
        raise SafetyPairsError(
            f"an image of the dataset is the path {image['path']!r} instead of the bytes of a file; it was not read; "
            "for files of your own: dataset.map(lambda row: row, features=dataset.features) embeds them"
        )
    return bytes(image["bytes"])
