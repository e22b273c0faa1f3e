"""From labels to categories, and from a judge's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Picture, Reject, Verdict
from safetypairs_hf.sources.labels import Judged, category_of, check_one, read_labels


@dataclass(frozen=True)
class Channels:
    """A judge that takes red for violence, green for hate and blue for nudity, and abstains from anything else."""

    name: str = "channels"

    def judge(self, images: Sequence[Picture], categories: Sequence[str], regions: object) -> list[Verdict]:
        return [self._one(image, category) for image, category in zip(images, categories, strict=True)]

    def _one(self, image: Picture, category: str) -> Verdict:
        channel = ("violence", "hate", "nudity").index(category) if category in ("violence", "hate", "nudity") else None
        return Verdict(None if channel is None else float(image.pixels[..., channel].mean()) / 255)


def plain(*colour: int) -> Picture:
    return encode(np.full((8, 8, 3), colour, np.uint8))


def test_labels_as_text_and_as_a_mapping() -> None:
    expected = {"gun": "weapons_substances", "house on fire": "disasters", "a=b": "hate"}
    assert read_labels("gun=O6, house on fire = Disasters or Emergencies,a=b=hate") == expected
    assert read_labels({"gun": "O6", "house on fire": "disasters", "a=b": "O1"}) == expected
    assert read_labels("") == {}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("gun", "'' is no label=category"),
        ("=O6", "'' is no label=category"),
        ("gun=wepons", "no category 'wepons'; the nearest is 'weapons_substances'"),
    ],
)
def test_labels_that_are_none(labels: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        read_labels(labels)


def test_the_category_of_a_label() -> None:
    labels = {"gun": "weapons_substances", "O1": "violence"}
    assert category_of("gun", labels) == "weapons_substances"
    assert category_of("O1", labels) == "violence"  # the mapping comes first
    assert category_of("O3: Sexual Content", labels) == "sexual"
    assert category_of("self_harm", {}) == "self_harm"
    for label, reason in ((None, "no_label"), (" ", "no_label"), ("kitten", "unknown_label")):
        found = category_of(label, labels)
        assert isinstance(found, Reject)
        assert found[:2] == ("source", reason)


def test_one_way_to_tell_the_category() -> None:
    check_one(category=None, judged=None, labels="")
    with pytest.raises(RecipeError, match="the category comes from category and from labels; give one"):
        check_one(category="hate", judged=None, labels="a=O1")


def test_the_judge_gives_the_most_unsafe_category() -> None:
    judged = Judged(Channels(), ("hate", "violence", "nudity", "disasters"))
    said = judged.choose([plain(200, 10, 10), plain(10, 200, 10), plain(10, 100, 180), plain(180, 180, 0)])
    assert said == ["violence", "hate", "nudity", "hate"]  # of two as unsafe the first
    (low,) = judged.choose([plain(100, 90, 10)])
    assert low == Reject("source", "no_category", "channels: at most P(unsafe) = 0.392, in violence")
    (silent,) = Judged(Channels(), ("disasters",)).choose([plain(200, 200, 200)])
    assert isinstance(silent, Reject)
    assert silent.reason == "judge_abstained"
    assert judged.choose([]) == []


def test_a_judge_of_unknown_categories_is_refused() -> None:
    with pytest.raises(RecipeError, match="'guns'"):
        Judged(Channels(), ("guns",))
    with pytest.raises(RecipeError, match="none; expected"):
        Judged(Channels(), ())
