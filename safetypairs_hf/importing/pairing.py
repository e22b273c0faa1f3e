"""Find the pairs of rows: the two members of each, its texts, and the reason for every row that is in no pair."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.packed_list import PackedList
from safetypairs_hf.core.records import DIRECTIONS, Reject
from safetypairs_hf.importing.policy_rows import Half as Half
from safetypairs_hf.importing.policy_rows import policy_pairs, unknown_label
from safetypairs_hf.importing.reading_plan import IMAGE_ROLES, TEXT_ROLES, ReadingPlan
from safetypairs_hf.importing.source_rows import Rows, as_text, value_at
from safetypairs_hf.importing.split_names import split_of_source

_NAMED = 3  # names in a message
_NOT = ("false", "no", "0", "")  # values of the column `edited` that mean no


class FoundPair(NamedTuple):
    """A pair of a source: its `name` in the source, its members, and its nonempty texts by role.

    The split in `texts` is "train" or "test".
    """

    name: str
    unsafe: Half
    safe: Half
    texts: Mapping[str, str]


@dataclass
class Found:
    """The pairs of a source, in the order of their first rows; and what was left out, by name, with the reason.

    `labels`: the known labels of the rows as the source writes them, in lower case, with the number of rows of each.
    """

    pairs: PackedList[FoundPair] = field(default_factory=PackedList)
    rejects: PackedList[tuple[str, Reject]] = field(default_factory=PackedList)
    labels: Counter[str] = field(default_factory=Counter)

    def reject(self, name: str, reason: str, detail: str) -> None:
        self.rejects.append((name, Reject("source", reason, detail)))

    def label(self, text: str, plan: ReadingPlan) -> str | None:
        """Return the meaning of a row's label, as `plan.label` does, and count the label if it is known."""
        known = plan.label(text)
        if known is not None:
            self.labels[text.lower()] += 1
        return known


def find_pairs(rows: Rows, plan: ReadingPlan) -> Found:
    """Return every pair of the rows. No image is read.

    Raises:
        RecipeError: There is no pair; the message has the first reasons, or names that the pattern did not match.
    """
    found = Found()
    if plan.kind == "pairs":
        _from_pairs(rows, plan, found)
    elif plan.kind == "policies":
        texts = _texts(rows, plan, (*IMAGE_ROLES[1:], *TEXT_ROLES))
        for each in policy_pairs(rows, plan, texts, lambda text: found.label(text, plan), found.reject):
            _add(found, plan, FoundPair(*each))
    else:
        _from_images(rows, plan, found)
    if not found.pairs:
        raise RecipeError(_no_pair(rows, plan, found))
    return found


def _from_pairs(rows: Rows, plan: ReadingPlan, found: Found) -> None:
    unsafe, safe = plan.columns["unsafe"], plan.columns["safe"]
    names: dict[str, int] = {}
    for number, texts in enumerate(_texts(rows, plan, TEXT_ROLES)):
        name = texts.get("id") or rows.name(number)
        if name in names:
            found.reject(f"{name} ({rows.name(number)})", "same_id", f"the id of {rows.name(names[name])}")
            continue
        names[name] = number
        _add(found, plan, FoundPair(name, Half(number, unsafe), Half(number, safe), texts))


class _Image(NamedTuple):
    """A row that is an image.

    `pair` is the key of its pair; `edited` is None if unknown.
    """

    row: int
    pair: str
    label: str
    edited: bool | None
    texts: Mapping[str, str]


def _from_images(rows: Rows, plan: ReadingPlan, found: Found) -> None:
    images = []
    for number, texts in enumerate(_texts(rows, plan, (*IMAGE_ROLES[1:], *TEXT_ROLES))):
        image = _image(number, texts, plan, found)
        if isinstance(image, Reject):
            found.rejects.append((rows.name(number), image))
        else:
            images.append(image)
    members = _by_partner(rows, images, found) if plan.column("partner") else _by_pair(images)
    for pair, each in members.items():
        by_label = {label: [image for image in each if image.label == label] for label in ("unsafe", "safe")}
        if (fault := _fault(by_label, plan)) is not None:
            listed = ", ".join(rows.name(image.row) for some in by_label.values() for image in some[:_NAMED])
            found.reject(pair, fault[0], f"{fault[1]} ({listed})")
            continue
        unsafe, safe = by_label["unsafe"][0], by_label["safe"][0]
        column = plan.columns["image"]
        texts = {**_direction(unsafe, safe), **safe.texts, **unsafe.texts}
        _add(found, plan, FoundPair(pair, Half(unsafe.row, column), Half(safe.row, column), texts))


def _by_pair(images: Sequence[_Image]) -> dict[str, list[_Image]]:
    members: dict[str, list[_Image]] = {}
    for image in images:
        members.setdefault(image.pair, []).append(image)
    return members


def _by_partner(rows: Rows, images: Sequence[_Image], found: Found) -> dict[str, list[_Image]]:
    """Group rows into pairs by `partner`: two rows are a pair if one names the id of the other.

    The other row may name the first one, a third one, or none.
    """
    by_id: dict[str, list[_Image]] = {}
    for image in images:
        by_id.setdefault(image.texts["id"], []).append(image)
    ends = [tuple(sorted({image.texts["id"], image.pair})) for image in images if image.pair]
    named = {name for each in ends for name in each}
    for image in images:
        if image.texts["id"] not in named:
            found.reject(rows.name(image.row), "no_pair", "the row names no other member, and none names it")
    return {" & ".join(each): [image for name in each for image in by_id.get(name, ())] for each in ends}


def _fault(by_label: Mapping[str, Sequence[_Image]], plan: ReadingPlan) -> tuple[str, str] | None:
    for label, other in (("unsafe", "safe"), ("safe", "unsafe")):
        if not by_label[label]:
            also = f"; {len(by_label[other])} {other} ones" if len(by_label[other]) > 1 else ""
            return "missing_half", f"there is no {label} member{also}"
    for label, images in by_label.items():
        if len(images) > 1 and plan.repeats == "reject":
            return f"two_{label}_members", f"{len(images)} images are its {label} member"
    return None


def _image(number: int, texts: Mapping[str, str], plan: ReadingPlan, found: Found) -> _Image | Reject:
    """Return the image of a row with its pair and label, or why it cannot be used."""
    label, text, edited = texts.get("label"), texts.get("pair", ""), texts.get("edited")
    if plan.column("partner"):
        if "id" not in texts:
            return Reject("source", "no_pair", "the row has no id")
        pair = texts.get("partner", "")
    elif not text:
        return Reject("source", "no_pair", "the row says no pair")
    elif plan.pair_pattern:
        match = re.search(plan.pair_pattern, text)
        if match is None:
            return Reject("source", "no_match", f"{text!r} does not match the pair pattern")
        pair, matched = _groups(match)
        label = matched if plan.column("label") is None else label
        edited = match.groupdict().get("edited") or edited
    else:
        pair = text
    if label is None:
        return Reject("source", "no_label", "the row has no label")
    known = found.label(label, plan)
    if known is None:
        return Reject("source", "unknown_label", unknown_label(label))
    if "within" in texts:
        pair = f"{texts['within']}/{pair}"
    said = {role: each for role, each in texts.items() if role in TEXT_ROLES}
    return _Image(number, pair, known, None if edited is None else edited.lower() not in _NOT, said)


def _direction(unsafe: _Image, safe: _Image) -> dict[str, str]:
    """Return the direction, from which of the two members was edited; {} if neither was, or if it is unknown."""
    if unsafe.edited and safe.edited:
        return {"direction": "both_regenerated"}
    if unsafe.edited or safe.edited:
        return {"direction": "unsafe_to_safe" if safe.edited else "safe_to_unsafe"}
    return {}


def _groups(match: re.Match[str]) -> tuple[str, str | None]:
    """Return the pair and the label that a pattern matched: its named groups, else its groups in order."""
    named = match.groupdict()
    pairs = [text for name, text in named.items() if name.startswith("pair") and text is not None]
    others = [text for number, text in enumerate(match.groups(), 1) if number not in match.re.groupindex.values()]
    pair = "/".join(pairs) if pairs else others.pop(0) if others else ""
    label = named.get("label") if "label" in named else (others[0] if others else None)
    return pair or "", label


def _texts(rows: Rows, plan: ReadingPlan, roles: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the nonempty values of each row in the columns of some roles."""
    columns = {role: column for role in roles if (column := plan.column(role)) is not None}
    folder = _common_folder(rows, columns["pair"]) if "pair" in columns else ""
    for row in rows.texts(list(dict.fromkeys(columns.values()))):
        found: dict[str, str] = {}
        for role, column in columns.items():
            value: Any = value_at(row, column)
            if (text := as_text(value)) is not None:
                found[role] = text.removeprefix(folder) if role == "pair" else text
        yield found


def _common_folder(rows: Rows, column: str) -> str:
    """Return the folder on this machine that contains all paths in a column. It must not be published."""
    paths = [path for row in rows.texts([column]) if (path := as_text(value_at(row, column)))]
    if not paths or not all(map(os.path.isabs, paths)):
        return ""
    common = os.path.commonpath([Path(path).parent for path in paths])
    return f"{common.rstrip('/')}/"


def _add(found: Found, plan: ReadingPlan, pair: FoundPair) -> None:
    """Add a pair, unless one of its texts is invalid."""
    texts = dict(pair.texts)
    split = split_of_source(texts.pop("split", None), plan.split_map)
    if split is None:
        found.reject(pair.name, "unknown_split", f"{pair.texts['split'][:80]!r}; map it to train or test: --split-map")
        return
    direction = texts.get("direction") or plan.direction or "unknown"
    if direction not in DIRECTIONS:
        found.reject(pair.name, "unknown_direction", f"{direction[:80]!r}; expected one of {', '.join(DIRECTIONS)}")
        return
    found.pairs.append(pair._replace(texts={**texts, "direction": direction, **({"split": split} if split else {})}))


def _no_pair(rows: Rows, plan: ReadingPlan, found: Found) -> str:
    unmatched = [name for name, reject in found.rejects if reject.reason == "no_match"]
    if plan.pair_pattern and len(unmatched) == len(rows):
        column = plan.columns["pair"]
        values = [
            as_text(value_at(row, column)) or "" for row, _ in zip(rows.texts([column]), range(_NAMED), strict=False)
        ]
        return (
            f"{rows.origin}: the pair pattern {plan.pair_pattern!r} matches no value of {column!r}; it did not match "
            f"{', '.join(map(repr, values))}; give another: --pair-pattern '(.+)_(safe|unsafe)'"
        )
    why = "; ".join(f"{name}: {reject.reason} ({reject.detail})" for name, reject in found.rejects[:_NAMED])
    return f"{rows.origin} gives no pair: {why or 'it has no rows'}"
