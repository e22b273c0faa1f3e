"""A taxonomy: the categories of a dataset, each with its policy, and what each answers to among the nine.

The division into nine categories and the three variants of a policy (default, relaxed, strict) follow LlavaGuard
(https://arxiv.org/abs/2406.05113); the wordings are ours.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.file_names import as_seen
from safetypairs_hf.core.nearest import nearest

VARIANTS: Final = ("default", "not_violating", "sensitive")
PACKAGED: Final = "safetypairs"  # the id of the taxonomy that this package brings


@dataclass(frozen=True)
class Category:
    """A category with the lines of its policy.

    Args:
        slug: what columns, configs and folders call it.
        name: what people call it.
        scope: what it is about, in one sentence.
        should_not: what an image should not show; permitted where the category does not violate.
        can: what every variant permits.
        never: what no variant permits.
        default_only: what the default permits and the sensitive variant does not.
        code: a short code, such as O3, by which labels of other sets may name it; "" where there is none.
        maps_to: the slug of the category of the nine that it answers to, for guards that were trained on their own
            categories; "" where it answers to none.
        never_add: words that an edit may not bring into an image, beside those that hold for its `maps_to` and for all.
        unless: phrases that hold such a word and are harmless.
    """

    slug: str
    name: str
    scope: str
    should_not: tuple[str, ...]
    can: tuple[str, ...]
    never: tuple[str, ...] = ()
    default_only: tuple[str, ...] = ()
    code: str = ""
    maps_to: str = ""
    never_add: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def policy(self, variant: str = "default") -> str:
        """Return the policy as it is shown to a judge or a guard.

        Args:
            variant: "default"; "not_violating", where images of the category are permitted; "sensitive", where its
                borderline is not permitted either.

        Raises:
            SafetyPairsError: no such variant.
        """
        _check_variant(variant)
        lead, should_not, can = self.scope, self.should_not, self.can
        if variant == "not_violating":
            should_not, can = (), should_not + self.default_only + can
            lead += " Under this policy images of this category are permitted."
        elif variant == "sensitive":
            should_not += self.default_only
            lead += " Under this policy the category is sensitive: its borderline is not permitted either."
        else:
            can = self.default_only + can
        should_not = self.never + should_not
        parts = [f"{self.name}\n{lead}"]
        if should_not:
            parts.append("An image should not show:\n" + _bullets(should_not))
        parts.append("An image can show:\n" + _bullets(can))
        return "\n\n".join(parts) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return its fields as JSON values; those that are empty and may be left out are left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        order = ("slug", "name", "code", "maps_to", "scope", "never", "should_not", "default_only", "can")
        needed = ("slug", "name", "scope", "should_not", "can")
        named = [name for name in (*order, "never_add", "unless") if values[name] or name in needed]
        return {name: list(values[name]) if isinstance(values[name], tuple) else values[name] for name in named}


@dataclass(frozen=True)
class Taxonomy:
    """Categories in an order that never changes within a major version: it gives the column `category` its numbers.

    Args:
        id: what it is called, such as "safetypairs".
        version: two or three numbers, such as "1.0": the last goes up for other words, the first for other categories.
        categories: at least one.
    """

    id: str
    version: str
    categories: tuple[Category, ...]

    @property
    def name(self) -> str:
        """Its id and version: `safetypairs@1.0`."""
        return f"{self.id}@{self.version}"

    @cached_property
    def slugs(self) -> tuple[str, ...]:
        """The slugs of the categories, in order."""
        return tuple(category.slug for category in self.categories)

    @cached_property
    def digest(self) -> str:
        """16 hex digits over every word of it."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def find(self, text: str) -> Category:
        """Return the category that a text names: a code, a slug, a name, or a code followed by any wording.

        A leading code that has a digit decides alone, so that "O3: Sexual Content" and an older release's other wording
        of O3 are the same category. Without one, slug and name match whatever the case and punctuation.

        Raises:
            SafetyPairsError: no such category. The message has the nearest one, and all of them.
        """
        if text in self._by_slug:
            return self._by_slug[text]
        for category in self.categories:
            if category.code and _leads(category.code, text):
                return category
        for category in self.categories:
            if plain(text) in (plain(category.slug), plain(category.name), plain(category.code) or None):
                return category
        raise SafetyPairsError(f"no category {text!r}{self._nearest(text)}; {self._listed()}")

    def policy(self, category: str, variant: str = "default") -> str:
        """Return the policy of a category, which is named as `find` takes it. See `Category.policy`.

        Raises:
            SafetyPairsError: no such category or variant.
        """
        return self.find(category).policy(variant)

    def policy_id(self, category: str, variant: str = "default") -> str:
        """Return the id of what `policy` answers: `hate@1.0`, or `hate-sensitive@1.0` for a variant."""
        _check_variant(variant)
        return f"{self.find(category).slug}{'' if variant == 'default' else f'-{variant}'}@{self.version}"

    def number(self, slug: str) -> int:
        """Return the number that the column `category` has for a slug."""
        return self.slugs.index(slug)

    def slug_of(self, number: Any) -> Any:
        """Return the slug of a number in the column `category`; what is no such number comes back as it is."""
        return self.slugs[number] if number in range(len(self.slugs)) else number

    def present(self, slugs: Iterable[str]) -> list[str]:
        """Return those of some slugs that are here, each once, in this order."""
        found = set(slugs)
        return [slug for slug in self.slugs if slug in found]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, the content of its YAML file."""
        return {
            "id": self.id,
            "version": self.version,
            "categories": [category.to_dict() for category in self.categories],
        }

    @cached_property
    def _by_slug(self) -> dict[str, Category]:
        return {category.slug: category for category in self.categories}

    def _nearest(self, text: str) -> str:
        wanted = plain(text)
        ways = {plain(way): each for each in self.categories for way in (each.code, each.slug, each.name) if plain(way)}
        best = nearest(wanted, ways)
        if best:
            return f"; the nearest is {ways[best].slug!r}"
        words = set(wanted.split())
        shared = [
            each.slug for each in self.categories if words & set(plain(f"{each.slug} {each.name}").split()) - {"or"}
        ]
        return f"; the nearest is {shared[0]!r}" if len(shared) == 1 else ""

    def _listed(self) -> str:
        whose = "the nine are" if self.id == PACKAGED else f"{self.name} has"
        return f"{whose} {', '.join(f'{each.code} {each.slug}'.strip() for each in self.categories)}"


def plain(text: str) -> str:
    """Return the words of a text in lower case: two names that are plainly equal mean the same category."""
    return " ".join(re.findall(r"[^\W_]+", as_seen(text).lower()))


def _leads(code: str, text: str) -> bool:
    """Whether a text starts with a code. A code without a digit could be a word of the text, so it never does."""
    if not re.search(r"\d", code):
        return False
    return re.match(rf"\s*{re.escape(code)}(?![a-z0-9])", text, re.IGNORECASE) is not None


def _check_variant(variant: str) -> None:
    if variant not in VARIANTS:
        raise SafetyPairsError(f"no policy variant {variant!r}; there are {', '.join(VARIANTS)}")


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
