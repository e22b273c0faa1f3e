from __future__ import annotations

import math
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards import verdicts
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.taxonomy.nine import SLUGS
from safetypairs_hf.testing.tiny.squares import squares

BOUND = 1e-6  # of P(unsafe), a batch against single images; seen: 1.2e-8


def pictures(count: int, seed: int = 0) -> list[Picture]:
    return [encode(pixels) for pixels in squares(count, seed)[0]]


def judge(guard: ChatVLM, images: list[Picture], categories: list[str] | None = None) -> list[Verdict]:
    return guard.judge(images, categories or [SLUGS[k % 9] for k in range(len(images))], [None] * len(images))


def shares(verdicts: list[Verdict]) -> list[float]:
    return [verdict.p_unsafe if verdict.p_unsafe is not None else math.nan for verdict in verdicts]


@pytest.fixture(scope="module")
def guard(random_chat: Path) -> ChatVLM:
    return ChatVLM(str(random_chat), batch_size=4, least_mass=0.0)


def test_a_batch_equals_single_images(guard: ChatVLM) -> None:
    images = pictures(9)  # categories differ, so prompts of a batch differ in length
    together = shares(judge(guard, images))
    alone = [shares(judge(guard, [image], [SLUGS[k]]))[0] for k, image in enumerate(images)]
    assert np.abs(np.subtract(together, alone)).max() < BOUND
    assert np.ptp(together) > 100 * BOUND, "images and categories do differ"


def test_order_does_not_matter(guard: ChatVLM) -> None:
    images, categories = pictures(9), list(SLUGS)
    order = random.Random(0).sample(range(9), 9)
    shuffled = shares(judge(guard, [images[k] for k in order], [categories[k] for k in order]))
    straight = shares(judge(guard, images, categories))
    assert np.abs(np.subtract(shuffled, [straight[k] for k in order])).max() < BOUND


def test_one_forward_pass_a_batch_and_nothing_is_decoded(guard: ChatVLM) -> None:
    seen: list[tuple[int, ...]] = []
    model = guard.loaded.model
    hook = model.register_forward_hook(lambda _, __, output: seen.append(tuple(output.logits.shape)))
    try:
        judge(guard, pictures(9))
    finally:
        hook.remove()
    vocabulary = model.config.get_text_config().vocab_size
    assert seen == [(4, 1, vocabulary), (4, 1, vocabulary), (1, 1, vocabulary)]


def test_p_unsafe_from_the_models_own_logits(guard: ChatVLM) -> None:
    """By hand, from a plain call of the model: every position's logits, the last one's softmax, yes over yes and no."""
    import torch

    (image,) = pictures(1)
    inputs = guard.loaded.inputs([image], [verdicts.question("hate")])
    with torch.no_grad():
        logits = guard.loaded.model(**inputs).logits[0, -1].double()
    weights = (logits - logits.max()).exp()
    vocabulary = guard.loaded.processor.tokenizer.get_vocab()
    yes = sum(float(weights[vocabulary[token]]) for token in ("Yes", "\u0120Yes") if token in vocabulary)
    no = sum(float(weights[vocabulary[token]]) for token in ("No", "\u0120No", "\u0120no", "no") if token in vocabulary)
    assert shares(judge(guard, [image], ["hate"])) == [pytest.approx(yes / (yes + no), abs=1e-6)]


def test_little_mass_on_either_word_is_no_verdict(random_chat: Path) -> None:
    (found,) = judge(ChatVLM(str(random_chat), least_mass=0.1), pictures(1))
    assert found[:2] == (None, "no_verdict") and len(found.raw.split()) >= 5


def test_a_model_that_sees_red(red_chat: Path) -> None:
    images, red = squares(60, 1)
    guard = ChatVLM(str(red_chat))
    found = judge(guard, [encode(pixels) for pixels in images])
    assert [verdict.p_unsafe is not None and verdict.p_unsafe > 0.5 for verdict in found] == red
    assert found[0].raw.startswith("'Yes':")
    assert guard.name == "chat-vlm:red-chat" and guard.family == "chat-vlm" and guard.fidelity == "common"


def test_release_and_pickle(red_chat: Path) -> None:
    guard = ChatVLM(str(red_chat))
    guard.release()  # before there is anything
    copy = pickle.loads(pickle.dumps(guard))
    first = judge(copy, pictures(2))
    copy.release()
    assert "loaded" not in copy.__dict__ and judge(copy, pictures(2)) == first
    assert describe(guard) == describe(copy) and "loaded" not in describe(copy)
    assert guard.revision == ChatVLM(str(red_chat), batch_size=1).revision != ChatVLM(str(red_chat.parent)).revision


def test_memory_that_runs_out_halves_the_batch(random_chat: Path) -> None:
    import torch

    guard, sizes = ChatVLM(str(random_chat), batch_size=8, least_mass=0.0), []

    def small_gpu(_: Any, __: Any, inputs: dict[str, Any]) -> None:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    guard.loaded.model.register_forward_pre_hook(small_gpu, with_kwargs=True)
    images = pictures(5)
    found = shares(judge(guard, images))
    assert sizes == [5, 2, 2, 1] or sizes == [8, 4, 2, 2, 1]
    plain = shares(judge(ChatVLM(str(random_chat), least_mass=0.0), images))
    assert np.abs(np.subtract(found, plain)).max() < BOUND


def test_an_image_that_the_processor_refuses(red_chat: Path) -> None:
    """One that does not decode; the others are judged all the same."""
    images = [*pictures(3), Picture(b"no image at all")]
    images.insert(1, Picture(b""))
    found = judge(ChatVLM(str(red_chat)), images, ["hate"] * 5)
    assert [verdict.note for verdict in found] == ["", "refused_by_processor", "", "", "refused_by_processor"]
    assert "UnidentifiedImageError" in found[1].raw
    plain = judge(ChatVLM(str(red_chat)), pictures(3), ["hate"] * 3)
    assert np.abs(np.subtract(shares([found[0], found[2], found[3]]), shares(plain))).max() < BOUND


def test_models_of_another_kind(random_classifier: Path, red_chat: Path, tmp_path: Path) -> None:
    with pytest.raises(SafetyPairsError, match="holds CLIPForImageClassification, and this needs a chat model"):
        judge(ChatVLM(str(random_classifier)), pictures(1))
    with pytest.raises(SafetyPairsError, match=r"has no config\.json"):
        judge(ChatVLM(str(tmp_path)), pictures(1))
    for file in red_chat.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(SafetyPairsError, match="has no chat template"):
        judge(ChatVLM(str(tmp_path)), pictures(1))


def test_no_images(random_chat: Path) -> None:
    assert judge(ChatVLM(str(random_chat)), []) == []
