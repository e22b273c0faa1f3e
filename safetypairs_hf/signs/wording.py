"""Describe signs in words: the name of a composition, and the instruction that asks for another one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from safetypairs_hf.icons.catalogue import icon
from safetypairs_hf.icons.instructor import definite
from safetypairs_hf.signs.block_files import blocks
from safetypairs_hf.signs.blocks import Composition, is_icon

if TYPE_CHECKING:
    from safetypairs_hf.signs.blocks import Edge

# Phrases for icons whose names do not read well and that the recipe `icons` does not use.
_PHRASES: Final = {
    "ban": "a ban",
    "ban-smoking": "a smoking ban",
    "beer-mug-empty": "a beer mug",
    "bowl-food": "a bowl of food",
    "building-columns": "a bank",
    "camera-retro": "an old camera",
    "cannabis": "a cannabis leaf",
    "car-burst": "a car crash",
    "champagne-glasses": "two glasses of champagne",
    "check": "a tick",
    "children": "children",
    "circle-check": "a tick",
    "circle-xmark": "a cross",
    "coins": "coins",
    "desktop": "a computer",
    "ear-deaf": "a deaf ear",
    "ear-listen": "a listening ear",
    "eye-slash": "a crossed-out eye",
    "face-angry": "an angry face",
    "face-dizzy": "a face with crossed eyes",
    "face-grin-beam": "a happy face",
    "face-grin-hearts": "a loving face",
    "face-kiss": "a kissing face",
    "face-kiss-beam": "a smiling kiss",
    "face-kiss-wink-heart": "a kiss with a heart",
    "face-sad-tear": "a sad face",
    "film": "a strip of film",
    "fire": "a fire",
    "fire-flame-curved": "a flame",
    "hand": "a raised palm",
    "hand-fist": "a fist",
    "hand-holding-hand": "a helping hand",
    "hand-holding-heart": "a hand that offers a heart",
    "hand-holding-medical": "a hand that offers first aid",
    "hand-middle-finger": "a middle finger",
    "hands-bound": "bound hands",
    "helmet-safety": "a safety helmet",
    "hot-tub-person": "a person in a hot tub",
    "house-fire": "a house on fire",
    "house-tsunami": "a house hit by a wave",
    "id-card": "an identity card",
    "kit-medical": "a first-aid kit",
    "life-ring": "a life ring",
    "money-bill": "a banknote",
    "people-group": "a group of people",
    "people-pulling": "a person who pulls another",
    "people-robbery": "a robbery",
    "people-roof": "a family under a roof",
    "person-booth": "a changing cabin",
    "person-breastfeeding": "a nursing mother",
    "person-burst": "a person who is hit",
    "person-harassing": "a person who bullies another",
    "person-military-rifle": "a soldier with a rifle",
    "person-pregnant": "a pregnant woman",
    "person-rifle": "a person with a rifle",
    "person-through-window": "a burglar in a window",
    "phone-slash": "a crossed-out phone",
    "pills": "pills",
    "plane-departure": "a plane that takes off",
    "plane-up": "a plane",
    "poop": "a dropping",
    "print": "a printer",
    "restroom": "a restroom",
    "sack-dollar": "a bag of money",
    "scale-balanced": "a pair of scales",
    "shield-cat": "a shield with a cat",
    "shield-dog": "a shield with a dog",
    "shield-halved": "a shield",
    "shield-heart": "a shield with a heart",
    "skull-crossbones": "a skull and crossbones",
    "smoking": "a cigarette",
    "square-check": "a ticked box",
    "square-xmark": "a crossed box",
    "tag": "a price tag",
    "thumbs-down": "a thumb down",
    "thumbs-up": "a thumb up",
    "toggle-off": "a switch that is off",
    "toggle-on": "a switch that is on",
    "trash-can": "a bin",
    "truck-medical": "an ambulance",
    "universal-access": "an access symbol",
    "unlock": "an open lock",
    "user": "a person",
    "user-injured": "a wounded person",
    "user-large": "a person",
    "user-ninja": "a masked thief",
    "user-secret": "a hooded thief",
    "user-shield": "a guard",
    "user-tie": "a clerk",
    "users": "a group of people",
    "venus-mars": "a couple",
    "video": "a video camera",
    "video-slash": "a crossed-out video camera",
    "water": "waves",
    "weight-scale": "a weighing scale",
}
# The edit of a control, which no policy covers.
NEUTRAL: Final = "Replace a sign that no policy is about with another one. Change nothing else."


def element(composition: Composition, which: str) -> str:
    """Return the name of its "item" or its "context": 'a fire', '"ALWAYS"'."""
    text = composition.elements[("context", "item").index(which)]
    return _PHRASES.get(text[1:], icon(text[1:]).phrase) if is_icon(text) else f'"{text}"'


def phrase(composition: Composition) -> str:
    """Return the name of a composition: '"ALWAYS KICK THE DOG"', 'a fire under a tent'."""
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
    """Return the instruction for an edge."""
    return _change(edge.unsafe, edge.safe, edge.swap)


def _change(old: Composition, new: Composition, swap: str) -> str:
    before, after = element(old, swap), element(new, swap)
    change = f"Change {before} to {after}" if before[0] == '"' else f"Replace {definite(before)} with {after}"
    return f"{change} in {'' if old.block.form == 'words' else 'the sign of '}{phrase(old)}."


def same_again(composition: Composition) -> str:
    """Return the instruction to draw the present sign again."""
    return f"Draw the sign of {phrase(composition)} once more."


@cache
def asked_for() -> dict[str, Composition]:
    """Return the composition that the text of an instruction asks for."""
    found: dict[str, Composition] = {}
    for block in blocks():
        for each in block.compositions:
            found[same_again(each)] = each
            for swap in ("item", "context"):
                found[_change(each, each.swapped(swap), swap)] = each.swapped(swap)
    return found
