"""Check predictions against their data: refuse what does not match, and add what the file lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import (
    HubUnavailable,
    PairError,
    PublishError,
    SafetyPairsError,
    VersionMismatch,
    counted,
    verb,
)
from safetypairs_hf.core.target_name import parse_target_name, recorded_name
from safetypairs_hf.dataset import errata
from safetypairs_hf.dataset.policy_pair_rows import CONFIG, is_policy_pair
from safetypairs_hf.evaluating.image_join import (
    Answers,
    Join,
    answers_of,
    is_swapped,
    join,
    labels_in,
    not_in,
    reference_of,
    some,
)
from safetypairs_hf.evaluating.prediction_file import is_of_policies, predictions_of, read_run, told_by

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition, Published
    from safetypairs_hf.taxonomy.categories import Taxonomy

_FROM_DATA = ("category", "group")


@dataclass(frozen=True)
class Earlier:
    """The same predictions by the labels of an earlier version.

    `columns` use the pair ids of the newer version, or the original ids of pairs that it does not hold. `changed` maps
    the ids of pairs with another label to the rows of both versions; the newer row is None if the pair is gone.
    """

    edition: Edition
    columns: dict[str, Any]
    changed: dict[str, tuple[Mapping[str, Any], Mapping[str, Any] | None]]
    errata: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Checked:
    """Columns of predictions for `score`, with category and group from the data if the file has none.

    Attributes:
        told: Data, split and fidelity for the signature.
        notes: What to know about predictions that were made on another version.
        swapped: Whether the members of a pair were swapped after they were judged.
        earlier: The earlier version, if the figures cover its pairs.
    """

    columns: dict[str, Any]
    told: dict[str, Any]
    notes: tuple[str, ...] = ()
    swapped: bool = False
    earlier: Earlier | None = None

    @property
    def joined(self) -> bool:
        """Whether the predictions were made on another version than the one of their labels."""
        return bool(self.notes) or self.earlier is not None


def check_data(
    predictions: Any, data: str, as_of: str | None = None, labels: Mapping[Any, str] | None = None
) -> Checked:
    """Check predictions against `data`; those made on another version are joined by image (see `image_join`).

    Args:
        predictions: A file, or rows in another form that `score` takes.
        data: TARGET[@VERSION], the version whose labels count.
        as_of: An earlier version of it (X.Y.Z, or a folder that holds it), whose pairs are scored.
        labels: As in `score`.

    Raises:
        PairError: See `check_edition`.
        HubUnavailable: The version cannot be read, so a signature must not name it.
        SafetyPairsError: Errors of `open_named`.
    """
    from safetypairs_hf.dataset.store.open_store import store_of

    name = parse_target_name(data)
    given = _given(predictions)
    try:
        store = store_of(name)
        edition = store.open(name.version)
        earlier = None if as_of is None else _earlier(store, as_of)
    except HubUnavailable as error:
        raise HubUnavailable(
            f"{given.name} could not be checked against {name}: {error}; or score without --data"
        ) from error
    if earlier is not None:
        if earlier.version > edition.version:
            raise PairError(
                f"--as-of {as_of} is version {earlier.version}, and --data is {edition.name}; "
                "--as-of must be the earlier version"
            )
        return _as_of(given, edition, earlier, labels)
    return (_joined(given, edition, labels) if given.may_be_of_another(edition) else None) or _checked(given, edition)


@dataclass(frozen=True)
class _Given:
    """Predictions as given: their name in messages, their columns, the metadata of the file, and the file."""

    name: str
    columns: dict[str, Any]
    told: dict[str, Any]
    file: str | Path | None

    def may_be_of_another(self, edition: Edition) -> bool:
        """Return whether they may be of another version: they identify their images, but do not name this version."""
        if any(self.columns.get(name) is None for name in ("sha256", "reference")) or "control" in self.columns:
            return False
        said = self.told.get("data")
        return not said or recorded_name(said).version not in (None, edition.version)


def _given(predictions: Any) -> _Given:
    from safetypairs_hf.metric.rows import columns_of

    if isinstance(predictions, str | Path):
        return _Given(str(predictions), predictions_of(predictions), told_by(predictions), predictions)
    return _Given("the predictions", columns_of(predictions), {}, None)


def _earlier(store: Published, as_of: str) -> Edition:
    """Open the version that --as-of names. A number means a version of the same dataset."""
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.dataset.store.open_store import open_named

    try:
        version = parse(as_of)
    except PublishError:
        return open_named(as_of)
    try:
        return store.open(version)
    except VersionMismatch as error:
        if store.tags() is None:
            raise PairError(f"--as-of {as_of}: {error}; give a folder that holds it: --as-of ./FOLDER") from error
        raise


def _joined(given: _Given, edition: Edition, labels: Mapping[Any, str] | None) -> Checked | None:
    """Return predictions by the labels of another version than they were made on.

    Return None if they do not say what they were made on and every label is that of the version.
    """
    answers = answers_of(given.name, given.columns, None, labels)
    now = join(answers, edition)
    unknown = {pair_id for pair_id, row in now.held.items() if is_policy_pair(row)} - answers.judged_unsafe.keys()
    _refuse_turned(given.name, unknown, edition, "policies", "policy")
    moved = _moved(answers, now, edition.taxonomy)
    if not given.told.get("data") and not (now.gone or moved["swapped"] or moved["category"]):
        return None
    notes = _notes(given.told.get("data"), edition, now, moved)
    told = _split(now.held.values()) | given.told | {"data": edition.name}
    return Checked(now.columns(answers), told, notes, bool(moved["swapped"]))


def _as_of(given: _Given, edition: Edition, earlier: Edition, labels: Mapping[Any, str] | None) -> Checked:
    """Return predictions on the pairs of an earlier version, by the labels of both versions."""
    if given.columns.get("control") is not None:
        raise PairError(
            f"{given.name} has predictions on controls, whose labels belong to one version: leave --as-of out"
        )
    answers = answers_of(given.name, given.columns, earlier, labels)
    now, then = join(answers, edition), join(answers, earlier)
    both = then.held.keys() & now.held.keys()
    if not both:
        raise PairError(
            f"{given.name}: none of its pairs from {earlier.name} is in {edition.name} ({some(sorted(then.held))}); "
            "there is nothing to score"
        )
    ids = {pair_id: str(row["pair_id"]) for pair_id, row in now.held.items() if pair_id in then.held}
    before = then.columns(answers)
    own = {str(row["pair_id"]): pair_id for pair_id, row in then.held.items()}
    before["pair_id"] = [ids.get(own[each], each) for each in before["pair_id"]]
    changed = {
        ids.get(pair_id, str(row["pair_id"])): (row, now.held.get(pair_id))
        for pair_id, row in then.held.items()
        if pair_id not in now.held or any(row[name] != now.held[pair_id][name] for name in errata.LABELS)
    }
    between = errata.between(edition.head.get("errata", ()), earlier.version, edition.version)
    return Checked(
        now.columns(answers, set(both)),
        _split(now.held[pair_id] for pair_id in both) | given.told | {"data": edition.name},
        earlier=Earlier(earlier, before, changed, between),
        swapped=any(new and is_swapped(old, new) for old, new in changed.values()),
    )


def _split(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The split for the signature, where all pairs lie in one; as in `shown_split`."""
    splits = {f"{CONFIG}/{row['split']}" if is_policy_pair(row) else str(row["split"]) for row in rows}
    return {"split": splits.pop()} if len(splits) == 1 else {}


def _moved(answers: Answers, now: Join, taxonomy: Taxonomy) -> dict[str, set[str]]:
    """Return the pairs whose members are swapped compared with the rows, and the pairs in another category."""
    found: dict[str, set[str]] = {"swapped": set(), "category": set()}
    given = answers.columns.get("category", [None] * len(answers.hashes))
    slugs = {name: _slug(name, taxonomy) for name in set(given)}
    for at, (pair_id, reference, category) in enumerate(zip(answers.pair_ids, answers.references, given, strict=True)):
        if (row := now.held.get(pair_id)) is None:
            continue
        if reference != reference_of(row, answers, at):
            found["swapped"].add(pair_id)
        if slugs[category] not in (None, row["category"]) and not is_policy_pair(row):
            found["category"].add(pair_id)
    return found


def _notes(made_on: str | None, edition: Edition, now: Join, moved: Mapping[str, set[str]]) -> tuple[str, ...]:
    parts = [
        f"{len(found):,} {what} ({some(sorted(found))})"
        for found, what in (
            (now.gone, "of its pairs gone"),
            (moved["swapped"], "with members swapped"),
            (moved["category"], "judged under another category's policy"),
        )
        if found
    ]
    kinds = {(row["split"], is_policy_pair(row)) for row in now.held.values()}
    split = {split for split, _ in kinds}
    whole = sum((row["split"], is_policy_pair(row)) in kinds for row in labels_in(edition).values())
    lacks = whole - len(now.held)
    if lacks:
        parts.append(f"{counted(lacks, 'pair')} of {' and '.join(sorted(split))} {verb(lacks, 'has')} no prediction")
    origin = f"made on {made_on}, joined" if made_on else "joined"
    joined = f"{origin} to {edition.name} by image hash: {counted(len(now.held), 'pair')}"
    return ("; ".join([joined, *parts]),)


def check_edition(path: str | Path, edition: Edition) -> Checked:
    """Check predictions against the version that they were made on.

    Raises:
        PairError: The file names another version; it has pairs that the version does not hold or has in other
            categories; it is on other images, or on a pair's images the other way round (by the hashes that `evaluate`
            writes); or it has no such hashes, and errata swapped the members of a pair.
    """
    return _checked(_given(path), edition)


def _checked(given: _Given, edition: Edition) -> Checked:
    from safetypairs_hf.evaluating.benchmark import check_images
    from safetypairs_hf.metric.prediction_files import as_list

    told, whose, columns = given.told, given.name, given.columns
    if told.get("data"):
        _refuse_version(whose, told["data"], edition)
    ids = [str(each) for each in as_list(columns.get("pair_id"))]
    held = labels_in(edition)
    strange = sorted(set(ids) - set(held))
    if strange:
        raise PairError(
            f"{whose}: {not_in(strange, ids)} {edition.name} ({some(strange)}); "
            "give the version that the guard was run on: --data TARGET@X.Y.Z"
        )
    if columns.get("sha256") is None and not told.get("data"):
        _refuse_turned(whose, set(ids), edition, "images", "sha256")
    _refuse_categories(whose, ids, as_list(columns.get("category")), held, edition)
    if given.file is not None and read_run(given.file) is not None:
        check_images(given.file, edition)
    told = _split(held[each] for each in ids) | told
    filled = {name: [held[each][name] for each in ids] for name in _FROM_DATA if columns.get(name) is None}
    return Checked(columns | filled, told | {"data": edition.name})


def _refuse_turned(whose: str, ids: set[str], edition: Edition, what: str, column: str) -> None:
    """Raise PairError if errata swapped one of some pairs, of which the predictions lack the column that tells it."""
    turned = sorted(ids & errata.swapped(edition.head.get("errata", ())))
    if turned:
        raise PairError(
            f"{whose} does not say which {what} it is of, and errata up to {edition.version} swapped the members of "
            f"{len(turned)} of its pairs ({some(turned)}); say which version the guard was shown (safetypairs score "
            f"--as-of X.Y.Z), or add the column {column}"
        )


def told_together(paths: Sequence[str | Path], *, mixed: bool = False) -> dict[str, Any]:
    """Return data and split for the signature of a comparison, as far as the files of `evaluate` state them.

    Args:
        paths: The files.
        mixed: Whether files of policy pairs and of pairs of images may be compared.

    Raises:
        PairError: Two files show different images as the same member of a pair, or are of different kinds.
    """
    from safetypairs_hf.metric.align import mixed_kinds

    of_policies = [path for path in paths if is_of_policies(path)]
    if of_policies and len(of_policies) < len(paths) and not mixed:
        other = next(path for path in paths if path not in of_policies)
        raise mixed_kinds(str(of_policies[0]), str(other))
    runs = [(path, run) for path in paths if (run := read_run(path)) is not None]
    shown: dict[tuple[str, int], tuple[str, str | Path]] = {}
    if len({run["data"]["images"] for _, run in runs}) > 1:
        for path, _ in runs:
            _refuse_images(path, shown)
    found = {}
    for key in ("data", "split"):
        values = {told_by(path).get(key) for path in paths} - {None}
        if values:
            found[key] = "+".join(sorted(map(str, values)))
    return found


def _refuse_version(path: str, told: str, edition: Edition) -> None:
    made_on = recorded_name(told)
    if made_on.version == edition.version:
        return
    if made_on.version and made_on.is_folder and recorded_name(edition.name).is_folder:
        raise PairError(
            f"{path} has predictions on {told}, and that folder holds {edition.version} now; evaluate again, or see "
            f"what moved: safetypairs score {path} --data {edition.name}"
        )
    raise PairError(
        f"{path} has predictions on {told}, not on {edition.name}; give --data {told}, or evaluate on {edition.name}"
    )


def _refuse_categories(path: str, ids: list[str], given: list[Any], held: dict[str, Any], edition: Edition) -> None:
    """Refuse a category of the taxonomy that is not the pair's. Categories in the user's own words are accepted."""
    ours = {name: _slug(name, edition.taxonomy) for name in set(given)}
    rows = zip(ids, given, strict=False)
    other = sorted({pair_id for pair_id, name in rows if ours[name] not in (None, held[pair_id]["category"])})
    if other:
        raise PairError(
            f"{path}: {counted(len(other), 'pair')} {verb(len(other), 'is')} in another category than in "
            f"{edition.name} ({some(other)}); leave the column category out to take it from the data"
        )


def _slug(name: Any, taxonomy: Taxonomy) -> str | None:
    try:
        return None if name is None else taxonomy.find(str(name)).slug
    except SafetyPairsError:
        return None


def _refuse_images(path: str | Path, shown: dict[tuple[str, int], tuple[str, str | Path]]) -> None:
    import pyarrow.parquet as pq

    if "control" in pq.read_schema(path).names:
        return
    other: dict[str, str | Path] = {}
    for row in pq.read_table(path, columns=["pair_id", "reference", "sha256"]).to_pylist():
        known, where = shown.setdefault((row["pair_id"], row["reference"]), (row["sha256"], path))
        if known != row["sha256"]:
            other[row["pair_id"]] = where
    if other:
        raise PairError(
            f"{path} and {next(iter(other.values()))} were shown different images of {counted(len(other), 'pair')} "
            f"({some(sorted(other))}); evaluate both on one version"
        )
