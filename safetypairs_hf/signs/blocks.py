"""Define blocks: squares of two items and two contexts, in which neither alone determines the label.

            context C   context D
    item A  unsafe      safe
    item B  safe        unsafe

A composition is one cell of the square. An edge leads from an unsafe cell to a safe one by swapping the item or the
context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

# Only text; two icons, side by side or one above the other; an icon with a mark on it; an icon with words below it.
FORMS: Final = ("words", "beside", "stacked", "marked", "captioned")
TWO_ICONS: Final = ("beside", "stacked", "marked")
# The relation that gives a block its meaning.
RELATIONS: Final = (
    "aim",
    "amount",
    "cause",
    "consent",
    "exclusion",
    "negation",
    "offer",
    "omission",
    "order",
    "place",
    "praise",
    "quotation",
    "threat",
    "time",
    "use",
    "warning",
)

Swap = Literal["item", "context"]
SWAPS: Final[tuple[Swap, ...]] = ("item", "context")


@dataclass(frozen=True)
class Block:
    """A square of four compositions of a category.

    `items` are A and B, `contexts` are C and D: words, or ":" and the name of an icon. `text` is the template of the
    words. `breaks` are the policy lines that A in C and B in D break, `permits` those that permit A in D and B in C,
    each as list and position ("never.1"). `heads` are the head items of A in C and of B in D. `reads` are the names of
    A in C, B in D, A in D and B in C in an instruction; () uses the default wording.
    """

    category: str
    name: str
    form: str
    relation: str
    items: tuple[str, str]
    contexts: tuple[str, str]
    breaks: tuple[str, str]
    permits: tuple[str, str]
    heads: tuple[str, str]
    text: str = "{context} {item}"
    reads: tuple[str, ...] = ()

    @property
    def compositions(self) -> tuple[Composition, ...]:
        """Return A in C and B in D (unsafe), then A in D and B in C (safe)."""
        return Composition(self, 0, 0), Composition(self, 1, 1), Composition(self, 0, 1), Composition(self, 1, 0)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Return the four edges. In the first two, and in the last two, each element is once unsafe and once safe."""
        one, other = Composition(self, 0, 0), Composition(self, 1, 1)
        return Edge(one, "item"), Edge(other, "item"), Edge(one, "context"), Edge(other, "context")


class Composition(NamedTuple):
    """A cell of a block: 0 or 1 for its item, and for its context."""

    block: Block
    item: int
    context: int

    @property
    def is_unsafe(self) -> bool:
        return self.item == self.context

    @property
    def line(self) -> str:
        """Return the policy line that it breaks, or that permits it, such as "never.1"."""
        return (self.block.breaks if self.is_unsafe else self.block.permits)[self.item]

    @property
    def icons(self) -> tuple[str, ...]:
        """Return the names of its icons, the context's first."""
        return tuple(each[1:] for each in self.elements if is_icon(each))

    @property
    def elements(self) -> tuple[str, str]:
        """Return the context and the item."""
        return self.block.contexts[self.context], self.block.items[self.item]

    @property
    def words(self) -> str:
        """Return the words on the plate; "" if it shows only icons."""
        context, item = ("" if is_icon(each) else each for each in self.elements)
        if not context and not item:
            return ""
        return " ".join(self.block.text.replace("{context}", context).replace("{item}", item).split())

    @property
    def shows(self) -> tuple[str, tuple[str, ...], str]:
        """Return everything that its drawing depends on except the size of its letters: form, icons, words."""
        return self.block.form, self.icons, self.words

    def swapped(self, swap: Swap) -> Composition:
        """Return the cell with the other item, or with the other context."""
        return self._replace(item=1 - self.item) if swap == "item" else self._replace(context=1 - self.context)


class Edge(NamedTuple):
    """A step from an unsafe composition to a safe one."""

    unsafe: Composition
    swap: Swap

    @property
    def safe(self) -> Composition:
        return self.unsafe.swapped(self.swap)


class Feature(NamedTuple):
    """An unsafe feature: the line that it breaks, and the lines that permit it with the other context or item."""

    category: str
    line: str
    relation: str
    head: str
    block: str
    permitted_by: tuple[str, str]


def features_of(blocks: tuple[Block, ...]) -> tuple[Feature, ...]:
    """Return the two unsafe features of each block."""
    return tuple(
        Feature(
            block.category,
            block.breaks[k],
            block.relation,
            block.heads[k],
            block.name,
            (block.permits[k], block.permits[1 - k]),
        )
        for block in blocks
        for k in (0, 1)
    )


def is_icon(element: str) -> bool:
    """Return whether an item or a context is an icon."""
    return element.startswith(":")
