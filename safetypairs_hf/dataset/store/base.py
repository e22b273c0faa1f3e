"""A published dataset as its readers see it: `Published` opens versions, an `Edition` is one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.core.errors import PublishError, SafetyPairsError, VersionMismatch
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.hub import Stored
from safetypairs_hf.core.version import Version, parse
from safetypairs_hf.dataset import manifest, reviews
from safetypairs_hf.dataset.data_file import open_rows_file
from safetypairs_hf.dataset.manifest_table import Columns
from safetypairs_hf.dataset.policy_pair_rows import POLICY_PAIR_COLUMNS, as_pair
from safetypairs_hf.dataset.policy_pair_rows import ROOT as POLICY_PAIRS
from safetypairs_hf.dataset.reviews import Review
from safetypairs_hf.taxonomy.categories import Taxonomy


@dataclass(frozen=True)
class Edition:
    """One published version, open for reading.

    `columns` is its manifest; `table` all of it as an Arrow table, a row a pair. `head` is what the manifest says of
    the version and of every release up to it. `fetch` gives a file as a file here, downloaded when asked for. `stored`
    lists every file; its values are None in a local folder, which keeps no hashes.
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
        """What its categories are of: the nine, where it names nothing else.

        Raises SafetyPairsError where the manifest's word on it is damaged.
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
        """What people said of its pairs, by pair id; of those that nobody has reviewed, nothing.

        Raises SafetyPairsError where the file of reviews is missing, or does not read.
        """
        if reviews.NAME not in (self.head.get("sidecars") or {}):
            return {}
        with reading(f"{self.name}: {reviews.NAME}", "see: safetypairs verify"):
            return reviews.load(self.fetch(reviews.NAME), self.columns.rows)

    def rows(self, file: str, pair_ids: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Some columns of some pairs of a data file; of policy pairs the image is both members, and no text is there.

        Raises:
            SafetyPairsError: the file does not read, or lacks a column.
        """
        with reading(f"{self.name}: {file}", "see: safetypairs verify"):
            path = self.fetch(file)
            open_rows_file(path).close()
            of_policies = file.startswith(POLICY_PAIRS)
            read = list(POLICY_PAIR_COLUMNS) if of_policies else columns
            chosen = pq.read_table(path, columns=read, filters=[("pair_id", "in", pair_ids)], partitioning=None)
            if of_policies:
                return [{name: as_pair(row).get(name) for name in columns} for row in chosen.to_pylist()]
            return list(chosen.select(columns).to_pylist())

    @cached_property
    def stored(self) -> Mapping[str, Stored | None]:
        return self.listing()


class Published(Protocol):
    """A dataset that was published: on the Hub, where each version has a tag, or in a folder, which holds one."""

    name: str

    def tags(self) -> dict[Version, str] | None:
        """The versions that can be opened, oldest first, each with its commit; None in a folder, which has no tags."""
        ...

    def newest(self) -> Edition | None:
        """What the main branch, or the folder, holds; None where nothing is published yet."""
        ...

    def open(self, version: Version | None) -> Edition:
        """A version; None is the newest one that is tagged.

        Raises:
            VersionMismatch: there is no such version; the message names those that there are.
            SafetyPairsError: it is not ours, or its manifest does not read.
            HubUnavailable: the Hub did not answer, or not this token.
        """
        ...


def version_of(head: dict[str, Any]) -> Version:
    """The version that a manifest's head names last."""
    return parse(head["releases"][-1]["version"])


def no_version(name: str) -> VersionMismatch:
    """The error for a dataset of which nothing is published yet."""
    return VersionMismatch(f"{name} has no version yet; make one: safetypairs publish RUN {name} --version 1.0.0")
