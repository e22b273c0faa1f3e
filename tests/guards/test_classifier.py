from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetypairs_hf.building.judge import family
from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
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


def with_config(folder: Path, copy: Path, **changes: object) -> Path:
    """Copy a model's folder, with entries of its config changed."""
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, **changes}))
    return copy


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label2id": {"red": "0", "other": "1"}}, None),  # texts for numbers
        ({"label2id": None}, None),
        ({"problem_type": "single_label_classification"}, None),
        (
            {"label2id": {"red": 1, "other": 0}},
            "contradicts itself: label2id has 'red' at 1, and id2label has 'red' at 0",
        ),
        (
            {"label2id": {"red": "zero", "other": "one"}},
            "contradicts itself: label2id has 'red' at 'zero', and id2label",
        ),
        (
            {"id2label": {"1": "red", "2": "other"}, "label2id": None},
            "numbers its labels 1, 2; expected 0 to 1; correct",
        ),
        ({"id2label": {"a": "red", "b": "other"}}, "copy does not load: ValueError: invalid literal for int"),
        ({"problem_type": "regression"}, "has 2 outputs and problem_type regression, so its config does not say how"),
        ({"problem_type": "other"}, "set activation=sigmoid if the outputs are logits, or activation=none if"),
    ],
)
def test_a_config_is_checked_before_its_numbers_are_believed(
    random_classifier: Path, tmp_path: Path, changes: dict[str, object], said: str | None
) -> None:
    guard = red(with_config(random_classifier, tmp_path / "copy", **changes))
    if said is None:
        assert judge(guard, pictures(2)) == judge(red(random_classifier), pictures(2))
        return
    with pytest.raises(SafetyPairsError, match=said) as caught:
        judge(guard, pictures(2))
    assert "\n" not in str(caught.value)


def test_two_outputs_of_one_label_are_added(random_classifier: Path, tmp_path: Path) -> None:
    names = {"id2label": {"0": "red", "1": "red"}, "label2id": {"red": 1}}
    guard = Classifier(str(with_config(random_classifier, tmp_path / "copy", **names)), {"violence": ("red",)}, ())
    assert [verdict.p_unsafe for verdict in judge(guard, pictures(2))] == pytest.approx([1.0, 1.0])


@pytest.fixture(scope="module")
def one_output(random_classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier with its first output alone, which is a logit of the label "unsafe"."""
    from transformers import AutoImageProcessor, CLIPConfig, CLIPForImageClassification

    folder, two = (
        tmp_path_factory.mktemp("models") / "one",
        CLIPForImageClassification.from_pretrained(random_classifier),
    )
    config = CLIPConfig.from_pretrained(random_classifier, id2label={0: "unsafe"}, label2id={"unsafe": 0})
    one = CLIPForImageClassification(config)
    weights = two.state_dict()
    one.load_state_dict(
        weights | {f"classifier.{name}": weights[f"classifier.{name}"][:1] for name in ("weight", "bias")}
    )
    one.save_pretrained(folder)
    AutoImageProcessor.from_pretrained(random_classifier).save_pretrained(folder)
    return folder


def test_one_output(random_classifier: Path, one_output: Path, tmp_path: Path) -> None:
    """A softmax of one number is 1.0 for every image; a sigmoid of it is what the same logit of two outputs has."""
    images, unsafe = pictures(3), {"violence": ("unsafe",)}
    for activation, folder in (
        ("auto", one_output),
        ("softmax", one_output),
        ("auto", with_config(one_output, tmp_path / "regression", problem_type="regression")),
    ):
        with pytest.raises(SafetyPairsError, match=r"has 1 output and .*; set activation=sigmoid if the outputs are"):
            judge(Classifier(str(folder), unsafe, (), activation=activation), images)  # type: ignore[arg-type]
    many = with_config(one_output, tmp_path / "many", problem_type="multi_label_classification")
    by_config = judge(Classifier(str(many), unsafe, ()), images)
    by_setting = judge(Classifier(str(one_output), unsafe, (), activation="sigmoid"), images)
    of_two = judge(red(random_classifier, activation="sigmoid"), images)
    expected = [verdict.p_unsafe for verdict in of_two]
    assert [verdict.p_unsafe for verdict in by_config] == pytest.approx(expected) and by_config == by_setting
    logits = [math.log(share / (1 - share)) for share in expected if share is not None]
    as_they_are = judge(Classifier(str(one_output), unsafe, (), activation="none"), images)
    for verdict, logit in zip(as_they_are, logits, strict=True):
        if 0 <= logit <= 1:
            assert verdict.p_unsafe == pytest.approx(logit)
        else:
            assert (verdict.p_unsafe, verdict.note) == (None, "broken_output")


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


@pytest.mark.parametrize(
    ("unsafe", "safe", "said"),
    [
        ({"violence": [1]}, ("other",), r"labels of violence are \[1\]; expected a list of texts"),
        ({"violence": True}, ("other",), "labels of violence are True; expected a list of texts"),
        ({"violence": {"red": 1}}, ("other",), "labels of violence are {'red': 1}; expected a list of texts"),
        ({5: ["red"]}, ("other",), r"unsafe has 5: \['red'\]; expected a category"),
        ({"violence": ["red"]}, 5, "labels that are safe are 5; expected a list of texts"),
    ],
)
def test_label_maps_of_other_kinds(unsafe: Any, safe: Any, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Classifier("m", unsafe, safe)
    assert Classifier("m", {"violence": "red"}, "other") == Classifier("m", {"violence": ("red",)}, ("other",))  # type: ignore[dict-item]
