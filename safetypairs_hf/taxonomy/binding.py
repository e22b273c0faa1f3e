"""Bind the parts of a build and the guards of an evaluation to the taxonomy that they ask by."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import ClassVar, Self, TypeVar

from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

Part = TypeVar("Part")


class AsksByTaxonomy:
    """A part that asks by the policies of a taxonomy: of the nine, until it is bound to another one.

    Which one it is, is no setting of the part: it comes with the run, or with the data that it is asked about.
    """

    # The cached properties that depend on the taxonomy.
    by_taxonomy: ClassVar[tuple[str, ...]] = ()

    @property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy that it asks by."""
        found: Taxonomy = self.__dict__.get("_taxonomy", NINE)
        return found

    @property
    def unbound(self) -> Self:
        """The part that it was made of by `under`, whose model it shares; itself where it was made of none."""
        found: Self = self.__dict__.get("_unbound", self)
        return found

    def under(self, taxonomy: Taxonomy) -> Self:
        """Return this part, asking by another taxonomy. It shares the model of this one."""
        if taxonomy == self.taxonomy:
            return self
        bound = copy.copy(self)
        for name in self.by_taxonomy:
            bound.__dict__.pop(name, None)
        bound.__dict__["_taxonomy"], bound.__dict__["_unbound"] = taxonomy, self.unbound
        return bound


def bind(part: Part, taxonomy: Taxonomy) -> Part:
    """Return a part that asks by a taxonomy; a part that has no method `under` asks by none, and stays as it is."""
    under: Callable[[Taxonomy], Part] | None = getattr(part, "under", None)
    return part if under is None else under(taxonomy)
