"""Bind the parts of a build and the guards of an evaluation to the taxonomy that they use."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import ClassVar, Self, TypeVar

from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

Part = TypeVar("Part")


class AsksByTaxonomy:
    """A part whose questions follow the policies of a taxonomy: the nine, until it is bound to another one.

    The taxonomy is not a setting of the part: it comes from the run, or from the data.
    """

    # The cached properties that depend on the taxonomy.
    by_taxonomy: ClassVar[tuple[str, ...]] = ()

    @property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy that the part uses."""
        found: Taxonomy = self.__dict__.get("_taxonomy", NINE)
        return found

    @property
    def unbound(self) -> Self:
        """The part that `under` made this one from, with which it shares the model; otherwise this part."""
        found: Self = self.__dict__.get("_unbound", self)
        return found

    def under(self, taxonomy: Taxonomy) -> Self:
        """Return a copy of this part for another taxonomy. Both share the model."""
        if taxonomy == self.taxonomy:
            return self
        bound = copy.copy(self)
        for name in self.by_taxonomy:
            bound.__dict__.pop(name, None)
        bound.__dict__["_taxonomy"], bound.__dict__["_unbound"] = taxonomy, self.unbound
        return bound


def bind(part: Part, taxonomy: Taxonomy) -> Part:
    """Return a part for a taxonomy. A part without a method `under` uses no taxonomy and is returned unchanged."""
    under: Callable[[Taxonomy], Part] | None = getattr(part, "under", None)
    return part if under is None else under(taxonomy)
