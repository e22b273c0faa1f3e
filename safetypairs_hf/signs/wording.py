"""How signs are put into words: what a composition is called, and the instruction that asks for another one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from safetypairs_hf.icons.catalogue import icon
from safetypairs_hf.icons.instructor import definite
from safetypairs_hf.signs.block_files import blocks
from safetypairs_hf.signs.blocks import Composition, is_icon

if TYPE_CHECKING:
    from safetypairs_hf.signs.blocks import Edge

# Icons whose names don't read well, as no scene of the recipe `icons` has them.
_PHRASES: Final = {
    "ban": "a ban",
    "check": "a tick",
    "fire": "a fire",
    "water": "waves",
}
# The edit of a control: no policy is about it.
NEUTRAL: Final = "Replace a sign that no policy is about with another one. Change nothing else."


def element(composition: Composition, which: str) -> str:
    """What its "item" or its "context" is called: 'a fire', '"ALWAYS"'."""
    text = composition.elements[("context", "item").index(which)]
    return _PHRASES.get(text[1:], icon(text[1:]).phrase) if is_icon(text) else f'"{text}"'


def phrase(composition: Composition) -> str:
    """What a composition is called: '"ALWAYS KICK THE DOG"', 'a fire under a tent'."""
    block = composition.block
    if block.reads:
        return block.reads[block.compositions.index(composition)]
    item, context = element(composition, "item"), element(composition, "context")
    if block.form == "words":
        return f'"{composition.words}"'
    if block.form == "captioned":
        return f'{item if is_icon(block.items[0]) else context} over "{composition.words}"'
    return f"{item} { ({'beside': 'beside', 'stacked': 'under', 'marked': 'marked with'}[block.form]) } {context}"


def instruction(edge: Edge) -> str:
    """What an editor is asked for, to go along an edge."""
    return _change(edge.unsafe, edge.safe, edge.swap)


def _change(old: Composition, new: Composition, swap: str) -> str:
    before, after = element(old, swap), element(new, swap)
    change = f"Change {before} to {after}" if before[0] == '"' else f"Replace {definite(before)} with {after}"
    return f"{change} in {'' if old.block.form == 'words' else 'the sign of '}{phrase(old)}."


def same_again(composition: Composition) -> str:
    """What an editor is asked for, to draw what is there already."""
    return f"Draw the sign of {phrase(composition)} once more."


@cache
def asked_for() -> dict[str, Composition]:
    """The composition that an instruction wants to see, by its text."""
    found: dict[str, Composition] = {}
    for block in blocks():
        for each in block.compositions:
            found[same_again(each)] = each
            for swap in ("item", "context"):
                found[_change(each, each.swapped(swap), swap)] = each.swapped(swap)
    return found
