"""A task and a metric for LightEval: needs lighteval.

    SAFETYPAIRS_DATA=org/name@1.2.0 lighteval accelerate "model_name=MODEL" "safetypairs|0" \\
        --vision-model --custom-tasks safetypairs_hf.integrations.lighteval_task

LightEval loads its data itself and makes one sample of each row. The images are therefore written, one a row, to a
folder in the cache of `datasets`, once for each version. `SAFETYPAIRS_SPLIT` selects a split other than test.
`--max-samples` counts images and may cut a pair in two; that pair is then left out and counted in `n_incomplete`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lighteval.metrics.metrics_sample import SampleLevelComputation
from lighteval.metrics.utils.metric_utils import CorpusLevelMetric
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc, SamplingMethod

from safetypairs_hf.core.errors import SafetyPairsError, counted
from safetypairs_hf.integrations.shared import answer_of, asker_of, flat, images_of, scored

_KEPT = ("pair_id", "reference", "category", "group")


def images_folder(data: str, split: str = "test") -> Path:
    """Return a folder with `<split>.parquet`: a row for each image of TARGET[@VERSION], with the question about it.

    The folder is made if it is missing. It is named after the manifest, which has the hash of every image. LightEval
    caches answers by that name, so it never confuses the answers on two versions.
    """
    from datasets import config

    from safetypairs_hf.dataset.manifest import NAME
    from safetypairs_hf.dataset.store.open_store import open_named

    digest = hashlib.sha256(open_named(data).fetch(NAME).read_bytes() + split.encode() + b"question").hexdigest()[:16]
    folder = Path(config.HF_DATASETS_CACHE) / "safetypairs-images" / digest
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(dir=folder.parent))
        images = images_of(data, split)
        asked = [*map(asker_of(data, images), images["category"])]
        images.add_column("question", asked).to_parquet(str(half / f"{split}.parquet"))
        try:
            half.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(half)
    return folder


def ask(row: Mapping[str, Any], task_name: str) -> Doc:
    """Make the question about the image's category, to be answered Yes or No."""
    return Doc(
        task_name=task_name,
        query=row["question"],
        choices=["Yes", "No"],
        gold_index=0 if row["reference"] else 1,
        images=[row["image"].convert("RGB")],
        specific={name: row[name] for name in _KEPT},
    )


class PairVerdict(SampleLevelComputation):  # type: ignore[misc]
    """The verdict on one image, with its pair. An answer that is neither yes nor no is an abstention."""

    def compute(self, doc: Doc, model_response: ModelResponse, **_: Any) -> dict[str, Any]:
        # The vision models of LightEval 0.13 return a string instead of a list; final_text then has its letters.
        whole = isinstance(model_response.text, str)
        text = model_response.text if whole else next(iter(model_response.final_text), "")
        return {**doc.specific, "prediction": answer_of(text)["prediction"]}


def figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return every figure of `safetypairs score` by name. A pair with only one image is left out and counted."""
    if 2 not in Counter(row["pair_id"] for row in rows).values():
        raise SafetyPairsError(
            f"no whole pair among {counted(len(rows), 'image')}; run more samples, or all: no --max-samples"
        )
    return flat(scored(rows, incomplete="drop"))


def task_of(data: str, split: str = "test") -> LightevalTaskConfig:
    """Make the task `safetypairs` on a split of TARGET[@VERSION]."""
    return LightevalTaskConfig(
        name="safetypairs",
        prompt_function=ask,
        hf_repo=str(images_folder(data, split)),
        hf_subset="default",
        hf_avail_splits=[split],
        evaluation_splits=[split],
        metrics=[
            CorpusLevelMetric(
                metric_name="pair_verdict",
                higher_is_better=True,
                category=SamplingMethod.GENERATIVE,
                sample_level_fn=PairVerdict(),
                corpus_level_fn=figures,
            )
        ],
        generation_size=4,
        stop_sequence=[],
        version=0,
    )


def _named() -> list[LightevalTaskConfig]:
    data = os.environ.get("SAFETYPAIRS_DATA")
    return [task_of(data, os.environ.get("SAFETYPAIRS_SPLIT") or "test")] if data else []


TASKS_TABLE = _named()  # LightEval looks for this name; empty if SAFETYPAIRS_DATA is not set
