"""The card of a trained guard: its kind, its training data, its figures, and how to run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from safetypairs_hf.core.errors import counted, verb
from safetypairs_hf.core.target_name import is_hub_id
from safetypairs_hf.training.training_pairs import TrainingPairs

if TYPE_CHECKING:
    from safetypairs_hf.training.trained_guard import Trained


def model_card(trained: Trained, pairs: TrainingPairs) -> str:
    """Return README.md of a model folder."""
    header: dict[str, Any] = {
        "library_name": "peft" if trained.method == "lora" else "safetypairs-hf",
        "pipeline_tag": "image-text-to-text" if trained.method == "lora" else "image-classification",
        "tags": ["safetypairs", "image-safety", "guard"],
    }
    repo = trained.data.partition("@")[0]
    if is_hub_id(repo):
        header["datasets"] = [repo]
    if is_hub_id(str(trained.settings["model"])):
        header["base_model"] = trained.settings["model"]
    what = (
        "An adapter (LoRA) of a chat model, trained to answer Yes or No to the policy of a category"
        if trained.method == "lora"
        else f"A {trained.settings['head']} head on frozen features of the whole image"
        + (" and of a grid of crops" if trained.settings["grid"] > 1 else "")
    )
    settings = "\n".join(f"- {key}: {value}" for key, value in trained.settings.items())
    sources = "\n".join(f"- {license}{f': {told}' if told else ''}" for license, told in pairs.sources)
    return f"""---
{yaml.safe_dump(header, sort_keys=False).rstrip()}
---

# A guard trained on {trained.data}

{what}. It says P(unsafe) of an image under one of these categories: {", ".join(trained.categories)}. From other
categories it abstains. It is a light guard, trained on {trained.pairs:,} pairs of {trained.families:,} families; do not
let it decide alone.

```console
$ safetypairs evaluate {trained.guard} --set model=THIS_FOLDER --data {trained.data} --out test.parquet
```

## Training data

{trained.data}, split train, the pairs exactly as they were published. No pair and no group of near-duplicates of it is
in another split of that version.{_leaks(trained)}

Its licence and source:

{sources}

## Settings

{settings}

## Figures
{_figures(trained)}"""


def _leaks(trained: Trained) -> str:
    told = "".join(
        f"\n- {each['version']}: {counted(each['pairs'], 'test pair')}, none is in the {each['images']:,} training "
        "images" + (f" once {counted(n, 'train pair')} {verb(n, 'was')} left out" if (n := each["dropped"]) else "")
        for each in trained.leaks
    )
    return f" Looked for, by file and by perceptual hash, turned and mirrored too:\n{told}" if told else ""


def _figures(trained: Trained) -> str:
    if trained.held_out is None:
        return "\nNone were measured in training; run the command above.\n"
    score = trained.held_out
    rows = [("all", score), *sorted(score.per_category.items())]
    table = "\n".join(
        f"| {name} | {each.n_pairs} | {each.pair_accuracy:.4f} [{each.pair_accuracy_ci[0]:.4f}, "
        f"{each.pair_accuracy_ci[1]:.4f}] |"
        for name, each in rows
    )
    return f"""
On the training pairs themselves, each judged by a head that was fitted without the pair's family, with the setting
that is best over all of them, so slightly optimistic; threshold 0.5. The threshold that is best there is
{trained.threshold!r}.

| category | pairs | pair accuracy, 95% interval |
|---|---|---|
{table}

`{score.signature}`
"""
