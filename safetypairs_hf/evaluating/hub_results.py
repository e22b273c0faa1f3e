"""`.eval_results/*.yaml` in a model repo: the results of a guard, with the commit of the version they were made on.

The Hub shows them on the model's page and on the leaderboard of the dataset. It identifies a result by the id of a task
in the dataset's eval.yaml. Figures without a task there are not written; the notes of every entry hold pair accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.foreign_text import MOST_SETTING_BYTES, parse_yaml, read_text, reading
from safetypairs_hf.core.target_name import is_hub_id
from safetypairs_hf.evaluating.benchmark import Benchmark, Predicted, open_dataset, read_predicted
from safetypairs_hf.evaluating.prediction_file import read_run
from safetypairs_hf.metric.figures import Figures, figures_in

if TYPE_CHECKING:
    from huggingface_hub import EvalResultEntry, HfApi

    from safetypairs_hf.metric.score import PairScore

FOLDER: Final = ".eval_results"
# The id of a task in eval.yaml -> its figure. A task with one image per sample is accuracy on that half of the images.
TASKS: Final[dict[str, Callable[[PairScore], float]]] = {
    figure.task: attrgetter(figure.name) for figure in figures_in(Figures) if figure.task
}


@dataclass(frozen=True)
class Pushed:
    """The result of `push_results`.

    `changed` is False if the repo already had these results, and in a dry run. `where` is the address of the file or of
    the pull request; in a dry run, the file that would be written.
    """

    repo: str
    file: str
    where: str
    changed: bool
    entries: list[EvalResultEntry]
    score: PairScore

    def to_dict(self) -> dict[str, Any]:
        from huggingface_hub import eval_result_entries_to_yaml

        plain = {name: value for name, value in vars(self).items() if name not in ("entries", "score")}
        return {**plain, "entries": eval_result_entries_to_yaml(self.entries), "score": self.score.to_dict()}


def push_results(
    predictions: str | Path,
    repo: str,
    data: str,
    *,
    threshold: float | None = None,
    pull_request: bool = False,
    dry_run: bool = False,
    api: HfApi | None = None,
) -> Pushed:
    """Write the results of predictions to the model repo of the guard, in one commit.

    The file is `.eval_results/<name of the dataset>.yaml`. Entries in it for the same tasks of this dataset are
    replaced; those for other datasets stay.

    Args:
        predictions: The file of predictions, on every pair of one split.
        repo: The model repo, `org/name`.
        data: The version that the predictions are on, `org/name@X.Y.Z`.
        threshold: The score, in [0, 1], from which an image counts as unsafe; 0.5 by default.
        pull_request: Propose the file as a pull request, which needs no right to write.
        dry_run: Check everything, and change nothing.
        api: A client for another Hub or token; None for the default ones.

    Returns:
        What was written, or would be written in a dry run.

    Raises:
        PairError: The predictions are not whole pairs, are on another version, or not on every pair of one split.
        PublishError: The repo is not a model, is not the model that was judged, or the token may not write to it; or
            `data` is not a benchmark on the Hub. Nothing was changed.
        VersionMismatch: There is no such version.
        HubUnavailable: The Hub did not answer.
    """
    from huggingface_hub import HfApi

    predictions = Path(predictions)
    run = read_run(predictions)
    _check_model(repo, run)
    dataset = open_dataset(data)
    found = read_predicted(predictions, dataset, run, threshold)
    entries = entries_of(dataset, found, _told(run))
    model = _ModelRepo(repo, api or HfApi())
    model.check(write=not pull_request)
    file = f"{FOLDER}/{dataset.repo.rpartition('/')[2]}.yaml"
    held, head = model.read(file)
    text = merged(held, entries, f"{file} of {repo}")
    if dry_run or text == held:
        return Pushed(repo, file, f"{model.page}/{file}", False, entries, found.score)
    title = f"{dataset.repo} {dataset.version}: pair accuracy {found.score.pair_accuracy:.4f}"
    where = model.write(file, text, head, title, pull_request)
    return Pushed(repo, file, where, True, entries, found.score)


def entries_of(dataset: Benchmark, found: Predicted, guard: str = "") -> list[EvalResultEntry]:
    """Return one entry for each task on the judged split, in the order of eval.yaml. The notes name `guard`.

    Raises:
        PublishError: eval.yaml has no task for that split.
    """
    from huggingface_hub import EvalResultEntry

    score = found.score
    low, high = score.pair_accuracy_ci
    notes = f"pair accuracy {score.pair_accuracy:.4f} [{low:.4f}, {high:.4f}]; {guard}{score.signature}"
    entries = [
        EvalResultEntry(dataset.repo, task, TASKS[task](score), dataset_revision=dataset.commit, notes=notes)
        for task, split in dataset.tasks.items()
        if task in TASKS and split == found.split
    ]
    if not entries:
        there = ", ".join(f"{task} on {split}" for task, split in dataset.tasks.items())
        raise PublishError(
            f"the predictions are on {found.split}, and eval.yaml of {dataset.name} has no known task "
            f"({', '.join(TASKS)}) on it; it has {there or 'none'}"
        )
    return entries


def merged(held: str | None, entries: list[EvalResultEntry], name: str) -> str:
    """Return the text of the file with the new entries, which replace those of the same dataset and task.

    Keys that huggingface_hub does not know are kept.

    Raises:
        PublishError: The existing file cannot be read.
    """
    from huggingface_hub import eval_result_entries_to_yaml, parse_eval_result_entries

    ours = {(entry.dataset_id, entry.task_id) for entry in entries}
    kept = []
    if held is not None:
        with reading(name, "expected a list of results; correct it or remove it, then push again", PublishError):
            for item in parse_yaml(held, typed=True) or []:
                (entry,) = parse_eval_result_entries([item])
                if (entry.dataset_id, entry.task_id) not in ours:
                    kept.append(item)
    return yaml.safe_dump([*eval_result_entries_to_yaml(entries), *kept], sort_keys=False, width=10_000)


def _told(run: Mapping[str, Any] | None) -> str:
    """Return the guard and its settings for the notes."""
    if run is None:
        return ""
    guard = run["guard"]
    named = {"guard": guard.get("name"), "revision": guard.get("revision"), "prompt": guard.get("prompt_hash")}
    return "".join(f"{key}:{value}|" for key, value in named.items() if value)


def _check_model(repo: str, run: Mapping[str, Any] | None) -> None:
    """Raise PublishError if the repo is not the name of a model, or if another model of the Hub was judged."""
    if not is_hub_id(repo):
        raise PublishError(f"{repo!r} is not a model on the Hub; expected org/name")
    settings: Any = run["guard"].get("settings") if run else None
    while isinstance(settings, Mapping):
        judged = settings.get("model")
        if isinstance(judged, str) and is_hub_id(judged) and not Path(judged).exists():
            if judged.lower() != repo.lower():
                raise PublishError(f"the predictions are of {judged}, not of {repo}; push them to {judged}")
            return
        settings = settings.get("inner")


@dataclass(frozen=True)
class _ModelRepo:
    name: str
    api: HfApi

    @property
    def page(self) -> str:
        return f"{self.api.endpoint}/{self.name}"

    def check(self, write: bool) -> None:
        """Raise PublishError unless it is a model that the token can read and, with `write`, write to."""
        from huggingface_hub import errors

        from safetypairs_hf.core.hub import explained, retried

        with explained(self.name, self.api.endpoint, "model"):
            who = retried(self.api.whoami)["name"]
            try:
                retried(lambda: self.api.auth_check(self.name, repo_type="model"))
            except errors.GatedRepoError as error:
                raise PublishError(f"{self.name} is gated: ask for access at {self.page}, then try again") from error
            except errors.RepositoryNotFoundError as error:
                raise self._no_model() from error
            if not write:
                return
            try:
                retried(lambda: self.api.auth_check(self.name, repo_type="model", write=True))
            except errors.HfHubHTTPError as error:
                if error.response.status_code not in (401, 403, 404):
                    raise
                raise PublishError(
                    f"{who} has no right to write to {self.name}; open a pull request with --pr, or use another token"
                ) from error

    def read(self, file: str) -> tuple[str | None, str]:
        """Return the text of a file (None if there is none) and the commit that it was read at."""
        from safetypairs_hf.core.hub import answer_seconds, explained, fetch, retried

        with explained(self.name, self.api.endpoint, "model"):
            head = str(retried(lambda: self.api.model_info(self.name, timeout=answer_seconds())).sha)
        try:
            path = fetch(self.name, file, head, self.api, kind="model")
        except FileNotFoundError:
            return None, head
        with reading(f"{self.name}/{file}", "correct it or remove it, then push again", PublishError):
            return read_text(path, MOST_SETTING_BYTES), head

    def write(self, file: str, text: str, head: str, title: str, pull_request: bool) -> str:
        """Write the file in one commit on `head`. Return the address of the file or of the pull request."""
        from huggingface_hub import CommitOperationAdd, errors

        from safetypairs_hf.core.hub import explained

        with explained(self.name, self.api.endpoint, "model"):
            try:
                done = self.api.create_commit(
                    self.name,
                    [CommitOperationAdd(file, text.encode())],
                    commit_message=title,
                    repo_type="model",
                    create_pr=pull_request,
                    parent_commit=head,
                )
            except errors.HfHubHTTPError as error:
                if error.response.status_code != 412:
                    raise
                raise PublishError(f"somebody else changed {self.name} meanwhile; push again") from error
        return done.pr_url or f"{self.page}/blob/main/{file}"

    def _no_model(self) -> PublishError:
        from safetypairs_hf.core.hub import retried

        for kind in ("dataset", "space"):
            if retried(lambda kind=kind: self.api.repo_exists(self.name, repo_type=kind)):  # type: ignore[misc]
                return PublishError(f"{self.name} is a {kind}; results go to a model: give the repo of the guard")
        return PublishError(
            f"no model {self.name} at {self.api.endpoint} that this token can read; check the name, or make it: "
            f"hf repos create {self.name}"
        )
