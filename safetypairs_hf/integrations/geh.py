"""A dataset adapter for geh (guard-eval-harness) that keeps the pairs together: needs geh.

    datasets:
      - {name: safetypairs, adapter: safetypairs, split: test, options: {data: org/name@1.2.0}}

geh counts single images. `score_run` reads a finished run and counts pairs. A sample that geh dropped after an error of
the guard counts as an abstention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard_eval_harness.datasets.multimodal_base import MultimodalDatasetAdapter
from guard_eval_harness.registry import dataset_registry
from guard_eval_harness.schemas import NormalizedSample, UnsafeLabel

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import json_lines, parse_object, read_text, reading
from safetypairs_hf.core.target_name import parse_target_name
from safetypairs_hf.integrations.shared import asker_of, images_of, member_id

if TYPE_CHECKING:
    from safetypairs_hf.metric.score import PairScore


class SafetyPairsDataset(MultimodalDatasetAdapter):  # type: ignore[misc]
    """The images of `options.data` (TARGET[@VERSION]) or of the folder `path`, with their pairs in the metadata.

    The model sees only the image, because the guards of geh have their own prompts. `options.ask: true` adds the policy
    question for the image's category. The id of a sample does not reveal whether the image is the unsafe one.
    """

    def load(self) -> list[NormalizedSample]:
        """Load the images of the split; the two of a pair are adjacent. `options.limit` counts images."""
        data = _data_of(self.config.options, self.config.path, self.config.name)
        self._source_metadata = {"display_name": "SafetyPairs", "source_uri": data}
        rows = images_of(data, self.config.split)
        if self.execution_limit is not None:
            rows = rows.select(range(min(self.execution_limit, len(rows))))
        question = asker_of(data, rows) if self.config.options.get("ask") else None
        return [self._sample(row, number % 2, question) for number, row in enumerate(rows)]

    def _sample(self, row: dict[str, Any], number: int, question: Callable[[str], str] | None) -> NormalizedSample:
        text = question(row["category"]) if question else None
        message = self.build_multimodal_message(text=text, image_ref=self.resolve_image(row["image"].convert("RGB")))
        return NormalizedSample(
            id=member_id(row["pair_id"], number),
            dataset=self.config.name,
            split=self.config.split,
            messages=[message],
            label=UnsafeLabel(unsafe=bool(row["reference"])),
            category_labels=(row["category"],),
            metadata={name: row[name] for name in ("pair_id", "category", "group")},
        )


# Exactly as in the entry point: geh accepts a name twice only if both registrations are equal, in either order.
dataset_registry.register("safetypairs", target=f"{__name__}:SafetyPairsDataset")


def score_run(run: str | Path, dataset: str = "safetypairs", **options: Any) -> PairScore:
    """Score one dataset of a finished geh run by pairs.

    Args:
        run: The run folder.
        dataset: The name of the dataset in the run's configuration.
        **options: Further arguments for `safetypairs_hf.score`.

    Raises:
        SafetyPairsError: The folder holds no such run.
        PairError: As for `score`.
    """
    from safetypairs_hf.metric.score import score

    config = _config_of(Path(run), dataset)
    data = _data_of(config.get("options") or {}, config.get("path"), dataset)
    rows = list(rows_of_run(run, dataset))
    return score(rows, **{"data": data, "split": config["split"], **options})


def rows_of_run(run: str | Path, dataset: str = "safetypairs") -> Iterator[dict[str, Any]]:
    """Yield one row for each image of the data of a geh run, with the run's verdict and score for it."""
    config = _config_of(Path(run), dataset)
    file = Path(run) / "datasets" / dataset.replace("/", "__") / "predictions.jsonl"
    if not file.is_file():
        raise SafetyPairsError(f"{run} has no predictions of {dataset!r}; is the run finished?")
    with reading(str(file), "run `geh run` again"):
        answers = {answer["sample_id"]: answer for _, answer in json_lines(read_text(file))}
    data = _data_of(config.get("options") or {}, config.get("path"), dataset)
    images = images_of(data, config["split"]).remove_columns("image")
    for number, row in enumerate(images):
        answer = answers.get(member_id(row["pair_id"], number % 2), {})
        verdict = answer.get("unsafe_label")
        yield {**row, "prediction": None if verdict is None else int(verdict), "score": answer.get("unsafe_score")}


def _config_of(run: Path, dataset: str) -> dict[str, Any]:
    file = run / "resolved-config.json"
    if not file.is_file():
        raise SafetyPairsError(f"{run} holds no geh run (no {file.name}); name the run_dir of `geh run`")
    with reading(str(file), "name the run_dir of `geh run`"):
        datasets = parse_object(read_text(file))["datasets"]
        ours = {each["name"]: each for each in datasets if each["adapter"] == "safetypairs"}
    if dataset not in ours:
        raise SafetyPairsError(f"{run} has no safetypairs dataset {dataset!r}; it has {', '.join(ours) or 'none'}")
    return dict(ours[dataset])


def _data_of(options: dict[str, Any], path: str | None, name: str) -> str:
    data = options.get("data") or path
    if not data:
        raise SafetyPairsError(f"dataset {name!r} names no data; give options: {{data: org/name@1.2.0}}, or a path")
    return str(parse_target_name(str(data)))
