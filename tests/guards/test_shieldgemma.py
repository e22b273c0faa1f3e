from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards.shieldgemma import ShieldGemma
from safetypairs_hf.taxonomy.nine import NINE, SLUGS
from safetypairs_hf.testing.tiny.squares import squares

BOUND = 1e-6  # of P(unsafe), a batch against single images; seen: 4.5e-8


def pictures(count: int) -> list[Picture]:
    return [encode(pixels) for pixels in squares(count, 0)[0]]


def judge(guard: ShieldGemma, images: list[Picture], categories: list[str]) -> list[Verdict]:
    return guard.judge(images, categories, [None] * len(images))


def shares(verdicts: list[Verdict]) -> list[float]:
    return [math.nan if verdict.p_unsafe is None else verdict.p_unsafe for verdict in verdicts]


def test_column_0_is_yes_it_violates(small_shieldgemma: Path) -> None:
    """Against the model and processor called plainly: softmax over the logits of Yes and No, the share of Yes."""
    import torch
    from transformers import AutoProcessor, AutoTokenizer, ShieldGemma2ForImageClassification

    images = pictures(3)
    model = ShieldGemma2ForImageClassification.from_pretrained(small_shieldgemma)
    processor = AutoProcessor.from_pretrained(small_shieldgemma)
    tokenizer = AutoTokenizer.from_pretrained(small_shieldgemma)
    yes, no = tokenizer.convert_tokens_to_ids(["Yes", "No"])
    chats = processor(
        images=[_pil(image) for image in images],
        policies=["ours"],
        custom_policies={"ours": NINE.policy("disasters")},
        return_tensors="pt",
    )
    with torch.no_grad():
        logits = model.model(**chats).logits[:, -1].double()
    expected = torch.sigmoid(logits[:, yes] - logits[:, no]).tolist()
    found = shares(judge(ShieldGemma(str(small_shieldgemma), fidelity="common"), images, ["disasters"] * 3))
    assert found == pytest.approx(expected, abs=1e-6)
    assert min(abs(share - 0.5) for share in found) > 1e-4, "column 1 would be another number"


def test_trained_asks_its_own_policies_and_covers_no_more(small_shieldgemma: Path) -> None:
    images = pictures(1) * 9
    found = judge(ShieldGemma(str(small_shieldgemma)), images, list(SLUGS))
    notes = {slug: verdict.note for slug, verdict in zip(SLUGS, found, strict=True)}
    assert [slug for slug, note in notes.items() if note == "not_covered"] == ["hate", "disasters"]
    by_slug = dict(zip(SLUGS, shares(found), strict=True))
    # One image: what differs is the policy that it was asked by.
    assert by_slug["violence"] == by_slug["animal_cruelty"] != by_slug["sexual"] == by_slug["nudity"]
    common = shares(judge(ShieldGemma(str(small_shieldgemma), fidelity="common"), images, list(SLUGS)))
    assert not any(map(math.isnan, common)) and len(set(common)) == 9
    assert common[SLUGS.index("violence")] != by_slug["violence"]


def test_a_batch_equals_single_images_in_any_order(small_shieldgemma: Path) -> None:
    images, categories = pictures(5), [SLUGS[k % 2] for k in range(5)]
    guard = ShieldGemma(str(small_shieldgemma), fidelity="common", batch_size=2)
    together = shares(judge(guard, images, categories))
    alone = [shares(judge(guard, [image], [slug]))[0] for image, slug in zip(images, categories, strict=True)]
    assert np.abs(np.subtract(together, alone)).max() < BOUND < 0.01 * np.ptp(together)
    back = shares(judge(guard, images[::-1], categories[::-1]))[::-1]
    assert np.abs(np.subtract(together, back)).max() < BOUND


def test_one_forward_pass_a_batch(small_shieldgemma: Path) -> None:
    guard, sizes = ShieldGemma(str(small_shieldgemma), batch_size=4), []
    guard.loaded.model.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.logits.shape)))
    judge(guard, pictures(6), ["violence"] * 5 + ["hate"])
    assert sizes == [(4, 2), (1, 2)]


def test_an_image_that_it_refuses(small_shieldgemma: Path) -> None:
    found = judge(ShieldGemma(str(small_shieldgemma)), [*pictures(1), Picture(b"no image")], ["violence"] * 2)
    assert [verdict.note for verdict in found] == ["", "refused_by_processor"]


def test_settings_and_state(small_shieldgemma: Path, random_chat: Path) -> None:
    with pytest.raises(RecipeError, match="fidelity = 'own': expected 'trained' or 'common'"):
        ShieldGemma(fidelity="own")
    with pytest.raises(SafetyPairsError, match=r"holds Llava.*, and this needs ShieldGemma2ForImageClassification"):
        judge(ShieldGemma(str(random_chat)), pictures(1), ["violence"])
    guard = ShieldGemma(str(small_shieldgemma))
    assert guard.family == "shieldgemma" and guard.holds_model and guard.revision.startswith("folder:")
    copy = pickle.loads(pickle.dumps(guard))
    first = judge(copy, pictures(1), ["violence"])
    copy.release()
    assert judge(copy, pictures(1), ["violence"]) == first


def _pil(image: Picture) -> object:
    from PIL import Image

    return Image.fromarray(image.pixels)
