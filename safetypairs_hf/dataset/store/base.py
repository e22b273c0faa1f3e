"""A published dataset for its readers: `Published` opens versions, and an `Edition` is one version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from safetypairs_hf.core.errors import PublishError, SafetyPairsError, VersionMismatch
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.hub import Stored
from safetypairs_hf.core.version import Version, parse
from safetypairs_hf.dataset import manifest, reviews
from safetypairs_hf.dataset.data_file import read_rows
from safetypairs_hf.dataset.manifest_table import Columns
from safetypairs_hf.dataset.policy_pair_rows import POLICY_PAIR_COLUMNS, as_pair
from safetypairs_hf.dataset.policy_pair_rows import ROOT as POLICY_PAIRS
from safetypairs_hf.dataset.reviews import Review
from safetypairs_hf.taxonomy.categories import Taxonomy


@dataclass(frozen=True)
class Edition:
    """One published version, open for reading.

    Attributes:
        columns: Its manifest. `table` is the whole manifest as an Arrow table with a row for each pair.
        head: The manifest's description of this version and of every release up to it.
        fetch: Returns the local path of a file, which is downloaded if needed.
        stored: Every file, with its hash on the Hub; None as a value in a local folder, which keeps no hashes.
    """

    target: str
    version: Version
    columns: Columns
    fetch: Callable[[str], Path] = field(repr=False)
    listing: Callable[[], Mapping[str, Stored | None]] = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.target}@{self.version}"

    @property
    def head(self) -> dict[str, Any]:
        return self.columns.head

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy of its categories: the nine, unless the manifest names another.

        Raises:
            SafetyPairsError: The manifest is damaged there.
        """
        try:
            return manifest.taxonomy_in(self.head)
        except PublishError as error:
            raise SafetyPairsError(f"{self.name}: {error}") from error

    @cached_property
    def table(self) -> pa.Table:
        return self.columns.table()

    @property
    def releases(self) -> list[dict[str, Any]]:
        return list(self.head["releases"])

    @cached_property
    def reviews(self) -> dict[str, Review]:
        """The reviews of its pairs, by pair id. Pairs that nobody reviewed are left out.

        Raises:
            SafetyPairsError: The file of reviews is missing, or cannot be read.
        """
        if reviews.NAME not in (self.head.get("sidecars") or {}):
            return {}
        with reading(f"{self.name}: {reviews.NAME}", "see: safetypairs verify"):
            return reviews.load(self.fetch(reviews.NAME), self.columns.rows)

    def rows(self, file: str, pair_ids: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of pairs of a data file. For policy pairs, both members are the image, and there are no texts.

        Raises:
            SafetyPairsError: The file cannot be read, or lacks a column.
        """
        with reading(f"{self.name}: {file}", "see: safetypairs verify"):
            of_policies = file.startswith(POLICY_PAIRS)
            read = list(POLICY_PAIR_COLUMNS) if of_policies else columns
            chosen = read_rows(self.fetch(file), [("pair_id", "in", pair_ids)], read)
            if of_policies:
                return [{name: as_pair(row).get(name) for name in columns} for row in chosen.to_pylist()]
            return list(chosen.select(columns).to_pylist())

    @cached_property
    def stored(self) -> Mapping[str, Stored | None]:
        return self.listing()


class Published(Protocol):
    """A published dataset: on the Hub, where each version has a tag, or in a folder, which holds one version."""

    name: str

    def tags(self) -> dict[Version, str] | None:
        """Return the versions that can be opened, oldest first, with their commits; None in a local folder."""
        ...

    def newest(self) -> Edition | None:
        """Return what the main branch or the folder holds; None if nothing was published."""
        ...

    def open(self, version: Version | None) -> Edition:
        """Open a version; None opens the newest one that has a tag.

        Raises:
            VersionMismatch: There is no such version; the message lists those that exist.
            SafetyPairsError: It was not published by safetypairs, or its manifest cannot be read.
            HubUnavailable: The Hub did not answer, or refused the token.
        """
        ...


def version_of(head: dict[str, Any]) -> Version:
    """Return the version of the last release in a manifest's head."""
    return parse(head["releases"][-1]["version"])


def no_version(name: str) -> VersionMismatch:
    """Return the error for a dataset without any published version."""
    return VersionMismatch(f"{name} has no version yet; publish one: safetypairs publish RUN {name} --version 1.0.0")
