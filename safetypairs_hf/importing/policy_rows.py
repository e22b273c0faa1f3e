"""Make policy pairs from rows of images under policies: one image that one policy calls unsafe and another one safe."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from safetypairs_hf.core.decoding import UnusableError
from safetypairs_hf.core.errors import counted, verb
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.importing.image_cells import read_cell
from safetypairs_hf.importing.reading_plan import ReadingPlan
from safetypairs_hf.importing.source_rows import Rows, value_at


class Half(NamedTuple):
    """A member of a pair: its row, and the column of its image."""

    row: int
    column: str


# The name of a policy pair, its two members, and its texts, as in a FoundPair.
PolicyPair = tuple[str, Half, Half, Mapping[str, str]]
Told = Callable[[str, str, str], None]


def policy_pairs(
    rows: Rows, plan: ReadingPlan, texts: Iterator[dict[str, str]], known: Callable[[str], str | None], reject: Told
) -> Iterator[PolicyPair]:
    """Yield every two rows of one image that its policies call unsafe and safe, in the order of the rows.

    Rows with different values in the column `within` are no pair. If an image has several rows with one label, each is
    in several pairs, so the share of correct pairs is that of all comparisons. The texts of the safe row are
    `safe_policy` and `safe_policy_name`.

    Args:
        rows: The source. An image is read only if no column `pair` says which rows show the same one.
        plan: How it is read.
        texts: The texts of each row in the columns of the plan.
        known: Called with the label of each row; returns "unsafe", "safe", or None if the label is unknown.
        reject: Called with the name, a reason and a detail of each row or image that gives no pair.
    """
    members: dict[tuple[str, str], dict[str, list[tuple[int, dict[str, str]]]]] = {}
    column = plan.columns["image"]
    for number, said in enumerate(texts):
        name = rows.name(number)
        label = known(said.get("label", ""))
        if label is None:
            reject(name, "unknown_label", unknown_label(said.get("label", "")))
        elif "policy" not in said:
            reject(name, "no_policy", "the row has no policy")
        else:
            try:
                image = said.get("pair") or _digest(rows, number, column)
            except UnusableError as error:
                reject(name, *error.args)
                continue
            of_image = members.setdefault((said.get("within", ""), image), {"unsafe": [], "safe": []})
            of_image[label].append((number, said))
    for (within, _), of_image in members.items():
        if not of_image["unsafe"] or not of_image["safe"]:
            label, other = ("unsafe", "safe") if of_image["unsafe"] else ("safe", "unsafe")
            first = rows.name(of_image[label][0][0])
            where = f" in {within}" if within else ""
            call = f"{counted(len(of_image[label]), 'policy')} {verb(len(of_image[label]), 'calls')}"
            reject(first, "one_label", f"{call} its image {label}, and none calls it {other}{where}")
            continue
        for unsafe, of_unsafe in of_image["unsafe"]:
            for safe, of_safe in of_image["safe"]:
                if of_unsafe["policy"] == of_safe["policy"]:
                    name = f"{rows.name(unsafe)} and {rows.name(safe)}"
                    reject(name, "two_labels", "one policy calls the image both unsafe and safe")
                    continue
                yield (
                    f"{of_unsafe.get('id', rows.name(unsafe))} & {of_safe.get('id', rows.name(safe))}",
                    Half(unsafe, column),
                    Half(safe, column),
                    _said(of_unsafe, of_safe),
                )


def _said(unsafe: Mapping[str, str], safe: Mapping[str, str]) -> dict[str, str]:
    kept = {role: text for role, text in unsafe.items() if role in ("policy", "policy_name", "license", "split")}
    others = {f"safe_{role}": safe[role] for role in ("policy", "policy_name") if role in safe}
    return {**kept, **others}


def _digest(rows: Rows, number: int, column: str) -> str:
    row = rows.take(number, (column,), "unsafe")
    return sha256(read_cell(value_at(row, column), rows.files(number)))


def unknown_label(text: str) -> str:
    """Return the detail of the rejection of a row whose label is unknown."""
    shown = text[:80]
    option = f"--label-map {shlex.quote(f'{shown}=unsafe')}"
    return f"{shown!r} is no label: expected unsafe or safe; say which of them it means: {option}, or =safe"
