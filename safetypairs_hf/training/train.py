"""`train`: train a light guard on the pairs of a version, as a folder that `evaluate` runs and the Hub accepts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.core.settings import check_names, parameters_of, read_setting
from safetypairs_hf.evaluating.judging import Progress
from safetypairs_hf.training.cached_features import cache_folder
from safetypairs_hf.training.lora import LoraTraining, train_lora
from safetypairs_hf.training.model_card import model_card
from safetypairs_hf.training.new_folder import new_folder, refuse_existing
from safetypairs_hf.training.train_head import HeadTraining, train_head
from safetypairs_hf.training.trained_guard import Trained
from safetypairs_hf.training.training_pairs import TrainingPairs, training_pairs
from safetypairs_hf.training.unleaked import unleaked

METHODS: Final[dict[str, type[HeadTraining] | type[LoraTraining]]] = {"head": HeadTraining, "lora": LoraTraining}
# This file next to the weights records the exact data, the settings and the figures.
RECORD: Final = "training.json"


def train(
    data: str,
    out: str | Path,
    *,
    method: str = "head",
    categories: Sequence[str] = (),
    benchmarks: Sequence[str] = (),
    leaking: str = "error",
    cache: str | Path | None = None,
    check: str = "error",
    progress: Progress = lambda stage, done, total: None,
    **settings: Any,
) -> Trained:
    """Train a light guard on the train split of a published version.

    The folder appears only once it is complete.

    Args:
        data: `TARGET@X.Y.Z`, or `TARGET` for its newest version.
        out: The folder, which must not exist.
        method: "head", a head on frozen features, see `HeadTraining`; "lora", a chat model's adapter, see
            `LoraTraining`.
        categories: The categories to train on, by slug, code or name; all by default.
        benchmarks: Further versions that the guard will be measured on. No train pair may show a test pair of them or
            of `data` itself, as `leaks` finds them.
        leaking: "error" refuses train pairs that show a test pair; "drop" leaves them out.
        cache: The folder of cached features; one below HF_HOME by default.
        check: As in `load`.
        progress: Called with (stage, done, total).
        **settings: The fields of `HeadTraining` or of `LoraTraining`; a text is read as the command reads it.

    Returns:
        What was trained, on which data, and with which settings.

    Raises:
        SafetyPairsError: `out` exists; there is no such method, setting or category; a category has no train pairs; a
            pair or a family is in two splits; a train pair shows a test pair; there are too few families; or the
            backbone or the model cannot be loaded.
    """
    from safetypairs_hf.evaluating.data import open_data
    from safetypairs_hf.metric.score import score

    chosen = read_settings(method, settings)
    refuse_existing(out)
    pairs = training_pairs(data, check=check)
    named = pairs.name.removesuffix(f" (check={check})")
    slugs = trained_categories(pairs, named, categories)
    opened = open_data(named, "train", check=check)
    rows = [row for row, image in enumerate(opened.images) if image.category in slugs]
    rows, checks = unleaked(opened, rows, (named, *benchmarks), leaking, progress)
    done = Trained(
        folder=str(out),
        method=method,
        data=pairs.name,
        pairs=len({opened.pair_ids[row] for row in rows}),
        families=len({opened.groups[row] for row in rows}),
        categories=slugs,
        leaks=checks,
        settings=asdict(chosen),
        threshold=None,
        held_out=None,
    )
    with new_folder(out) as new:
        if isinstance(chosen, LoraTraining):
            train_lora(opened, rows, new, chosen, progress)
        else:
            place = Path(cache).expanduser() if cache else cache_folder()
            predictions = train_head(opened, rows, slugs, new, chosen, place, progress)
            figures = score(predictions, data=f"{pairs.name} (held out)", split="train")
            done = replace(done, held_out=figures, threshold=figures.best_threshold)
        record = done.to_dict() | {"folder": None}
        (new / RECORD).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        (new / "README.md").write_text(model_card(done, pairs), "utf-8")
    return done


def read_settings(method: str, given: dict[str, Any]) -> HeadTraining | LoraTraining:
    """Make the settings of a method; texts are parsed by the type of the setting.

    Raises:
        SafetyPairsError: There is no such method or setting, a value has another type, or a setting is missing.
    """
    if method not in METHODS:
        raise SafetyPairsError(f"no method {method!r}{hint(method, METHODS)}; there are {', '.join(METHODS)}")
    takes = parameters_of(METHODS[method])
    check_names(given, takes, f"method {method!r}")
    values = {
        key: read_setting(key, value, takes[key]) if isinstance(value, str) else value for key, value in given.items()
    }
    if method == "lora" and "model" not in values:
        raise SafetyPairsError("method 'lora' needs model, a chat model that sees images; give model=...")
    return METHODS[method](**values)


def trained_categories(pairs: TrainingPairs, name: str, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the slugs of the categories to train on, in the taxonomy's order.

    Raises:
        SafetyPairsError: A requested category, or one with test pairs, has no train pairs.
    """
    from safetypairs_hf.dataset.store.open_store import open_named

    table = open_named(name).table.select(["category", "split"]).to_pydict()
    counts: dict[str, dict[str, int]] = {}
    for category, split in zip(table["category"], table["split"], strict=True):
        of_category = counts.setdefault(category, {})
        of_category[split] = of_category.get(split, 0) + 1
    with_train = [slug for slug in pairs.taxonomy.slugs if counts.get(slug, {}).get("train")]
    wanted = {pairs.taxonomy.find(each).slug for each in asked}
    missing = [slug for slug in pairs.taxonomy.slugs if slug in (wanted or counts) and slug not in with_train]
    if missing:
        rest = " ".join(f"--category {slug}" for slug in with_train if not wanted or slug in wanted)
        held = ", ".join(f"{number} of {split}" for split, number in counts.get(missing[0], {}).items()) or "none"
        raise SafetyPairsError(
            f"category {missing[0]} of {name} has no train pairs (it has {held}), so no guard can be trained for it; "
            + (f"leave it out: {rest}" if rest else "name a version with a train split")
        )
    return tuple(slug for slug in with_train if not wanted or slug in wanted)
