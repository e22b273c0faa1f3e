"""The ReadingPlan of a source: which column holds what. Options and layout files both make this object."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from safetypairs_hf.core.errors import RecipeError, counted
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.core.records import DIRECTIONS

KINDS = ("pairs", "images", "policies")  # the kinds of rows
REPEATS = ("reject", "first")
SPLITS = ("train", "test")

# The roles of columns: for rows of each kind, and for rows of any kind.
PAIR_ROLES = ("unsafe", "safe")
IMAGE_ROLES = ("image", "label", "pair", "within", "partner", "edited")
TEXT_ROLES = (
    "category",
    "policy",
    "policy_name",
    "critical_feature",
    "instruction",
    "caption_unsafe",
    "caption_safe",
    "license",
    "id",
    "split",
    "group",
    "direction",
    "generator",
)
# The labels that are known without a mapping, in lower case.
LABELS = {"unsafe": "unsafe", "safe": "safe"}


@dataclass(frozen=True)
class ReadingPlan:
    """How the rows of a source become pairs.

    A column has the name that it has in the source; `a.b` and `a[0]` address parts of a struct and a list.

    Args:
        kind: "pairs": a row is a pair, with the columns `unsafe` and `safe`. "images": a row is an image, with the
            columns `image`, `label` and `pair`. A folder and a tar of single images are rows of images, with the
            columns `image` and `image_path` (without the folder's own name). "policies": a row is an image under a
            policy, with the columns `image`, `label` and `policy`; a pair is two rows of one image with opposite
            labels. Rows of one image have the same `pair`, or else the same file.
        columns: Role -> column; see PAIR_ROLES, IMAGE_ROLES and TEXT_ROLES. `pair` holds the same text for both
            members. If `within` is a column, two rows must also agree in it to be a pair (one image can be in several
            pairs, each under its own policy). `partner`, together with `id`, holds the id of the other member. `edited`
            says whether an image was edited, which gives the direction.
        pair_pattern: A regular expression that must match the whole value of the column `pair`. Its group `pair`, or
            its first group, is the pair. Without a column `label`, its group `label`, or its other group, is the label.
            An image was edited if the group `edited` matched.
        labels: Value of a label -> "unsafe" or "safe", in addition to these two words; case does not matter. Folders
            and parts of file names with these words are recognised.
        repeats: If several rows are the same member of a pair: "reject" the pair, or take the "first" row.
        category: The category of every pair: a slug, a code or a name.
        category_map: Value of the column `category` -> category, for values that are not categories.
        split_map: Split of the source -> "train" or "test"; "validation" becomes "train" unless it is given.
        direction: The direction of every pair, one of DIRECTIONS; "" if unknown.
        generator: What made the other member of every pair; "" if unknown.
        license: The SPDX id of the licence of every pair without a value in the column `license`; "" if unknown.
        subset: The configuration of a Hub dataset; "" if it has only one.
        splits: The splits of a dataset to read, in order; () reads all.

    Raises:
        RecipeError: Rows of this kind do not have a given role, or the pattern has too few groups.
    """

    kind: str
    columns: Mapping[str, str] = field(default_factory=dict)
    pair_pattern: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    repeats: str = "reject"
    category: str = ""
    category_map: Mapping[str, str] = field(default_factory=dict)
    split_map: Mapping[str, str] = field(default_factory=dict)
    direction: str = ""
    generator: str = ""
    license: str = ""
    subset: str = ""
    splits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for role in self.columns:
            check_word("columns", role, (*(PAIR_ROLES if self.kind == "pairs" else IMAGE_ROLES), *TEXT_ROLES))
        groups = _pattern(self.pair_pattern).groups
        if self.pair_pattern and groups < 1 + ("label" not in self.columns):
            raise RecipeError(
                f"the pair pattern {self.pair_pattern!r} has {counted(groups, 'group')} in parentheses: the first is "
                "the pair, without a label column the second is the label: '(.+)_(safe|unsafe)'"
            )

    def column(self, role: str) -> str | None:
        """Return the column of a role; None if it has none."""
        return self.columns.get(role)

    def label(self, text: str) -> str | None:
        """Return "unsafe" or "safe", the meaning of a label; None if it is unknown."""
        return self._meanings.get(text.lower())

    @cached_property
    def _meanings(self) -> dict[str, str]:
        return meanings(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, as JSON values."""
        return _values(self)


@dataclass(frozen=True)
class Said:
    """The user's statements on how to read a source, from options, Python or a layout file. The rest is recognised.

    The fields are those of ReadingPlan; None and an empty mapping state nothing.

    Raises:
        RecipeError: A role, a kind or a word is unknown, or a pattern is not a regular expression.
    """

    kind: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    pair_pattern: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    repeats: str | None = None
    category: str | None = None
    category_map: Mapping[str, str] = field(default_factory=dict)
    split_map: Mapping[str, str] = field(default_factory=dict)
    direction: str | None = None
    generator: str | None = None
    license: str | None = None
    subset: str | None = None
    splits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        words = {"kind": KINDS, "repeats": REPEATS, "direction": DIRECTIONS}
        for name, known in words.items():
            if getattr(self, name) is not None:
                check_word(name, getattr(self, name), known)
        for role in self.columns:
            check_word("columns", role, (*PAIR_ROLES, *IMAGE_ROLES, *TEXT_ROLES))
        for value, label in self.labels.items():
            check_word(f"labels: {value}", label, ("unsafe", "safe"))
        for value, split in self.split_map.items():
            check_word(f"split_map: {value}", split, SPLITS)
        _pattern(self.pair_pattern or "")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> Said:
        """Read the statements of a layout file from a dict by field name. Messages call the file `where`.

        Raises:
            RecipeError: A name is unknown, or a value has the wrong type. The message has the nearest name.
        """
        names = [each.name for each in dataclasses.fields(cls)]
        for name, value in values.items():
            check_word(where, name, names)
            mapping = name in ("columns", "labels", "category_map", "split_map")
            expected = Mapping if mapping else list if name == "splits" else str
            if not isinstance(value, expected):
                said = "a mapping" if mapping else "a list" if name == "splits" else "a text"
                raise RecipeError(f"{where}: {name} is {value!r}; expected {said}")
        texts: dict[str, Any] = {
            name: {str(key): str(each) for key, each in value.items()}
            if isinstance(value, Mapping)
            else tuple(map(str, value))
            if isinstance(value, list)
            else value
            for name, value in values.items()
        }
        try:
            return cls(**texts)
        except RecipeError as error:
            raise RecipeError(f"{where}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the stated fields as JSON values."""
        return _values(self)

    def over(self, other: Said) -> Said:
        """Return these statements, completed by those of `other`: options over a layout. Mappings are merged."""
        found: dict[str, Any] = {}
        for each in dataclasses.fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            joined = {**theirs, **mine} if isinstance(mine, Mapping) else (theirs if mine in (None, ()) else mine)
            found[each.name] = joined
        return Said(**found)

    def plan(self, kind: str, columns: Mapping[str, str], pair_pattern: str = "") -> ReadingPlan:
        """Return the plan from these statements and what was recognised."""
        said = {
            each.name: value
            for each in dataclasses.fields(self)
            if (value := getattr(self, each.name)) not in (None, (), {})
        }
        return ReadingPlan(
            **{"pair_pattern": pair_pattern, **said, "kind": kind, "columns": {**columns, **self.columns}}
        )


def meanings(labels: Mapping[str, str]) -> dict[str, str]:
    """Return what every known label means, by its lower case: "unsafe" or "safe". `labels` are those of a plan."""
    return LABELS | {value.lower(): label for value, label in labels.items() if value}


def check_word(where: str, given: str, known: Sequence[str]) -> None:
    """Raise RecipeError if a word is not a known one; the message has the nearest."""
    if given not in known:
        raise RecipeError(f"{where}: there is no {given!r}{hint(str(given), known)}; there are {', '.join(known)}")


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise RecipeError(
            f"the pair pattern {text!r} is no regular expression ({error}); write one such as '(.+)_(safe|unsafe)'"
        ) from error


def _values(record: ReadingPlan | Said) -> dict[str, Any]:
    """Return the fields of a record that differ from their defaults, as JSON values."""
    defaults = {each.name: _default(each) for each in dataclasses.fields(record)}
    values = {name: getattr(record, name) for name in defaults}
    return {
        name: list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value != defaults[name]
    }


def _default(each: dataclasses.Field[Any]) -> Any:
    return each.default_factory() if each.default_factory is not dataclasses.MISSING else each.default
