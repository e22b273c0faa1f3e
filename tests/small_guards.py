"""The small model of every guard, made once a session, and what tests of guards ask again and again."""

from __future__ import annotations

import atexit
import math
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards.base import Question
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.guards.head import HeadWeights, write_head
from safetypairs_hf.models.image_features import Backbone
from safetypairs_hf.taxonomy.nine import SLUGS
from safetypairs_hf.testing.tiny.guards import tiny_guards
from safetypairs_hf.testing.tiny.squares import squares

BOUND = 1e-6  # of P(unsafe), a batch against single images


@cache
def all_settings() -> dict[str, dict[str, str]]:
    folder = tempfile.mkdtemp(prefix="safetypairs-small-guards-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = tiny_guards(Path(folder))
    return settings | {"head": {"model": str(_random_head(Path(folder, "head"), settings["clip"]["model"]))}}


def _random_head(folder: Path, backbone: str) -> Path:
    """A head of random weights on the features of a small model and of 2 x 2 crops, for all categories."""
    folder.mkdir()
    on = Backbone(backbone)
    width = on.features(on.prepare(pictures(1))).shape[1]
    rng = np.random.default_rng(0)
    layers = ((rng.normal(size=(width + len(SLUGS), 1)), np.zeros(1)),)
    told = {"model": backbone, "commit": None, "grid": on.grid, "revision": on.revision}
    config = {"backbone": told, "categories": list(SLUGS)}
    write_head(folder, HeadWeights(np.zeros(width), np.ones(width), layers), config)
    return folder


def small(name: str, **settings: str) -> Any:
    """A guard of the catalogue with its small model; skips where this machine cannot make that."""
    if name not in all_settings():
        pytest.skip(f"{name} needs torchvision")
    return make_guard(name, {**all_settings()[name], **settings})


def folder_of(name: str) -> Path:
    return Path(all_settings()[name]["model"])


def pictures(count: int) -> list[Picture]:
    return [encode(pixels) for pixels in squares(count, 0)[0]]


def judge(guard: Any, images: Sequence[Picture], categories: str | Sequence[str] = "violence") -> list[Verdict]:
    several = [categories] * len(images) if isinstance(categories, str) else list(categories)
    return list(guard.judge(images, several, [None] * len(images)))


def shares(verdicts: Sequence[Verdict]) -> list[float]:
    return [math.nan if verdict.p_unsafe is None else verdict.p_unsafe for verdict in verdicts]


def asked(guard: Any, images: Sequence[Picture], categories: str | Sequence[str]) -> Any:
    """The tensors of a chat guard's prompts."""
    several = [categories] * len(images) if isinstance(categories, str) else categories
    questions = [Question(number, *each) for number, each in enumerate(zip(images, several, strict=True))]
    return guard.loaded.moved(guard.prepare(questions))


def by_hand(guard: Any, image: Picture, slug: str, before: str, word: str, words: Sequence[str] | None = None) -> float:
    """P(word) after the prompt and `before`, one token and one forward pass at a time, as one writes it down first.

    What all `words`, by default both of the verdict, begin with is given.
    """
    import torch

    chat = guard.loaded
    inputs = asked(guard, [image], slug)
    encode_text = chat.processor.tokenizer.encode
    whole = encode_text(before + word, add_special_tokens=False)
    others = [encode_text(before + other, add_special_tokens=False) for other in words or guard.reading[:2]]
    start = next(k for k in range(99) if len({ids[k] for ids in others}) > 1)
    log, fed = 0.0, whole[:start]
    for token in whole[start:]:
        grown = dict(inputs)
        for name in ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "cross_attention_mask"):
            if name in grown:
                last = grown[name][:, -1:].repeat_interleave(len(fed), dim=1)
                new = torch.tensor([fed], dtype=torch.long) if name == "input_ids" else last
                grown[name] = torch.cat([grown[name], new], dim=1) if fed else grown[name]
        with torch.no_grad():
            logits = chat.model(**grown).logits[0, -1].double()
        log += float(logits.log_softmax(dim=-1)[token])
        fed = [*fed, token]
    return math.exp(log)
