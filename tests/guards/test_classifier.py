from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from safetypairs_hf.building.judge import family
from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards.classifier import Classifier
from safetypairs_hf.testing.tiny.squares import squares

BOUND = 1e-6  # of P(unsafe), a batch against single images; seen: 4.5e-8


def pictures(count: int) -> list[Picture]:
    return [encode(pixels) for pixels in squares(count, 0)[0]]


def judge(guard: Classifier, images: list[Picture], category: str = "violence") -> list[Verdict]:
    return guard.judge(images, [category] * len(images), [None] * len(images))


def red(folder: Path, **settings: object) -> Classifier:
    return Classifier(str(folder), {"violence": ("red",), "O1": ("red",)}, ("other",), **settings)  # type: ignore[arg-type]


def test_a_classifier_that_sees_red(red_classifier: Path) -> None:
    images, truth = squares(100, 2)
    found = judge(red(red_classifier), [encode(pixels) for pixels in images])
    assert [verdict.p_unsafe is not None and verdict.p_unsafe > 0.5 for verdict in found] == truth
    assert found[0].raw.startswith("red:") and found[1].raw.startswith("other:")


def test_what_it_does_not_cover(red_classifier: Path) -> None:
    images = pictures(3)
    found = red(red_classifier).judge(images, ["Nudity Content", "violence", "hate"], [None] * 3)
    assert found[0] == Verdict(None, "not_covered")
    assert found[1] == judge(red(red_classifier), images[1:2])[0]
    assert found[2] == judge(red(red_classifier), images[2:], "hate")[0]


def test_probabilities_by_hand(random_classifier: Path) -> None:
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, CLIPForImageClassification

    images = pictures(2)
    model = CLIPForImageClassification.from_pretrained(random_classifier)
    processor = AutoImageProcessor.from_pretrained(random_classifier)
    with torch.no_grad():
        inputs = processor([Image.fromarray(image.pixels) for image in images], return_tensors="pt")
        logits = model(**inputs).logits.double().numpy()
    expected = np.exp(logits[:, 0]) / np.exp(logits).sum(axis=1)
    assert [verdict.p_unsafe for verdict in judge(red(random_classifier), images)] == pytest.approx(list(expected))
    both = Classifier(str(random_classifier), {"violence": ("red", "other")}, ())
    assert [verdict.p_unsafe for verdict in judge(both, images)] == pytest.approx([1.0, 1.0])


def test_labels_that_do_not_exclude_each_other(random_classifier: Path, tmp_path: Path) -> None:
    for file in random_classifier.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "problem_type": "multi_label_classification"}))
    both = Classifier(str(tmp_path), {"violence": ("red", "other")}, ())
    one, two = red(tmp_path), Classifier(str(tmp_path), {"violence": ("other",)}, ("red",))
    images = pictures(1)
    shares = [judge(guard, images)[0].p_unsafe or 0.0 for guard in (one, two, both)]
    assert shares[2] == max(shares[:2]) and shares[0] + shares[1] != pytest.approx(1.0, abs=1e-3)


def test_a_batch_equals_single_images_in_any_order(random_classifier: Path) -> None:
    images, guard = pictures(9), red(random_classifier, batch_size=4)
    together = [verdict.p_unsafe for verdict in judge(guard, images)]
    alone = [judge(guard, [image])[0].p_unsafe for image in images]
    back = [verdict.p_unsafe for verdict in judge(guard, images[::-1])][::-1]
    assert np.abs(np.subtract(together, alone)).max() < BOUND and np.abs(np.subtract(together, back)).max() < BOUND
    assert np.ptp(together) > 10 * BOUND


@pytest.mark.parametrize(
    ("unsafe", "safe", "words"),
    [
        ({"violence": ("gun",)}, ("other", "red"), "has no label gun; its labels are red, other"),
        ({"violence": ("red",)}, (), "has labels that the map misses: other; its labels are red, other"),
        ({"violence": ("red", "other")}, ("other",), "has other as unsafe and as safe"),
        ({"violins": ("red",)}, ("other",), "no category 'violins'; the nearest is 'violence'"),
    ],
)
def test_a_wrong_label_map(
    red_classifier: Path, unsafe: dict[str, tuple[str, ...]], safe: tuple[str, ...], words: str
) -> None:
    with pytest.raises(SafetyPairsError, match=words) as caught:
        judge(Classifier(str(red_classifier), unsafe, safe), pictures(1))
    assert "\n" not in str(caught.value)


def test_an_image_that_it_refuses(red_classifier: Path) -> None:
    images = [*pictures(2), Picture(b"no image"), *pictures(1)]
    assert [verdict.note for verdict in judge(red(red_classifier), images)] == ["", "", "refused_by_processor", ""]


def test_settings_and_state(red_classifier: Path, random_chat: Path) -> None:
    with pytest.raises(SafetyPairsError, match=r"holds Llava.*, and this needs an image classifier"):
        judge(red(random_chat), pictures(1))
    guard = red(red_classifier)
    assert family(guard) == guard.name == "classifier:red-classifier" and guard.fidelity == "trained"
    assert family(red(red_classifier, family="reds")) == "reds"
    assert describe(guard)["unsafe"] == {"violence": ["red"], "hate": ["red"]}
    copy = pickle.loads(pickle.dumps(guard))
    first = judge(copy, pictures(2))
    copy.release()
    assert copy == guard and judge(copy, pictures(2)) == first
