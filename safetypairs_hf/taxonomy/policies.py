"""Our own policy texts: for each category what an image should not show and what it can, in three variants.

The wordings are ours; only the division into nine categories, and the habit of a default, a relaxed and a strict
variant, follow LlavaGuard (https://arxiv.org/abs/2406.05113). A version, once published, never changes: rows carry
its id in their `policy` column. A new wording is a new `<version>.yaml` here; the old ones stay readable.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.taxonomy.categories import Category
from safetypairs_hf.taxonomy.categories import category as find_category

VARIANTS = ("default", "not_violating", "sensitive")
_ID = re.compile(r"(?P<slug>[a-z_]+)(?:-(?P<variant>[a-z_]+))?@(?P<version>[0-9]+\.[0-9]+)")


def versions() -> tuple[str, ...]:
    """The published versions, oldest first."""
    names = (
        file.name.removesuffix(".yaml") for file in resources.files(__package__).iterdir() if _is_wording(file.name)
    )
    return tuple(sorted(names, key=lambda name: [int(part) for part in name.split(".")]))


def text(category: str, variant: str = "default", version: str | None = None) -> str:
    """The policy of one category, as it is shown to a judge or a guard.

    `category`: anything that `taxonomy.category` takes. `variant`: "default"; "not_violating", where images of the
    category are permitted; "sensitive", where also its borderline is not. `version`: None is the newest.

    Raises SafetyPairsError where there is no such category, variant or version.
    """
    found, version = _checked(category, variant, version)
    return _written(found, variant, _wording(version)[found.slug])


def policy_id(category: str, variant: str = "default", version: str | None = None) -> str:
    """The id of what `text` answers to the same arguments: `hate@1.0`, or `hate-sensitive@1.0` for a variant."""
    found, version = _checked(category, variant, version)
    return f"{found.slug}{'' if variant == 'default' else f'-{variant}'}@{version}"


def by_id(identifier: str) -> str:
    """The policy text of an id, as the `policy` column has it. Raises SafetyPairsError where there is none."""
    found = _ID.fullmatch(identifier)
    if not found:
        raise SafetyPairsError(f"no policy id {identifier!r}; ids look like 'hate@1.0' or 'hate-sensitive@1.0'")
    return text(found["slug"], found["variant"] or "default", found["version"])


def _checked(category: str, variant: str, version: str | None) -> tuple[Category, str]:
    if variant not in VARIANTS:
        raise SafetyPairsError(f"no policy variant {variant!r}; there are {', '.join(VARIANTS)}")
    there = versions()
    if version is not None and version not in there:
        raise SafetyPairsError(f"no policy version {version!r}; there are {', '.join(there)}")
    return find_category(category), version or there[-1]


def _is_wording(name: str) -> bool:
    return re.fullmatch(r"[0-9]+\.[0-9]+\.yaml", name) is not None


@cache
def _wording(version: str) -> dict[str, Any]:
    import yaml

    loaded: dict[str, Any] = yaml.safe_load((resources.files(__package__) / f"{version}.yaml").read_text("utf-8"))
    return loaded


def _written(category: Category, variant: str, wording: dict[str, Any]) -> str:
    should_not, can = list(wording["should_not"]), list(wording["can"])
    lead = wording["scope"]
    if variant == "not_violating":
        should_not, can = [], should_not + wording["default_only"] + can
        lead += " Under this policy images of this category are permitted."
    elif variant == "sensitive":
        should_not += wording["default_only"]
        lead += " Under this policy the category is sensitive: its borderline is not permitted either."
    else:
        can = wording["default_only"] + can
    should_not = wording["never"] + should_not
    parts = [f"{category.name}\n{lead}"]
    if should_not:
        parts.append("An image should not show:\n" + "\n".join(f"- {item}" for item in should_not))
    parts.append("An image can show:\n" + "\n".join(f"- {item}" for item in can))
    return "\n\n".join(parts) + "\n"
