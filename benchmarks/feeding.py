"""Whether a model waits for anything in the edit stage: an editor that sleeps, on photographs.

    python benchmarks/feeding.py [--images 100] [--seconds 0.3] [--workers 2] [--encoder opencv]

The editor sleeps --seconds an image and then returns the image with noise in its lowest bits and another part of itself
in a box, which takes a core about 3 ms. Its round trip does not sleep. The recipe is as those for real weights: figures
by `Perceptual` with a baseline and `composite`, PNG files by --encoder, units of 32 sources. The photographs, of 1248 x
832 pixels, are distinct crops of three real ones that scikit-learn and matplotlib ship, twice enlarged, with grain, as
JPEG files of quality 95: no package here ships 100 of that size.

Measured is the edit stage: from before its processes are started until every part is written, read back and hashed.
The ideal is the time that the editor sleeps. The plain order does the first unit on one thread, one thing after the
other; its ratio is of the time an image. Both must give equal bytes.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _timing import parsed, parser_of

from safetypairs_hf.building.build import claim
from safetypairs_hf.building.engines.base import Opened, segments
from safetypairs_hf.building.engines.local import LocalEngine
from safetypairs_hf.building.recipe import LoadedRecipe, load_recipe
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.recipes import (
    Answer,
    Box,
    Candidate,
    Edited,
    FolderSource,
    Frame,
    Instruction,
    Judging,
    Perceptual,
    Picture,
    Pixels,
    Recipe,
    Reject,
    Selection,
    Verdict,
)

WIDTH, HEIGHT = 1248, 832


@dataclass(frozen=True)
class Instructor:
    name: str = "always-the-same"

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        return [Answer(Instruction("a part of it", "Replace it.", None)) for _ in batch]


@dataclass(frozen=True)
class Sleeper:
    """An editor that takes as long as one on a GPU, and leaves the cores alone."""

    seconds: float
    name: str = "sleeper"
    revision: str = "1"
    holds_model: bool = True

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        return [self._one(image, seed) for image, seed in zip(images, seeds, strict=True)]

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        return [noisy(image.pixels, 0) for image in images]

    def _one(self, image: Picture, seed: int) -> Edited:
        time.sleep(self.seconds)
        pixels = noisy(image.pixels, seed)
        height, width, _ = pixels.shape
        y, x = seed % (height // 2), seed // 7 % (width // 2)
        box = np.s_[y : y + height // 4, x : x + width // 4]
        pixels[box] = 255 - pixels[box]
        return Edited(pixels)


@dataclass(frozen=True)
class Judge:
    name: str = "nobody"

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        return [Verdict(0.5) for _ in images]


NOISE = np.random.default_rng(0).integers(0, 4, (HEIGHT, WIDTH, 3), np.uint8)


def noisy(pixels: Pixels, seed: int) -> Pixels:
    """The image with other lowest bits, as of a round trip through an autoencoder."""
    return np.asarray(pixels ^ np.roll(NOISE, seed % HEIGHT, axis=0)[: pixels.shape[0], : pixels.shape[1]])


def recipe(folder: str, seconds: float, encoder: str) -> Recipe:
    return Recipe(
        source=FolderSource(folder, "CC0-1.0", "hate", frame=Frame(encoder=encoder)),
        instructor=Instructor(),
        editor=Sleeper(seconds),
        judging=Judging((Judge(),)),
        selection=Selection(),
        pairs=1,
        license="other",
        attribution="Photographs of scikit-learn and matplotlib.",
        packages=("numpy", "pillow"),
        preservation=Perceptual(composite=True),
    )


def take_photographs(folder: Path, count: int) -> None:
    """Write distinct photographs; see the top of this file."""
    import matplotlib
    import sklearn.datasets
    from PIL import Image

    files = [*(Path(sklearn.datasets.__file__).parent / "images").glob("*.jpg")]
    files += [Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"]
    dice = np.random.default_rng(0)
    grain = np.clip(np.rint(dice.normal(0, 6, (HEIGHT, WIDTH, 3))), -40, 40).astype(np.int16)
    for number in range(count):
        with Image.open(sorted(files)[number % len(files)]) as image:
            width = min(image.width, image.height * WIDTH // HEIGHT) - int(dice.integers(0, 60))
            height = width * HEIGHT // WIDTH
            x, y = (int(dice.integers(0, room + 1)) for room in (image.width - width, image.height - height))
            large = image.convert("RGB").resize(
                (WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=(x, y, x + width, y + height)
            )
        shot = np.asarray(large, np.int16) + np.roll(grain, (7 * number, 13 * number), axis=(0, 1))
        Image.fromarray(np.clip(shot, 0, 255).astype(np.uint8)).save(folder / f"{number:03}.jpg", quality=95)


def prepared(folder: Path, images: int, seconds: float, encoder: str) -> tuple[LoadedRecipe, RunFolder]:
    """A run whose source and instruct parts are there."""
    (folder / "photographs").mkdir()
    take_photographs(folder / "photographs", images)
    given = {"folder": str(folder / "photographs"), "seconds": str(seconds), "encoder": encoder}
    run = RunFolder(str(folder / "run"))
    loaded = claim(run, load_recipe(__file__, given))
    with LocalEngine() as engine:
        for _ in engine.do(loaded, run, segments(loaded.recipe)[0], units_of(loaded)):
            pass
    return loaded, run


def units_of(loaded: LoadedRecipe) -> range:
    return range(-(-(loaded.recipe.source.size or 0) // loaded.recipe.unit_size))


def digests(run: RunFolder) -> dict[str, str]:
    """The SHA-256 of every part of the edit stage."""
    return {name: hashlib.sha256(run.read(name)).hexdigest() for name in run.files() if name.startswith("edit/")}


def plain(loaded: LoadedRecipe, run: RunFolder) -> tuple[float, dict[str, str]]:
    """Seconds of the first unit on one thread, and its digest."""
    opened, began = Opened(loaded.recipe, run, segments(loaded.recipe)[1]), time.perf_counter()
    opened.make(0)
    found = digests(run)
    return time.perf_counter() - began, found


def beside(loaded: LoadedRecipe, run: RunFolder, workers: int) -> tuple[float, float, dict[str, str]]:
    """Seconds of the stage, those in which the editor worked, and the digests of the parts."""
    began = time.perf_counter()
    with LocalEngine(workers) as engine:
        for _ in engine.do(loaded, run, segments(loaded.recipe)[1], units_of(loaded)):
            pass
        found, busy = digests(run), engine.meter.busy
        return time.perf_counter() - began, busy, found


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--encoder", default="opencv")
    chosen = parsed(parser, images=3, seconds=0.01)
    with tempfile.TemporaryDirectory() as folder:
        loaded, run = prepared(Path(folder), chosen.images, chosen.seconds, chosen.encoder)
        copy = RunFolder(str(Path(folder) / "copy"))
        shutil.copytree(run.url, copy.url)
        took, busy, parts = beside(loaded, run, chosen.workers)
        alone, found = plain(loaded, copy)
    [(name, digest)] = found.items()
    if parts[name] != digest:
        raise SystemExit(f"{name} has other bytes in the plain order")
    first = min(chosen.images, loaded.recipe.unit_size)
    ideal, ratio = chosen.seconds * chosen.images, alone / first * chosen.images / took
    print(f"{chosen.images} photographs of {WIDTH} x {HEIGHT}, {chosen.workers} processes, encoder {chosen.encoder}")
    print(f"  edit stage   {took:7.2f} s, {ideal / took:.1%} of the ideal {ideal:.2f} s   (bound 90%, idle cores)")
    print(f"  model busy   {busy / took:.1%} of it; {3600 * chosen.images / took:,.0f} images an hour")
    print(f"  plain order  {alone:7.2f} s for {first} images, equal bytes: ratio {ratio:.2f}x")


if __name__ == "__main__":
    main()
