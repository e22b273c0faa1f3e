"""The differences between two taxonomies, and the version step that they need: `safetypairs taxonomy diff A B`.

Changed texts (names, codes, policy lines, the counterpart of a category) need a minor step: every published pair keeps
its column, number and folder. Changed categories, or another order of them, need a major step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.taxonomy.categories import Category, Taxonomy
from safetypairs_hf.taxonomy.taxonomy_file import read_any

NONE, MINOR, MAJOR = "none", "minor", "major"
_FIELDS: Final = tuple(field.name for field in fields(Category) if field.name != "slug")


@dataclass(frozen=True)
class TaxonomyDifference:
    """The difference between two taxonomies.

    Args:
        old: The taxonomy before.
        new: The taxonomy after.
        changes: What differs, one line each.
        step: The least version step: "none", "minor" (texts) or "major" (categories).
        fault: Why `new` cannot follow `old` under its name, or "".
    """

    old: Taxonomy
    new: Taxonomy
    changes: tuple[str, ...]
    step: str
    fault: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "from": self.old.name,
            "to": self.new.name,
            "step": self.step,
            "changes": list(self.changes),
            "fault": self.fault or None,
        }

    def __str__(self) -> str:
        title = f"{self.old.name} to {self.new.name}"
        if self.step == NONE:
            return f"{title}: nothing differs"
        what = "categories" if self.step == MAJOR else "words"
        lines = [f"{title}:", *(f"  {change}" for change in self.changes), f"a {self.step} version, for other {what}"]
        return "\n".join([*lines, *([self.fault] if self.fault else [])])


def diff(old: str | Path | Taxonomy, new: str | Path | Taxonomy) -> TaxonomyDifference:
    """Compare two taxonomies.

    Args:
        old: The taxonomy before: a file, a name as for `read`, or a Taxonomy.
        new: The taxonomy after.

    Returns:
        What differs, and the version step that it needs. It prints as text.

    Raises:
        SafetyPairsError: One of them cannot be read, or has faults.
    """
    before, after = read_any(old), read_any(new)
    other = tuple(_other_categories(before, after))
    changes = (*other, *_other_words(before, after))
    step = MAJOR if other else MINOR if changes else NONE
    return TaxonomyDifference(before, after, changes, step, _fault(before, after, step))


def _other_categories(old: Taxonomy, new: Taxonomy) -> Iterator[str]:
    if old.id != new.id:
        yield f"another taxonomy: {old.id} is now {new.id}"
    yield from (f"{slug}: removed" for slug in old.slugs if slug not in new.slugs)
    yield from (f"{slug}: added" for slug in new.slugs if slug not in old.slugs)
    kept = [slug for slug in old.slugs if slug in new.slugs]
    if kept != [slug for slug in new.slugs if slug in old.slugs]:
        yield f"the order is now {', '.join(new.slugs)}"


def _other_words(old: Taxonomy, new: Taxonomy) -> Iterator[str]:
    before = {category.slug: category for category in old.categories}
    for category in new.categories:
        if category.slug in before:
            for name in _FIELDS:
                was, now = getattr(before[category.slug], name), getattr(category, name)
                if was != now:
                    yield f"{category.slug}: {name} {_told(was, now)}"


def _told(was: Any, now: Any) -> str:
    if isinstance(was, str):
        return f"was {was!r} and is {now!r}"
    gone, came = [line for line in was if line not in now], [line for line in now if line not in was]
    said = [*(f"lost {line!r}" for line in gone), *(f"got {line!r}" for line in came)]
    return ", ".join(said) or "has its lines in another order"


def _fault(old: Taxonomy, new: Taxonomy, step: str) -> str:
    """Return what is wrong with the version of `new`, or "". Rows cite it, so changed texts need a new version."""
    was, now = _numbers(old.version), _numbers(new.version)
    if old.id != new.id or old == new:
        return ""
    if step == NONE:
        wanted = old.version if now < was else ""
    elif step == MAJOR:
        wanted = f"{was[0] + 1}.0" if now[0] <= was[0] else ""
    else:
        wanted = f"{was[0]}.{was[1] + 1}" if now <= was else ""
    return f"{new.name} follows {old.name}: give it version {wanted} or later" if wanted else ""


def _numbers(version: str) -> tuple[int, ...]:
    found = [int(number) for number in version.split(".")]
    return (*found, *[0] * (3 - len(found)))
