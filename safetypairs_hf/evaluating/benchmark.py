"""Check predictions before their results are made public: all pairs of one split of a Hub version, with its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import PairError, PublishError, counted, verb
from safetypairs_hf.core.foreign_text import read_yaml, reading
from safetypairs_hf.dataset.policy_pair_rows import is_policy_pair
from safetypairs_hf.evaluating.image_join import not_in, some

if TYPE_CHECKING:
    from safetypairs_hf.core.version import Version
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.metric.score import PairScore


@dataclass(frozen=True)
class Benchmark:
    """A version of a dataset on the Hub: the task ids in its eval.yaml with their splits, and the commit of its tag."""

    repo: str
    version: Version
    commit: str
    tasks: dict[str, str]
    edition: Edition

    @property
    def name(self) -> str:
        return f"{self.repo}@{self.version}"


@dataclass(frozen=True)
class Predicted:
    """Figures of predictions on a whole split."""

    split: str
    score: PairScore


def open_dataset(data: str) -> Benchmark:
    """Open `org/name@X.Y.Z`.

    Raises:
        SafetyPairsError: `data` is not the name of a dataset.
        PublishError: It is a folder, names no version, or the version has no eval.yaml.
        VersionMismatch: There is no such version.
        HubUnavailable: The Hub did not answer, or refused the token.
    """
    from safetypairs_hf.core.target_name import parse_target_name
    from safetypairs_hf.dataset.store.hub_store import HubStore

    name = parse_target_name(data)
    if name.version is None:
        raise PublishError(f"{data} names no version; give the version that was judged: --data {name.place}@X.Y.Z")
    if name.is_folder:
        what = "the dataset in the package" if name.is_embedded else "a folder"
        raise PublishError(
            f"{name.place} is {what}, and a model's page can only name a dataset on the Hub: org/name@{name.version}"
        )
    published = HubStore(name.place)
    edition = published.open(name.version)
    commit = published.tags()[name.version]
    try:
        file = edition.fetch("eval.yaml")
    except FileNotFoundError as error:
        raise PublishError(
            f"{data} has no eval.yaml, so the Hub takes no results on it; name a later version"
        ) from error
    with reading(f"eval.yaml of {data}", "expected tasks with ids and splits"):
        tasks = {str(task["id"]): str(task["split"]) for task in read_yaml(file)["tasks"]}
    return Benchmark(name.place, name.version, commit, tasks, edition)


def read_predicted(file: Path, on: Benchmark, run: Mapping[str, Any] | None, threshold: float | None) -> Predicted:
    """Check that a file holds a verdict for every image of one split of `on`, and score it.

    Args:
        file: The file of predictions.
        on: The version that they must be on.
        run: The identity in the file's metadata; None if it has none, so that only the pair ids identify the data.
        threshold: As in `score`.

    Raises:
        PairError: They are on another version, dataset or images, or pairs are missing, incomplete or unknown.
    """
    from safetypairs_hf.evaluating.prediction_file import predictions_of
    from safetypairs_hf.metric.prediction_files import as_list
    from safetypairs_hf.metric.score import score

    fidelity = None
    if run is not None:
        _check_run(file, on, run["data"])
        fidelity = run["guard"].get("fidelity")
    columns = predictions_of(file)
    if "control" in columns:
        raise PairError(f"{file} has predictions on controls; push predictions on the pairs")
    split = _split_of(file, on, {str(each) for each in as_list(columns.get("pair_id"))})
    figures = score(columns, threshold=threshold, data=on.name, split=split, fidelity=fidelity)
    if run is not None:
        check_images(file, on.edition)
    return Predicted(split, figures)


def _check_run(file: Path, on: Benchmark, data: Mapping[str, Any]) -> None:
    from safetypairs_hf.core.target_name import recorded_name

    told = data["name"]
    if not told:
        return
    name = recorded_name(told)
    if name.version != on.version or not (name.is_folder or name.place == on.repo):
        raise PairError(f"{file} has predictions on {told}, not on {on.name}; give --data {told}, or evaluate again")


def _split_of(file: Path, on: Benchmark, ids: set[str]) -> str:
    """The split all of whose pairs are predicted, and no others."""
    rows = on.edition.table.select(["pair_id", "split", "unsafe_sha256", "safe_sha256"]).to_pylist()
    of_images = [row for row in rows if not is_policy_pair(row)]
    if of_images and ids & {row["pair_id"] for row in rows if is_policy_pair(row)}:
        raise PairError(f"{file} has predictions on policy pairs; a result on {on.name} is on its pairs of images")
    splits: dict[str, set[str]] = {}
    for row in of_images or rows:  # as eval.yaml has them
        splits.setdefault(row["split"], set()).add(row["pair_id"])
    if strange := sorted(ids - set().union(*splits.values())):
        raise PairError(f"{file}: {not_in(strange, ids)} {on.name} ({some(strange)})")
    touched = sorted(split for split, held in splits.items() if held & ids)
    if len(touched) != 1:
        raise PairError(f"{file} has pairs of {' and '.join(touched) or 'no split'}; evaluate one split, all of it")
    (split,) = touched
    if missing := sorted(splits[split] - ids):
        raise PairError(
            f"{file} lacks {len(missing):,} of the {counted(len(splits[split]), 'pair')} of {split} in {on.name} "
            f"({some(missing)}); evaluate all of the split, without --limit and --config"
        )
    return split


def check_images(file: str | Path, edition: Edition) -> None:
    """Check the image hashes that `evaluate` wrote against the manifest.

    A file without hashes, or with predictions on controls, is not checked.

    Raises:
        PairError: A row was judged on another image.
    """
    import pyarrow.parquet as pq

    names = pq.read_schema(file).names
    if "sha256" not in names or "control" in names:
        return
    table = edition.table.select(["pair_id", "unsafe_sha256", "safe_sha256"]).to_pylist()
    images = {row["pair_id"]: (row["safe_sha256"], row["unsafe_sha256"]) for row in table}
    rows = pq.read_table(file, columns=["pair_id", "reference", "sha256"]).to_pylist()
    other = {
        row["pair_id"]
        for row in rows
        if row["pair_id"] in images and images[row["pair_id"]][row["reference"]] != row["sha256"]
    }
    if other:
        raise PairError(
            f"{file}: {counted(len(other), 'pair')} {verb(len(other), 'has')} other or swapped images compared with "
            f"{edition.name} ({some(sorted(other))}); evaluate again on it"
        )
