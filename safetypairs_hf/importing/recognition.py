"""Recognise what the columns of a source hold if the user does not state it, and print what was understood."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from safetypairs_hf.core.errors import RecipeError, counted
from safetypairs_hf.core.records import DIRECTIONS
from safetypairs_hf.importing.listed_rows import IMAGE_SUFFIXES
from safetypairs_hf.importing.reading_plan import TEXT_ROLES, ReadingPlan, Said, meanings
from safetypairs_hf.importing.source_rows import IMAGE, SPLIT, TEXT, Rows, as_text, check_path, kind_of, value_at

_ROWS = {"pairs": "a pair", "images": "an image", "policies": "an image under a policy"}
_SAMPLE = 200  # rows that are examined

# Role -> other usual names of its column. A column that has the name of the role needs no entry.
_NAMES: dict[str, tuple[str, ...]] = {
    "category": ("categories", "unsafe_category", "harm_category", "folder"),
    "policy_name": ("policy_title",),
    "instruction": ("edit_instruction", "edit_prompt", "edit"),
    "caption_unsafe": ("unsafe_caption",),
    "caption_safe": ("safe_caption",),
    "license": ("licence",),
    "id": ("pair_id", "uid", "uuid", "key"),
    "split": (SPLIT,),
    "group": ("group_id", "family"),
    "generator": ("editor", "edit_model"),
}
_PAIR_NAMES = ("pair", "pair_id", "pair_key", "pair_name", "pair_idx")
_PATH_NAMES = ("image_path", "file_name", "filename", "path", "file", "__key__", "key", "name", "id")
_BETWEEN = "-_. "  # the characters between the words of a file name
_ENDING = r"(?:\.[^./]+)?$"


def patterns(labels: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the forms of a path that contain the pair and the label: as a folder, a suffix or a prefix.

    `labels` are those of a plan. The label is one of their words, or unsafe or safe.
    """
    words = sorted(meanings(labels), key=lambda word: -len(word))
    label = f"(?P<label>(?i:{'|'.join(_word(each, words) for each in words)}))"
    return (
        rf"^(?:(?P<pair>.+)/)?{label}/(?P<pair_2>.+?){_ENDING}",
        rf"^(?P<pair>.+)[{_BETWEEN}]{label}{_ENDING}",
        rf"^(?:(?P<pair>.+)/)?{label}[{_BETWEEN}](?P<pair_2>[^/]+?){_ENDING}",
    )


def _word(word: str, words: Sequence[str]) -> str:
    """Return the pattern of a word that is not the end of a longer one: `ok`, but not in `not_ok`."""
    starts = (other.removesuffix(word) for other in words if other != word and other.endswith(word))
    return "".join(f"(?<!{re.escape(start)})" for start in starts if start[-1] in _BETWEEN) + re.escape(word)


def recognise(rows: Rows, said: Said) -> ReadingPlan:
    """Return the plan for reading rows, from the user's statements and from the columns.

    Raises:
        RecipeError: A named column does not exist, or the columns do not show what a row is, which columns hold the
            images, or what the label or the pair is.
    """
    for path in said.columns.values():
        check_path(path, rows, rows.origin)
    sample = _Sample(rows)
    given = set(said.columns)
    if said.kind is None and given & {"unsafe", "safe"} and (given & {"image", "label", "pair"} or said.pair_pattern):
        raise RecipeError(
            "columns of both forms are named: give unsafe and safe (a row is a pair), or image, label, pair"
        )
    kind = said.kind or _kind(sample, said)
    if kind == "pairs":
        columns, pattern = _pair_columns(sample, said), ""
    elif kind == "policies":
        columns, pattern = _policy_columns(sample, said), ""
    else:
        columns, pattern = _image_columns(sample, said)
    texts = _text_columns(sample, {*columns.values(), *said.columns.values()}, said)
    plan = said.plan(kind, {**texts, **columns}, pattern)
    if plan.category or plan.column("category"):
        return _without(plan, said, "policy", "policy_name")
    return plan


def understood(plan: ReadingPlan, rows: Rows) -> Iterator[str]:
    """Yield how the source is read, in lines."""
    yield f"source: {rows.origin}, {counted(len(rows), 'row')}"
    yield f"a row is {_ROWS[plan.kind]}"
    for role, column in plan.columns.items():
        named = "the name of the split" if column == SPLIT else f"column {column}"
        yield f"{role.replace('_', ' ')}: {named}"
    if pattern := plan.pair_pattern:
        yield f"pair pattern: {pattern}"
    if plan.kind == "policies":
        return  # both members are one image, without a direction and a generator
    fixed = {"category": plan.category, "direction": plan.direction, "generator": plan.generator}
    for name, value in fixed.items():
        if value:
            other = plan.column(name) or (name == "direction" and (plan.column("edited") or "(?P<edited>" in pattern))
            yield f"{name}: {value}, of every pair" + (" that nothing else is said of" if other else "")
    for name in ("direction", "generator"):
        told = plan.column(name) or (name == "direction" and plan.column("edited"))
        if not fixed[name] and not told:
            yield f"{name}: unknown"


class _Sample:
    """The first rows, without their images."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.texts = [name for name, column in rows.columns.items() if column.kind == TEXT]
        self._rows = list(itertools.islice(rows.texts(self.texts), _SAMPLE))

    def values(self, column: str) -> list[str]:
        """Return the nonempty values of a column of texts, or of a path."""
        rows = self._rows if column in self.texts else itertools.islice(self.rows.texts([column]), _SAMPLE)
        return [text for row in rows if (text := as_text(value_at(row, column))) is not None]

    def every_value(self, column: str) -> Iterator[str]:
        """Yield the nonempty values of a column in all rows. A folder may list all files of one label first."""
        return (text for row in self.rows.texts([column]) if (text := as_text(value_at(row, column))) is not None)

    def holds_images(self, column: str) -> bool:
        """Return whether a column holds images, or texts that mostly name image files."""
        if kind_of(column, self.rows).kind == IMAGE:
            return True
        values = self.values(column) if column in self.texts else []
        return 2 * sum(map(_names_image, values)) > len(values)

    @property
    def images(self) -> list[str]:
        """Return the columns of images; if there are none, those that name image files."""
        found = [name for name, column in self.rows.columns.items() if column.kind == IMAGE]
        return found or [name for name in self.texts if self.holds_images(name)]


def _names_image(text: str) -> bool:
    return text[:11].lower() == "data:image/" or PurePosixPath(text).suffix.lower() in IMAGE_SUFFIXES


def _kind(sample: _Sample, said: Said) -> str:
    if {"unsafe", "safe"} & said.columns.keys():
        return "pairs"
    if {"image", "label", "pair", "partner"} & said.columns.keys() or said.pair_pattern:
        return "images"
    return "pairs" if _member_columns(sample) else "images"


def _member_columns(sample: _Sample) -> list[tuple[str, str]]:
    """Return the pairs of image columns whose names differ only in "unsafe" and "safe"."""
    columns = {name.lower(): name for name in (*sample.images, *filter(sample.holds_images, sample.texts))}
    return [
        (name, columns[other])
        for lower, name in columns.items()
        if "unsafe" in lower and (other := lower.replace("unsafe", "safe", 1)) in columns
    ]


def _pair_columns(sample: _Sample, said: Said) -> dict[str, str]:
    given = {role: said.columns[role] for role in ("unsafe", "safe") if role in said.columns}
    if len(given) == 2:
        if given["unsafe"] == given["safe"]:
            raise RecipeError(f"unsafe and safe are both the column {given['safe']!r}; name two")
        return given
    found = _member_columns(sample)
    if given:
        (role, column), other = next(iter(given.items())), "safe" if "unsafe" in given else "unsafe"
        found = [each for each in found if each[role == "safe"] == column]
        if not found:
            raise RecipeError(f"{sample.rows.origin}: {role} is the column {column!r}; name the column of {other}, too")
    if len(found) != 1:
        named = ", ".join(f"{unsafe} and {safe}" for unsafe, safe in found)
        what = f"several columns could be the two members ({named})" if found else "no columns are the two members"
        raise RecipeError(f"{sample.rows.origin}: {what}; say which: --unsafe COLUMN --safe COLUMN{_there(sample)}")
    return dict(zip(("unsafe", "safe"), found[0], strict=True))


def _image_columns(sample: _Sample, said: Said) -> tuple[dict[str, str], str]:
    """Return the columns of image, label and pair, and the pattern of the pair if one is needed."""
    columns = {role: said.columns[role] for role in ("image", "label", "pair", "partner") if role in said.columns}
    if "image" not in columns:
        columns["image"] = _only_image(sample)
    if "label" not in columns and (label := _label_column(sample, said)):
        columns["label"] = label
    if "partner" in columns or said.pair_pattern is not None:
        pattern = said.pair_pattern or ""
        if "pair" not in columns and "partner" not in columns:
            columns["pair"] = _path_column(sample, pattern)
    elif "pair" in columns:
        pattern = "" if "label" in columns else _matching(sample, columns["pair"], said) or ""
    else:
        columns["pair"], pattern = _pair_column(sample, columns, said)
    if "label" not in columns and not pattern:
        raise RecipeError(
            f"{sample.rows.origin}: no column holds the labels unsafe and safe; name it: --label COLUMN{_there(sample)}"
        )
    mapped = said.pair_pattern is None and said.labels  # the map is of the column
    if pattern and "label" in columns and said.columns.get("label") is None and "(?P<label>" in pattern and not mapped:
        del columns["label"]  # the path has pair and label
    return columns, pattern


def _policy_columns(sample: _Sample, said: Said) -> dict[str, str]:
    """Return the columns of image, label and policy."""
    roles = ("image", "label", "policy", "pair", "within")
    columns = {role: said.columns[role] for role in roles if role in said.columns}
    if "image" not in columns:
        columns["image"] = _only_image(sample)
    if "label" not in columns and (label := _label_column(sample, said)):
        columns["label"] = label
    if "policy" not in columns and "policy" in sample.texts:
        columns["policy"] = "policy"
    for role, option in (("label", "--label"), ("policy", "--policy-column")):
        if role not in columns:
            raise RecipeError(
                f"{sample.rows.origin}: no column is known to hold the {role}; name it: {option} COLUMN{_there(sample)}"
            )
    return columns


def _only_image(sample: _Sample) -> str:
    found = sample.images
    if len(found) == 1:
        return found[0]
    what = f"several columns hold images ({', '.join(found)})" if found else "no column holds images"
    raise RecipeError(f"{sample.rows.origin}: {what}; say which: --image COLUMN{_there(sample)}")


def _label_column(sample: _Sample, said: Said) -> str | None:
    words = meanings(said.labels).keys()
    named = [name for name in sample.texts if "label" in name.lower() or "safe" in name.lower()]
    for name in (*named, *sample.texts):
        known = sample.rows.columns[name].labels or sample.values(name)
        if known and {each.lower() for each in known} <= words:
            return name
    return None


def _pair_column(sample: _Sample, columns: Mapping[str, str], said: Said) -> tuple[str, str]:
    """Return the column of the pair, and the pattern that extracts it; "" if its whole value is the pair."""
    if "label" in columns:
        named = next((name for name in _PAIR_NAMES if name in sample.texts), None)
        if named is not None:
            return named, ""
    paths = [*_path_columns(sample), f"{columns['image']}.path"]
    for name in paths:
        if (pattern := _matching(sample, name, said)) is not None:
            return name, pattern
    for name in paths:
        if folders := _two_folders(sample.every_value(name)):
            meaning = shlex.quote("{}=unsafe,{}=safe".format(*folders))
            raise RecipeError(
                f"{sample.rows.origin}: nothing says which two images are a pair; if the folders {folders[0]} and "
                f"{folders[1]} hold the two members, say which of them is unsafe: --label-map {meaning}, or the other "
                "way round"
            )
    shown = next((f"; the first are {', '.join(sample.values(name)[:3])}" for name in paths if sample.values(name)), "")
    raise RecipeError(
        f"{sample.rows.origin}: nothing says which two images are a pair{shown}; lay them as unsafe/NAME and safe/NAME "
        "or NAME_unsafe and NAME_safe, or say which words mean unsafe and safe: --label-map WORD=unsafe,WORD=safe; "
        f"or name the column: --pair COLUMN{_there(sample)}"
    )


def _two_folders(paths: Iterable[str]) -> list[str]:
    """Return the names of the two folders that hold all files of some paths, if both hold a file of the same name."""
    files: dict[str, set[tuple[PurePosixPath, str]]] = {}
    for path in map(PurePosixPath, paths):
        if path.parent.name:
            files.setdefault(path.parent.name, set()).add((path.parent.parent, path.stem))
        if len(files) > 2:
            return []
    return list(files) if len(files) == 2 and set.intersection(*files.values()) else []


def _path_columns(sample: _Sample) -> list[str]:
    return sorted(
        (name for name in sample.texts if name in _PATH_NAMES or sample.holds_images(name)),
        key=lambda name: _PATH_NAMES.index(name) if name in _PATH_NAMES else len(_PATH_NAMES),
    )


def _path_column(sample: _Sample, pattern: str) -> str:
    paths = _path_columns(sample)
    for name in paths:
        if any(re.search(pattern, value) for value in sample.values(name)):
            return name
    if not paths:
        raise RecipeError(
            f"{sample.rows.origin}: a pair pattern is given, and no column of paths is found; name it: --pair COLUMN"
        )
    return paths[0]


def _matching(sample: _Sample, column: str, said: Said) -> str | None:
    """Return the first of `patterns` that most values of the sample match and that gives both labels."""
    values = sample.values(column)
    for pattern in patterns(said.labels):
        most = 2 * sum(re.search(pattern, value) is not None for value in values) > len(values)
        if most and _gives_both(pattern, sample.every_value(column), meanings(said.labels)):
            return pattern
    return None


def _gives_both(pattern: str, values: Iterable[str], meaning: Mapping[str, str]) -> bool:
    found = set()
    for value in values:
        if (match := re.search(pattern, value)) and (label := meaning.get(match["label"].lower())):
            found.add(label)
        if len(found) == 2:
            return True
    return False


def _text_columns(sample: _Sample, taken: set[str], said: Said) -> dict[str, str]:
    found: dict[str, str] = {}
    for role in TEXT_ROLES:
        names = [name for name in (role, *_NAMES.get(role, ())) if name in sample.texts and name not in taken]
        if names and not _said_otherwise(role, said) and _plausible(role, sample.values(names[0])):
            found[role] = names[0]
    return found


def _said_otherwise(role: str, said: Said) -> bool:
    """Return whether the user stated what the column of a role would state."""
    return bool(role in ("category", "direction", "generator") and getattr(said, role))


def _plausible(role: str, values: Sequence[str]) -> bool:
    return role != "direction" or {*values} <= {*DIRECTIONS}


def _without(plan: ReadingPlan, said: Said, *roles: str) -> ReadingPlan:
    """Return a plan without those of the given roles that were recognised and not named by the user."""
    import dataclasses

    kept: dict[str, Any] = {
        role: column for role, column in plan.columns.items() if role not in roles or role in said.columns
    }
    return dataclasses.replace(plan, columns=kept)


def _there(sample: _Sample) -> str:
    named = [f"{name} ({column.kind})" for name, column in sample.rows.columns.items() if name != SPLIT]
    return f" (the columns are {', '.join(named)})"
