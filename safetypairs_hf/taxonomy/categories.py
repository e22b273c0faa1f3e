"""A taxonomy: the categories of a dataset, each with its policy and its counterpart among the nine.

The division into nine categories and the three variants of a policy (default, relaxed, strict) follow LlavaGuard
(https://arxiv.org/abs/2406.05113); the wordings are our own.
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
PACKAGED: Final = "safetypairs"  # the id of the taxonomy in this package


@dataclass(frozen=True)
class Category:
    """A category with the lines of its policy.

    Args:
        slug: Its name in columns, configs and folders.
        name: Its name for people.
        scope: Its topic, in one sentence.
        should_not: What an image should not show; allowed if the category is set to not violate.
        can: What every variant allows.
        never: What no variant allows.
        default_only: What the default variant allows and the sensitive variant does not.
        code: A short code, such as O3, that labels of other datasets may use; "" if there is none.
        maps_to: The slug of its counterpart among the nine, for guards trained on their own categories; "" if there is
            none.
        never_add: Words that an edit may not add to an image, in addition to those of `maps_to` and of all categories.
        unless: Harmless phrases that contain such a word.
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
        """Return the policy text that a judge or a guard is shown.

        Args:
            variant: "default"; "not_violating", in which images of the category are allowed; "sensitive", in which its
                borderline is not allowed either.

        Raises:
            SafetyPairsError: There is no such variant.
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
        """Return its fields as JSON values, without optional fields that are empty."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        order = ("slug", "name", "code", "maps_to", "scope", "never", "should_not", "default_only", "can")
        needed = ("slug", "name", "scope", "should_not", "can")
        named = [name for name in (*order, "never_add", "unless") if values[name] or name in needed]
        return {name: list(values[name]) if isinstance(values[name], tuple) else values[name] for name in named}


@dataclass(frozen=True)
class Taxonomy:
    """Categories in a fixed order, which gives the column `category` its numbers within a major version.

    Args:
        id: Its name, such as "safetypairs".
        version: Two or three numbers, such as "1.0". The last one increases for other texts, the first for other
            categories.
        categories: At least one category.
    """

    id: str
    version: str
    categories: tuple[Category, ...]

    @property
    def name(self) -> str:
        """The id and version: `safetypairs@1.0`."""
        return f"{self.id}@{self.version}"

    @cached_property
    def slugs(self) -> tuple[str, ...]:
        """The slugs of the categories, in order."""
        return tuple(category.slug for category in self.categories)

    @cached_property
    def digest(self) -> str:
        """16 hex digits: a hash of all its texts."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def find(self, text: str) -> Category:
        """Return the category that a text names: a code, a slug, a name, or a code followed by any text.

        If the text starts with a code that has a digit, the code alone decides, so that "O3: Sexual Content" and an
        older wording of O3 are the same category. Otherwise slug and name are compared without case and punctuation.

        Raises:
            SafetyPairsError: There is no such category. The message has the nearest one, and all of them.
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
        """Return the policy of a category, which is given as for `find`. See `Category.policy`.

        Raises:
            SafetyPairsError: There is no such category or variant.
        """
        return self.find(category).policy(variant)

    def policy_id(self, category: str, variant: str = "default") -> str:
        """Return the id of the text that `policy` returns: `hate@1.0`, or `hate-sensitive@1.0` for a variant."""
        _check_variant(variant)
        return f"{self.find(category).slug}{'' if variant == 'default' else f'-{variant}'}@{self.version}"

    def number(self, slug: str) -> int:
        """Return the number of a slug in the column `category`."""
        return self.slugs.index(slug)

    def slug_of(self, number: Any) -> Any:
        """Return the slug of a number in the column `category`. Any other value is returned unchanged."""
        return self.slugs[number] if number in range(len(self.slugs)) else number

    def present(self, slugs: Iterable[str]) -> list[str]:
        """Return the given slugs that this taxonomy has, each once, in its order."""
        found = set(slugs)
        return [slug for slug in self.slugs if slug in found]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, which are the content of its YAML file."""
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
    """Return the words of a text in lower case. Two names with equal words mean the same category."""
    return " ".join(re.findall(r"[^\W_]+", as_seen(text).lower()))


def _leads(code: str, text: str) -> bool:
    """Return whether a text starts with a code. A code without a digit never does, as it could be an ordinary word."""
    if not re.search(r"\d", code):
        return False
    return re.match(rf"\s*{re.escape(code)}(?![a-z0-9])", text, re.IGNORECASE) is not None


def _check_variant(variant: str) -> None:
    if variant not in VARIANTS:
        raise SafetyPairsError(f"no policy variant {variant!r}; there are {', '.join(VARIANTS)}")


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
