"""Apply an erratum to a pair: its row in a data file, and its entry in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.core.records import DIRECTIONS
from safetypairs_hf.dataset.errata import IMAGES, TEXTS
from safetypairs_hf.dataset.manifest import UNREVIEWED, Entry
from safetypairs_hf.dataset.policy_pair_rows import POLICIES
from safetypairs_hf.dataset.row_hash import row_hash
from safetypairs_hf.dataset.schema import unreviewed
from safetypairs_hf.taxonomy.categories import Taxonomy

_TURNED = {"unsafe_to_safe": "safe_to_unsafe", "safe_to_unsafe": "unsafe_to_safe"}


@dataclass(frozen=True)
class Amendment:
    """The changes of a published pair. `now` holds the new values by column, in the form that an erratum has."""

    entry: Entry
    now: Mapping[str, str]

    @property
    def moves(self) -> bool:
        """Whether the pair goes to the files of another category."""
        return not self.entry.is_policy_pair and self.now.get("category", self.entry.category) != self.entry.category

    @property
    def swaps(self) -> bool:
        """Whether the members are exchanged, or the two policies of a policy pair."""
        if self.entry.is_policy_pair:
            return POLICIES[0] in self.now
        return self.now.get(IMAGES[0], self.entry.unsafe_sha256) != self.entry.unsafe_sha256

    @property
    def ends_review(self) -> bool:
        """Whether the review of the pair was made for another label than the new one."""
        return self.swaps or self.moves

    def row(self, row: Mapping[str, Any], taxonomy: Taxonomy) -> dict[str, Any]:
        """Return the changed row of the pair.

        Values that belong to a member move with it: the judges' P(unsafe), and which member was made from which.
        """
        made = dict(row)
        if self.entry.is_policy_pair:
            values = {name: self.now[name] for name in POLICIES}
            return made | values | {"category": taxonomy.number(self.now["category"])}
        if self.swaps:
            made |= {"unsafe_image": row["safe_image"], "safe_image": row["unsafe_image"]}
            made["judges"] = [
                {**judge, "p_unsafe_before": judge["p_unsafe_after"], "p_unsafe_after": judge["p_unsafe_before"]}
                for judge in row["judges"]
            ]
            direction = DIRECTIONS[row["direction"]]
            made["direction"] = DIRECTIONS.index(_TURNED.get(direction, direction))
        if self.moves:
            made["category"] = taxonomy.number(self.now["category"])
        if self.ends_review:
            made["review"] = unreviewed()
        return made | {name: self.now[name] for name in ("policy", *TEXTS) if name in self.now}

    def amended(self, row: Mapping[str, Any], file: str) -> Entry:
        """Return the changed entry of the pair, from its changed row and the file that holds it."""
        entry = self.entry._replace(file=file, category=self.now.get("category", self.entry.category))
        if self.ends_review:
            entry = entry._replace(review=UNREVIEWED)
        if self.swaps:
            entry = entry._replace(
                unsafe_sha256=entry.safe_sha256,
                safe_sha256=entry.unsafe_sha256,
                unsafe_phash=entry.safe_phash,
                safe_phash=entry.unsafe_phash,
            )
        return entry._replace(row_hash=row_hash(row, entry.unsafe_sha256, entry.safe_sha256))
