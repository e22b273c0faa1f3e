"""Check by words whether an edit instruction adds something that the policy forbids. A doubtful one is refused.

What an instruction removes is not checked ("remove the gun", "replace the gun with a flower"). What it adds is matched
with the words in `taxonomy/never_add.yaml` for the one of the nine categories that the category maps to, and with the
taxonomy's own words.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

from safetypairs_hf.taxonomy.categories import Category, Taxonomy
from safetypairs_hf.taxonomy.nine import NINE


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What follows one of these is added, until one of _CHANGES or _ASIDE.
_ADDS = _words_of(
    "add adds adding insert inserting put putting draw drawing paint painting place placing give giving show showing "
    "include including overlay apply attach introduce create creating depict into to by with as hold holds holding "
    "wear wears wearing carry carries carrying aim aims aiming point points pointing brandish grab gets become becomes "
    "resemble so featuring containing dripping stain splash spray"
)
# These change something that is in the image already.
_CHANGES = _words_of(
    "remove removes removing delete erase replace replacing swap swapping substitute change changing turn turning "
    "convert cover covering hide hiding blur crop clean wipe"
)
# What follows is only a place, or is not wanted.
_ASIDE = _words_of(
    "instead rather without no not never free from off away over on near beside behind above under below around at "
    "next in where that which currently existing"
)
# These only remove something: a "with" or a "to" after them describes what is removed.
_ONLY_REMOVES = _words_of("remove removes removing delete erase crop wipe clean")
_MAKES = _words_of("make makes making let have")
_SWAPS = _words_of("replace replacing swap swapping substitute")
_LINKS = _words_of("with to by as into")
_ARTICLES = _words_of("a an the his her its their some another")
_JOINED = (
    (r"\b(?:covered|soaked|dressed|drenched) in\b", "with"),
    (r"\b(dress|clothe|drench|soak|wrap)( (?:\S+ ){1,4}?)in\b", r"\1\2with"),
    (r"\bfull of\b", "with"),
    (r"\bfor (an?)\b", r"with \1"),
    (r"\b(?:next|close) to\b", "near"),
    (r"\bin place of\b", "instead"),
    (r"\bon top of\b", "on"),
)


def forbidden(instruction: str, critical_feature: str, category: str, taxonomy: Taxonomy = NINE) -> str | None:
    """Return the first word that `instruction` adds to the image and `category` forbids, or None.

    `critical_feature` names what the image already shows. It decides which of two "with" belongs to what is replaced:
    in "replace the man with a knife with a cook", the knife is already there if the critical feature names it.
    """
    never, unless = _words(taxonomy.find(category))
    seen = set(_plain(critical_feature))
    for sentence in re.split(r"[.;!?\n]+", instruction):
        for piece in _added(_plain(sentence), seen):
            found = never.search(unless.sub(" ", " ".join(piece)))
            if found:
                return found[0]
    return None


def _plain(text: str) -> list[str]:
    text = " ".join(re.findall(r"[a-z]+(?:-[a-z]+)*", text.lower()))
    for joined, meant in _JOINED:
        text = re.sub(joined, meant, text)
    return text.split()


def _added(words: list[str], seen: set[str]) -> list[list[str]]:
    """Return the runs of words that name what is added."""
    pieces: list[list[str]] = []
    verb, adding, articles, links = "", False, 0, 0
    for index, word in enumerate(words):
        if word in _CHANGES or word in _ASIDE:
            verb = word if word in _CHANGES else verb
            adding, links = False, 0 if word in _CHANGES else links
        elif word in _MAKES:
            verb, adding, articles = "make", False, 0
        elif word in _ADDS and not (verb in _ONLY_REMOVES and word in _LINKS):
            links += word in _LINKS
            verb = verb if word in _LINKS else word
            # "replace the man with a knife with a cook": the first "with" belongs to what is replaced.
            adding = not (verb in _SWAPS and links == 1 and _old(words[index + 1 :], seen))
            pieces.append([])
        elif verb == "make" and word in _ARTICLES and not adding:
            articles += 1  # "make the flower a gun": the second thing is the new one
            adding = articles > 1
            pieces.append([])
        elif adding:
            pieces[-1].append(word)
    return pieces


def _old(rest: list[str], seen: set[str]) -> bool:
    """Return whether the words between a first and a second "with" are in the image, by the words of the feature."""
    ahead = next((number for number, word in enumerate(rest) if word in ("with", "by")), None)
    return ahead is not None and bool(set(rest[:ahead]) - _ARTICLES) and set(rest[:ahead]) - _ARTICLES <= seen


@cache
def _words(category: Category) -> tuple[re.Pattern[str], re.Pattern[str]]:
    import yaml

    file = resources.files("safetypairs_hf.taxonomy") / "never_add.yaml"
    lists: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    known = [lists["every"], *([lists[category.maps_to]] if category.maps_to else [])]
    never = [word for each in known for word in each["never"]] + [*category.never_add]
    unless = [word for each in known for word in each["unless"]] + [*category.unless]
    return _any(never), _any(unless)


def _any(phrases: list[str]) -> re.Pattern[str]:
    longest_first = sorted(phrases, key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, longest_first)) + r")(?:e?s)?\b")
