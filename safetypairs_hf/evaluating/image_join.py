"""Join predictions to the pairs of another version than they were made on, by the hashes of the images.

An image that a guard was shown is known by the SHA-256 of its file, which no erratum changes. So what the guard said of
it counts under whatever label a version gives that image. `evaluate` writes the hashes; of predictions without them,
the manifest of the version that they were made on tells what each row showed.

Of a policy pair both rows show one image. What they were judged by is told by the column `policy`, which `evaluate`
writes, or by the version that they were made on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import PairError, counted, verb
from safetypairs_hf.dataset.policy_pair_rows import is_policy_pair, slug_of

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition

_LABELS = ("pair_id", "split", "category", "group", "unsafe_sha256", "safe_sha256")
_SHOWN = 5


@dataclass(frozen=True)
class Answers:
    """Predictions, one row for each image.

    `name` is what messages call them; `columns` are lists by name; `hashes` the SHA-256 of each row's image, and
    `references` what the rows themselves call it, 1 unsafe and 0 safe. `judged_unsafe`: of a policy pair, the category
    by whose policy the rows call the image unsafe, by pair id; it may be missing.
    """

    name: str
    columns: Mapping[str, list[Any]]
    hashes: Sequence[str]
    references: Sequence[int]
    judged_unsafe: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def pair_ids(self) -> list[str]:
        return [str(each) for each in self.columns["pair_id"]]


@dataclass(frozen=True)
class Join:
    """Pairs of predictions found in a version: the given pair id -> the version's row of the pair, with its labels.

    `gone` holds the ids of pairs that are not in the version.
    """

    held: Mapping[str, Mapping[str, Any]]
    gone: Sequence[str]

    def columns(self, answers: Answers, ids: set[str] | None = None) -> dict[str, Any]:
        """Return the predictions (or only those of the pairs `ids`) with the version's labels, categories and ids."""
        from safetypairs_hf.metric.rows import abstentions_written

        chosen = [
            (number, pair_id)
            for number, pair_id in enumerate(answers.pair_ids)
            if pair_id in self.held and (ids is None or pair_id in ids)
        ]
        taken = {name: [values[number] for number, _ in chosen] for name, values in answers.columns.items()}
        rows = [self.held[pair_id] for _, pair_id in chosen]
        labels = {name: [row[name] for row in rows] for name in ("pair_id", "category", "group")}
        labels["reference"] = [reference_of(row, answers, at) for row, (at, _) in zip(rows, chosen, strict=True)]
        return abstentions_written({**taken, **labels})


def reference_of(row: Mapping[str, Any], answers: Answers, at: int) -> int:
    """What the row of a pair in a version calls what row `at` of the predictions is of, 1 unsafe and 0 safe."""
    if not is_policy_pair(row):
        return int(row["unsafe_sha256"] == answers.hashes[at])
    own, unsafe = answers.references[at], answers.judged_unsafe.get(answers.pair_ids[at])
    return own if unsafe in (None, row["category"]) else 1 - own


def is_swapped(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the members of a pair, or the two policies of a policy pair, are swapped between two versions."""
    if is_policy_pair(new):
        return bool(old["category"] != new["category"])
    return bool(old["unsafe_sha256"] != new["unsafe_sha256"])


def labels_in(edition: Edition) -> dict[str, dict[str, Any]]:
    """Return split, category, group and image hashes of each pair, by pair id."""
    return {row["pair_id"]: row for row in edition.table.select(_LABELS).to_pylist()}


def join(answers: Answers, edition: Edition) -> Join:
    """Find the pairs of predictions in a version: by id, or else by their two images.

    Raises:
        PairError: A pair was judged on other images than the version has, or none of the pairs is in the version.
    """
    labels = labels_in(edition)
    shown: dict[str, set[str]] = defaultdict(set)
    for pair_id, digest in zip(answers.pair_ids, answers.hashes, strict=True):
        shown[pair_id].add(digest)
    by_images: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    for row in labels.values():
        if row["pair_id"] not in shown and not is_policy_pair(row):
            by_images[frozenset((row["unsafe_sha256"], row["safe_sha256"]))].append(row)
    held, gone, other = {}, [], []
    for pair_id, digests in shown.items():
        alike = by_images.get(frozenset(digests))
        if pair_id in labels:
            held[pair_id] = labels[pair_id]
            if not digests <= {labels[pair_id]["unsafe_sha256"], labels[pair_id]["safe_sha256"]}:
                other.append(pair_id)
        elif alike:
            held[pair_id] = alike.pop()  # a release relabelled it and gave it another id
        else:
            gone.append(pair_id)
    if other:
        raise PairError(
            f"{answers.name}: {counted(len(other), 'pair')} {verb(len(other), 'was')} judged on other images than "
            f"{edition.name} has ({some(other)}); evaluate again on it"
        )
    if not held:
        raise PairError(
            f"{answers.name}: none of its pairs is in {edition.name} ({len(gone):,}: {some(gone)}); give the dataset "
            "that the guard was run on: --data TARGET@X.Y.Z"
        )
    return Join(held, sorted(gone))


def answers_of(
    name: str, columns: Mapping[str, Any], made_on: Edition | None, labels: Mapping[Any, str] | None = None
) -> Answers:
    """Return predictions as one row for each image, with its hash.

    Args:
        name: Their name in messages.
        columns: The result of `read_predictions`.
        made_on: The version that they were made on, which says what rows without a hash showed.
        labels: As in `score`.

    Raises:
        PairError: It is unknown what rows showed, a pair is not in `made_on`, or a reference is invalid.
    """
    from safetypairs_hf.metric.prediction_files import as_list

    lists = _one_row_an_image({key: as_list(values) for key, values in columns.items() if values is not None})
    if missing := [column for column in ("pair_id", "reference") if column not in lists]:
        raise PairError(f"{name} has no column {missing[0]}")
    references = _references(name, lists, labels)
    hashes = lists.pop("sha256", None)
    judged = _judged_unsafe(lists, references, made_on)
    if hashes is not None and all(isinstance(each, str) for each in hashes):
        return Answers(name, lists, [each.lower() for each in hashes], references, judged)
    if made_on is None:
        raise PairError(
            f"{name} lacks the image hash of some rows (column sha256); give the version that the guard "
            "was run on: safetypairs score --as-of X.Y.Z"
        )
    held = labels_in(made_on)
    ids = [str(each) for each in lists["pair_id"]]
    if strange := sorted(set(ids) - held.keys()):
        raise PairError(
            f"{name}: {not_in(strange, ids)} {made_on.name} ({some(strange)}); give the version that the guard was "
            "run on"
        )
    members = ("safe_sha256", "unsafe_sha256")
    shown = [str(held[pair_id][members[code]]) for pair_id, code in zip(ids, references, strict=True)]
    return Answers(name, lists, shown, references, judged)


def _judged_unsafe(
    columns: Mapping[str, list[Any]], references: Sequence[int], made_on: Edition | None
) -> dict[str, str]:
    """The category by whose policy each policy pair is called unsafe in some predictions, as far as that is known."""
    ids = [str(each) for each in columns["pair_id"]]
    policies = columns.get("policy")
    if policies is not None:
        rows = zip(ids, policies, references, strict=True)
        return {pair_id: slug_of(str(policy)) for pair_id, policy, reference in rows if policy and reference == 1}
    held = labels_in(made_on) if made_on else {}
    return {pair_id: held[pair_id]["category"] for pair_id in ids if pair_id in held and is_policy_pair(held[pair_id])}


def _references(name: str, columns: Mapping[str, list[Any]], labels: Mapping[Any, str] | None) -> list[int]:
    from safetypairs_hf.metric.column_values import codes_of, to_array, verdicts_of

    codes: list[int] = verdicts_of(to_array("reference", columns["reference"]), codes_of(labels)).tolist()
    ids = map(str, columns["pair_id"])
    if strange := sorted({each for each, code in zip(ids, codes, strict=True) if code not in (0, 1)}):
        where = f"{counted(len(strange), 'pair')} ({some(strange)})"
        raise PairError(f"{name}: a reference outside {{0, 1}}: {where}; give 1 for unsafe, 0 for safe")
    return codes


def _one_row_an_image(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Turn columns with one row for each pair into columns with one row for each image."""
    from safetypairs_hf.metric.rows import OF_PAIRS

    wide = {name: sides for name, sides in OF_PAIRS.items() if set(sides) <= columns.keys()}
    if not wide:
        return columns
    n = len(columns["pair_id"])
    columns.pop("sha256", None)  # it belongs to one of the images, or to neither
    made = {name: [*columns.pop(unsafe), *columns.pop(safe)] for name, (unsafe, safe) in wide.items()}
    return {**{name: values * 2 for name, values in columns.items()}, **made, "reference": [1] * n + [0] * n}


def not_in(strange: Collection[str], ids: Collection[str]) -> str:
    """Return the start of a message about pair ids that a version does not have: "1 of 30 pairs is not in"."""
    return f"{len(strange):,} of {counted(len(set(ids)), 'pair')} {verb(len(strange), 'is')} not in"


def some(ids: Sequence[str]) -> str:
    """Return the first few of some pair ids as text."""
    return ", ".join(map(repr, ids[:_SHOWN])) + (", ..." if len(ids) > _SHOWN else "")
