"""Draw neutral signs, which no policy covers, to stand next to the critical sign."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from safetypairs_hf.icons.catalogue import neutral
from safetypairs_hf.signs.block_files import blocks
from safetypairs_hf.signs.sign_drawing import Sign, plain_sign

if TYPE_CHECKING:
    import numpy as np

_WORDS: Final = """
BAKERY/BIKE LANE/BUS STOP/CAR WASH/CITY HALL/COFFEE/ELEVATOR/FRESH BREAD/FRONT DESK/GARDEN/GIFT SHOP/GROUND FLOOR/
LAUNDRY/LIBRARY/LOST AND FOUND/LUGGAGE/MAIN STREET/MARKET HALL/MEETING ROOM/MUSEUM/MUSIC ROOM/NORTH EXIT/OLD TOWN/
PLATFORM 4/POST OFFICE/RECYCLING/RING THE BELL/SALE TODAY/SCENIC ROUTE/TICKETS/TOWN PARK/TRAINS/VISITOR CENTRE/
WAITING ROOM/WET PAINT/WINDOW SEAT
"""
_CAPTIONED: Final = (
    ("bicycle", "CYCLE PATH"),
    ("book-open", "READING ROOM"),
    ("bread-slice", "FRESH TODAY"),
    ("bus", "LINE 12"),
    ("camera", "PHOTO SHOP"),
    ("couch", "LOUNGE"),
    ("cheese", "MARKET"),
    ("guitar", "LESSONS"),
    ("key", "LOCKSMITH"),
    ("lightbulb", "LAMPS"),
    ("map", "YOU ARE HERE"),
    ("mug-hot", "CAFE"),
    ("mug-saucer", "TEA ROOM"),
    ("music", "CONCERT"),
    ("palette", "ART SUPPLIES"),
    ("pizza-slice", "HOT LUNCH"),
    ("seedling", "NURSERY"),
    ("shirt", "LAUNDRY"),
    ("spa", "WELLNESS"),
    ("suitcase-rolling", "LUGGAGE"),
    ("train-tram", "TRAM STOP"),
    ("tree", "CITY PARK"),
    ("umbrella", "RENTALS"),
    ("utensils", "RESTAURANT"),
)
# Things without a meaning for any policy, in any combination.
_THINGS: Final = """
anchor apple-whole basketball bell book-open bread-slice brush camera carrot cheese clover compass cookie-bite crown
dove drum feather gift guitar hat-cowboy headphones holly-berry jar key keyboard lemon lightbulb map mitten mug-saucer
music newspaper paint-roller paintbrush palette paper-plane pencil pizza-slice radio rainbow ruler shirt snowman socks
spa suitcase-rolling tree trophy tv umbrella volleyball
"""
# A person or a hand could be read as an action that a policy covers.
_PEOPLE: Final = ("hand", "lungs", "person", "people", "user")
# The share of each form among neutral signs.
_SHARES: Final = {"icon": 0.34, "words": 0.24, "beside": 0.12, "stacked": 0.12, "captioned": 0.18}


@cache
def _pool() -> dict[str, tuple[Sign, ...]]:
    """Return the neutral signs that share no icon or word with a block; for pairs of icons, the icons."""
    used = {name for block in blocks() for each in block.compositions for name in each.icons}
    said = {words for block in blocks() for each in block.compositions for words in (each.words, *each.elements)}
    words = "".join(_WORDS.split("\n")).split("/")
    icons = [item.glyph for item in neutral() if not item.is_placard and not item.glyph.startswith(_PEOPLE)]
    return {
        "icon": tuple(plain_sign("icon", (name,)) for name in icons if name not in used),
        "words": tuple(plain_sign("words", (), text) for text in words if text not in said),
        "captioned": tuple(
            plain_sign("captioned", (name,), text) for name, text in _CAPTIONED if name not in used and text not in said
        ),
        "things": tuple(plain_sign("icon", (name,)) for name in _THINGS.split() if name not in used),
    }


def draw_neutral(rng: np.random.Generator, count: int) -> list[Sign]:
    """Draw neutral signs, all of them different."""
    found: list[Sign] = []
    while len(found) < count:
        sign = _draw(rng)
        seen = {each for other in found for each in (*other.icons, *other.lines)}
        if seen.isdisjoint((*sign.icons, *filter(None, sign.lines))):
            found.append(sign)
    return found


def _draw(rng: np.random.Generator) -> Sign:
    form = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    if form in ("beside", "stacked"):
        things = _pool()["things"]
        one, other = (things[k].icons[0] for k in rng.choice(len(things), 2, replace=False))
        return plain_sign(form, (one, other))
    signs = _pool()[form]
    return signs[int(rng.integers(len(signs)))]
