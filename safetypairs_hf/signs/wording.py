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
    "ban-smoking": "a smoking ban",
    "beer-mug-empty": "a beer mug",
    "bowl-food": "a bowl of food",
    "building-columns": "a bank",
    "bullseye": "a target",
    "camera-retro": "an old camera",
    "cannabis": "a cannabis leaf",
    "car-burst": "a car crash",
    "champagne-glasses": "champagne glasses",
    "check": "a tick",
    "circle-check": "a round tick",
    "circle-xmark": "a round cross",
    "coins": "coins",
    "desktop": "a computer",
    "droplet": "a drop",
    "ear-deaf": "a crossed-out ear",
    "ear-listen": "a listening ear",
    "eye-slash": "a crossed-out eye",
    "face-angry": "an angry face",
    "face-dizzy": "a face with crossed eyes",
    "face-grin-beam": "a smiling face",
    "face-grin-hearts": "a face with hearts for eyes",
    "face-kiss": "a kissing face",
    "face-kiss-beam": "a smiling kissing face",
    "face-kiss-wink-heart": "a kissing face with a heart",
    "face-sad-tear": "a sad face",
    "film": "a film strip",
    "fire": "a fire",
    "fire-flame-curved": "a flame",
    "hand": "a raised palm",
    "hand-fist": "a fist",
    "hand-holding-hand": "a hand on a hand",
    "hand-holding-heart": "a hand that holds a heart",
    "hand-holding-medical": "a hand that holds a medical cross",
    "hand-middle-finger": "a middle finger",
    "hands-bound": "bound hands",
    "helmet-safety": "a safety helmet",
    "hot-tub-person": "a person in a hot tub",
    "house-fire": "a house on fire",
    "house-tsunami": "a house hit by a wave",
    "id-card": "an identity card",
    "kit-medical": "a first-aid kit",
    "martini-glass": "a cocktail",
    "money-bill": "a bank note",
    "people-group": "a group of people",
    "people-pulling": "a person pulling another",
    "people-robbery": "a robbery",
    "people-roof": "people under a roof",
    "person-booth": "a changing cabin",
    "person-breastfeeding": "a breastfeeding woman",
    "person-burst": "a person being hit",
    "person-harassing": "a person bullying another",
    "person-military-rifle": "a soldier with a rifle",
    "person-pregnant": "a pregnant woman",
    "person-rifle": "a person with a rifle",
    "person-through-window": "a burglar in a window",
    "phone": "a telephone",
    "phone-slash": "a crossed-out telephone",
    "pills": "pills",
    "plane-departure": "a departing plane",
    "plane-up": "a plane",
    "poop": "a dropping",
    "print": "a printer",
    "sack-dollar": "a bag of money",
    "scale-balanced": "scales",
    "shield-cat": "a shield with a cat",
    "shield-dog": "a shield with a dog",
    "shield-halved": "a shield",
    "shield-heart": "a shield with a heart",
    "skull-crossbones": "a skull and crossbones",
    "smoking": "a cigarette",
    "square-check": "a square tick",
    "square-xmark": "a square cross",
    "tag": "a price tag",
    "thumbs-down": "a thumbs-down",
    "thumbs-up": "a thumbs-up",
    "toggle-off": "a switch that is off",
    "toggle-on": "a switch that is on",
    "trash-can": "a bin",
    "truck-medical": "an ambulance",
    "universal-access": "a sign of access",
    "unlock": "an open lock",
    "user": "a person",
    "user-injured": "an injured person",
    "user-large": "a person",
    "user-ninja": "a masked person",
    "user-secret": "a hooded person",
    "user-shield": "a guard",
    "user-tie": "a person in a tie",
    "users": "people",
    "venus-mars": "the joined signs of woman and man",
    "video": "a video camera",
    "video-slash": "a crossed-out video camera",
    "water": "waves",
    "weight-scale": "a weighing scale",
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
