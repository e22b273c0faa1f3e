"""Who writes a PNG: the same pixels by either encoder, one for both members, and a missing one is told."""

from __future__ import annotations

import importlib.metadata
import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recipes import pictures

from safetypairs_hf.building.build import claim
from safetypairs_hf.building.engines.base import Opened, segments
from safetypairs_hf.building.recipe import LoadedRecipe, Recipe
from safetypairs_hf.core.errors import RecipeError, RunError
from safetypairs_hf.core.pictures import ENCODERS, OPENCV, PILLOW, encode, encoding, size_of
from safetypairs_hf.core.records import Picture, Pixels
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.sources import FolderSource, Frame


def photograph(seed: int, height: int = 96, width: int = 128) -> Pixels:
    """Smooth, with grain."""
    dice = np.random.default_rng(seed)
    small = Image.fromarray(dice.integers(40, 215, (6, 8, 3), np.uint8))
    smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + np.rint(dice.normal(0, 3, smooth.shape)), 0, 255).astype(np.uint8)


def recipe_of(folder: Path, encoder: str) -> Recipe:
    """Of three photographs with a red square, which stay as they are."""
    for number in range(3):
        pixels = photograph(number, 64, 64)
        pixels[8:24, 8:24] = 255, 0, 0
        Image.fromarray(pixels).save(folder / "hate" / f"{number}.png")
    source = FolderSource(str(folder), "CC0-1.0", frame=Frame(64, encoder=encoder))
    return replace(pictures.recipe(folder=str(folder)), source=source, categories=())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_an_encoder_loses_nothing_and_adds_nothing(encoder: str) -> None:
    if encoder == OPENCV:
        pytest.importorskip("cv2")
    for pixels in (photograph(0), photograph(1, 17, 3), photograph(2)[::-1, ::2]):
        made = encode(np.ascontiguousarray(pixels) if encoder == PILLOW else pixels, encoder)
        with Image.open(io.BytesIO(made.data)) as image:
            assert np.array_equal(np.asarray(image), pixels)
        assert encoding(made.data) == "PNG RGB" and encode(made.pixels, encoder).data == made.data
        assert size_of(made) == size_of(Picture(made.data)) == (pixels.shape[1], pixels.shape[0])
    assert len(encode(photograph(0, 400, 600), encoder).data) <= 1.03 * len(encode(photograph(0, 400, 600)).data)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_one_encoder_writes_both_members_and_the_recipe_says_which(tmp_path: Path, encoder: str) -> None:
    if encoder == OPENCV:
        pytest.importorskip("cv2")
    (tmp_path / "photographs" / "hate").mkdir(parents=True)
    recipe = recipe_of(tmp_path / "photographs", encoder)
    said = LoadedRecipe("mine", "", {}, recipe).resolved()
    assert said["parts"]["source"]["frame"]["encoder"] == encoder == recipe.encoder
    assert said["versions"].keys() >= {ENCODERS[encoder]}
    run = RunFolder(str(tmp_path / "run"))
    for segment in segments(recipe):
        Opened(recipe, run, segment).make(0)
    stages = (("source", "unsafe"), ("edit", "safe"))
    members = [row[member] for stage, member in stages for row in run.rows(run.part(stage, 0))]
    assert len(members) == 6
    assert all(data == encode(Picture(data).pixels, encoder).data for data in members)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_run_keeps_to_its_encoder(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one, or another version of its package, is another run, and that is said in one line."""
    pytest.importorskip("cv2")
    (tmp_path / "photographs" / "hate").mkdir(parents=True)
    loaded = {name: LoadedRecipe("mine", "", {}, recipe_of(tmp_path / "photographs", name)) for name in ENCODERS}
    run, package = RunFolder(str(tmp_path / "run")), ENCODERS[encoder]
    claim(run, loaded[encoder])
    [other] = loaded.keys() - {encoder}
    with pytest.raises(RunError, match=rf"another recipe \(.*\.encoder: {encoder} -> {other}; .*name another --out"):
        claim(run, loaded[other])
    installed = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99" if name == package else installed(name))
    with pytest.raises(RunError, match=rf"\(versions\.{package}: .* -> 99\); name another --out"):
        claim(run, loaded[encoder])
    monkeypatch.setattr(importlib.metadata, "version", lambda name: installed("no-" * (name == package) + name))
    with pytest.raises(RecipeError, match=f"needs the package {package}, which is not installed"):
        claim(run, loaded[encoder])


def test_an_encoder_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="no encoder 'png'; expected one of: pillow, opencv"):
        Frame(encoder="png")
    monkeypatch.setitem(sys.modules, "cv2", None)  # as where it is not installed
    with pytest.raises(
        RecipeError, match=r"needs OpenCV, which is not installed; pip install opencv-python-headless, or"
    ):
        encode(photograph(0), OPENCV)
