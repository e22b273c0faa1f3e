from __future__ import annotations

import pickle
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from small_guards import BOUND, folder_of, judge, pictures, shares, small

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.records import Picture
from safetypairs_hf.guards.zero_shot import ZeroShot
from safetypairs_hf.models.processors import count_tokens
from safetypairs_hf.taxonomy.nine import NINE, SLUGS


@pytest.mark.parametrize(("name", "kind"), [("clip", "CLIPModel"), ("siglip", "SiglipModel")])
def test_against_the_model_called_plainly(name: str, kind: str) -> None:
    import torch
    import transformers
    from PIL import Image

    guard, images = small(name), pictures(3)
    model = getattr(transformers, kind).from_pretrained(folder_of(name))
    processor = transformers.AutoProcessor.from_pretrained(folder_of(name))
    sides = guard.sides["nudity"]
    inputs = processor(
        text=[*sides.unsafe, *sides.safe],
        images=[Image.fromarray(image.pixels) for image in images],
        padding="max_length",
        max_length=model.config.text_config.max_position_embeddings,
        truncation=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        likeness = np.exp(model(**inputs).logits_per_image.double().numpy())
    unsafe = likeness[:, : len(sides.unsafe)].mean(axis=1)
    safe = likeness[:, len(sides.unsafe) :].mean(axis=1)
    found = judge(guard, images, "nudity")
    assert shares(found) == pytest.approx(list(unsafe / (unsafe + safe)), abs=1e-6)
    assert found[0].raw == [*sides.unsafe, *sides.safe][int(likeness[0].argmax())]


def test_the_texts_are_those_of_our_policy() -> None:
    sides = small("clip").sides
    assert list(sides) == list(SLUGS) and small("clip").fidelity == "common"
    assert sides["hate"].unsafe[-1] == "calls to exclude, expel or attack a group"
    assert sides["hate"].safe[-1] == "peaceful protest against hatred, with no slur or hate symbol in the picture"


def test_a_batch_equals_single_images_in_any_order() -> None:
    guard, images, categories = small("siglip", batch_size="2"), pictures(5), [SLUGS[k % 2] for k in range(5)]
    together = shares(judge(guard, images, categories))
    alone = [shares(judge(guard, [image], slug))[0] for image, slug in zip(images, categories, strict=True)]
    assert np.abs(np.subtract(together, alone)).max() < BOUND < np.ptp(together)
    back = shares(judge(guard, images[::-1], categories[::-1]))[::-1]
    assert np.abs(np.subtract(together, back)).max() < BOUND


def test_texts_of_the_user(tmp_path: Path) -> None:
    """As many as one likes on a side: saying a text twice changes nothing."""
    once, twice = tmp_path / "once.yaml", tmp_path / "twice.yaml"
    once.write_text("O4: {unsafe: [a bare body], safe: [a person in clothes]}")
    twice.write_text("nudity: {unsafe: [a bare body, a bare body, a bare body], safe: [a person in clothes]}")
    guards = [small("clip", prompts=str(path)) for path in (once, twice)]
    found = [judge(guard, [*pictures(1), *pictures(1)], ["nudity", "hate"]) for guard in guards]
    assert found[0][0].p_unsafe == pytest.approx(found[1][0].p_unsafe) and found[0][1] == (None, "not_covered", "")
    assert guards[0].fidelity == "trained"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nudity: [a bare body]", "'nudity' has no list 'unsafe' or no list 'safe'"),
        ("nudity: {unsafe: [], safe: [x]}", "'nudity' has no list 'unsafe'"),
        ("", "no categories in it"),
        ("a: {b: [}", "expected YAML such as"),
    ],
)
def test_files_that_are_no_texts(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "texts.yaml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        ZeroShot("folder", prompts=str(tmp_path / "texts.yaml"))
    with pytest.raises(SafetyPairsError, match="no category 'nakedness'"):
        (tmp_path / "texts.yaml").write_text("nakedness: {unsafe: [x], safe: [y]}")
        _ = ZeroShot("folder", prompts=str(tmp_path / "texts.yaml")).sides


LONG = r"^nudity: the text 'bare .*' has \d+ tokens, and .* reads 64; shorten it, or make several texts of it$"


def test_a_text_of_ones_own_that_would_be_cut_is_refused(tmp_path: Path) -> None:
    """Before a build and before the first verdict, in `prompts` and in a taxonomy; the last text that fits is taken."""
    guard, path = small("siglip"), tmp_path / "texts.yaml"
    tokenizer = guard.loaded.processor.tokenizer
    fits = next(text for text in ("bare " * n for n in range(64, 0, -1)) if count_tokens(tokenizer, text) <= 64)
    for text, refused in ((fits, False), (fits + "bare " * 9, True)):
        path.write_text(f"nudity: {{unsafe: ['{text}'], safe: [a person in clothes]}}")
        mine = small("siglip", prompts=str(path))
        policy = replace(NINE.categories[0], slug="nudity", never=(text,), should_not=(), default_only=(), can=("x",))
        bound = small("siglip").under(replace(NINE, id="mine", categories=(policy,)))
        for call in (mine.check_model, bound.check_model, partial(judge, mine), partial(judge, bound)):
            given = (pictures(1), "nudity") if isinstance(call, partial) else ()
            with pytest.raises(RecipeError, match=LONG) if refused else nullcontext():
                call(*given)


def test_refusals_and_state() -> None:
    guard = small("clip")
    assert [verdict.note for verdict in judge(guard, [*pictures(1), Picture(b"no")])] == ["", "refused_by_processor"]
    assert (guard.name, guard.family, guard.holds_model) == ("zero-shot:clip", "zero-shot:clip", True)
    copy = pickle.loads(pickle.dumps(guard))
    first = shares(judge(copy, pictures(1)))
    copy.release()
    assert shares(judge(copy, pictures(1))) == pytest.approx(first, abs=BOUND)
    assert copy == guard and judge(guard, []) == []
    with pytest.raises(SafetyPairsError, match="holds CLIPForImageClassification, and this needs CLIPModel or Siglip"):
        judge(ZeroShot(str(folder_of("classifier"))), pictures(1))
