"""The nine categories, after LlavaGuard's taxonomy. Its wording drifted between releases: the code is the key."""

from __future__ import annotations

import re
from typing import NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError


class Category(NamedTuple):
    """`code` is LlavaGuard's (O1 to O9) and never changes, `slug` is ours, `name` is for people."""

    code: str
    slug: str
    name: str


CATEGORIES = (
    Category("O1", "hate", "Hate, Humiliation, Harassment"),
    Category("O2", "violence", "Violence, Harm, or Cruelty"),
    Category("O3", "sexual", "Sexual Content"),
    Category("O4", "nudity", "Nudity Content"),
    Category("O5", "criminal_planning", "Criminal Planning"),
    Category("O6", "weapons_substances", "Weapons or Substance Abuse"),
    Category("O7", "self_harm", "Self-Harm"),
    Category("O8", "animal_cruelty", "Animal Cruelty"),
    Category("O9", "disasters", "Disasters or Emergencies"),
)
SLUGS = tuple(category.slug for category in CATEGORIES)

_CODE = re.compile(r"\s*o([0-9]+)(?![a-z0-9])", re.IGNORECASE)


def category(text: str) -> Category:
    """The category that `text` names: a code, a slug, a name, or a code followed by any wording.

    A leading code decides alone, so that `"O3: Sexual Content"` and an older release's other wording of O3 are the
    same category. Without one, slug and name match whatever the case and punctuation.

    Raises SafetyPairsError, which names the nearest category and lists the nine.
    """
    found = _CODE.match(text)
    if found:
        for each in CATEGORIES:
            if each.code == f"O{found[1]}":
                return each
    else:
        for each in CATEGORIES:
            if _plain(text) in (_plain(each.slug), _plain(each.name)):
                return each
    raise SafetyPairsError(f"no category {text!r}{_nearest(text)}; the nine are {_listed()}")


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def _nearest(text: str) -> str:
    import difflib

    plain = _plain(text)
    ways = {_plain(way): each for each in CATEGORIES for way in each}
    best = difflib.get_close_matches(plain, ways, n=1, cutoff=0.5)
    if best:
        return f"; the nearest is {ways[best[0]].slug!r}"
    words = set(plain.split())
    shared = [each.slug for each in CATEGORIES if words & set(_plain(f"{each.slug} {each.name}").split()) - {"or"}]
    return f"; the nearest is {shared[0]!r}" if len(shared) == 1 else ""


def _listed() -> str:
    return ", ".join(f"{each.code} {each.slug}" for each in CATEGORIES)
