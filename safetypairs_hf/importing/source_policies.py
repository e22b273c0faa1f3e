"""Make a taxonomy from a source's own policies: a category for each distinct text."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_yaml import RESERVED, from_values

MOST: Final = 50  # policies; a column with more holds something else
MOST_OF_PAIRS: Final = 1000  # policies of policy pairs, which vary the policy
_LONGEST: Final = 600  # characters of a line, the limit of a taxonomy
_CAN: Final = "What the policy does not name."


def taxonomy_of(
    policies: Iterable[tuple[str, str | None]], name: str, most: int = MOST
) -> tuple[Taxonomy, dict[str, str]]:
    """Return a taxonomy of distinct policies, and the slug of each text.

    Args:
        policies: (text, name or None) of each pair.
        name: The name of the source, from which the taxonomy gets its name.
        most: The largest number of texts.

    Raises:
        RecipeError: There are more texts, or the taxonomy that they make is invalid.
    """
    names: dict[str, set[str]] = {}
    for text, named in policies:
        names.setdefault(text, set()).update([named] if named else [])
    if len(names) > most:
        raise RecipeError(
            f"the policy column holds {len(names):,} distinct texts, and at most {most} become categories; name "
            "another column, or give --taxonomy FILE and --category-column"
        )
    if not names:
        raise RecipeError("the policy column is empty; name another: --policy-column COLUMN")
    titles = {text: sorted(found)[0] if len(found) == 1 else "" for text, found in names.items()}
    slugs = _slugs(titles)
    rows = [_category(text, titles[text], slugs[text]) for text in sorted(names, key=lambda text: slugs[text])]
    identity = "-".join([*re.findall(r"[A-Za-z0-9]+", name), "policies"])[-64:].lstrip("-")
    made, faults = from_values({"id": identity, "version": "1.0", "categories": rows}, NINE)
    if made is None:
        raise RecipeError(f"the policies of the source make no taxonomy: {'; '.join(faults[:2])}")
    return made, slugs


def _slugs(titles: Mapping[str, str]) -> dict[str, str]:
    """Return a slug for each text: from its name if no other text has it, else `policy_` and eight hex digits."""
    plain = {text: _slug(title) for text, title in titles.items()}
    counts: dict[str, int] = {}
    for slug in plain.values():
        counts[slug] = counts.get(slug, 0) + 1
    return {
        text: slug if slug and counts[slug] == 1 else f"policy_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        for text, slug in plain.items()
    }


def _slug(title: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", ascii_text).strip("_")[:64].rstrip("_")
    if not slug:
        return ""
    return f"policy_{slug}" if not slug[0].isalpha() or slug in RESERVED else slug


def _category(text: str, title: str, slug: str) -> dict[str, object]:
    """Return a category with the text as its policy: the first line is the scope, the others what must not be shown."""
    first, *others = _lines(text)
    return {
        "slug": slug,
        "name": _title(title, slug),
        "scope": first,
        "should_not": list(dict.fromkeys(others)) or [first],
        "can": [_CAN],
    }


def _title(title: str, slug: str) -> str:
    """Return the name of a policy, with the digits of its slug if another policy has the same name."""
    name, digits = " ".join(title.split())[:100], slug.removeprefix("policy_")
    if not name:
        return f"Policy {digits}"
    return name if _slug(title) == slug else f"{name} ({digits})"


def _lines(text: str) -> list[str]:
    """Return the lines of a policy without list markers, cut at the limit of a taxonomy."""
    found: list[str] = []
    for line in text.splitlines() or [text]:
        plain = "".join(each if each.isprintable() else " " for each in re.sub(r"^\s*(?:[-*•#]+|\d+[.)])\s+", "", line))
        plain = " ".join(plain.split())
        while len(plain) > _LONGEST:
            cut = max(
                plain.rfind(". ", 0, _LONGEST) + 1, plain.rfind(" ", 0, _LONGEST) if ". " not in plain[:_LONGEST] else 0
            )
            cut = cut or _LONGEST
            found.append(plain[:cut].strip())
            plain = plain[cut:].strip()
        if plain:
            found.append(plain)
    return found or ["A policy."]
