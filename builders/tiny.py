"""Every part of a GPU build, on a CPU in under a minute: the real classes with small weights that it makes itself.

Command:   safetypairs build tiny --out runs/tiny
           safetypairs build tiny --out runs/photos --set photographs=my-photos/
Needs:     pip install 'safetypairs-hf[gpu]'; no GPU, no network, 2 MB in ~/.cache/safetypairs.
Expected:  9 pairs of squares. The editor's weights are random, so that it replaces the whole image by a pattern; those
           of the chat model and the classifier are set so that they see what is red. That is no dataset. It is how the
           road is walked where there is no GPU: by tests, in CI, and by you before you rent one.

With photographs, the judges' thresholds are open: what they say of a photograph means nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetypairs_hf.recipes import (
    NINE,
    Candidate,
    ChatVLM,
    Classifier,
    Controls,
    Exact,
    FolderSource,
    Frame,
    Judging,
    Klein,
    LocalVLM,
    Origin,
    Recipe,
    Reject,
    Selection,
    Source,
    Taxonomy,
    Weights,
    encode,
)
from safetypairs_hf.testing.tiny import chat_vlm, classifier, editors, squares

WEIGHTS = "2"  # another number makes them anew


@dataclass(frozen=True)
class Squares:
    """Made-up images, each numbered image in the category that is its turn. Every eighth has nothing red in it."""

    seed: int = 0
    size: int | None = None
    taxonomy: Taxonomy = field(default=NINE, compare=False, repr=False)

    def take(self, start: int, stop: int) -> list[Candidate]:
        return [self._candidate(number) for number in range(start, stop)]

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        return []

    def fingerprint(self) -> str:
        return ""

    def _candidate(self, number: int) -> Candidate:
        (red, other), _ = squares.squares(2, 1_000_000 * self.seed + number)
        picture = encode(other if number % 8 == 7 else red)
        source_id = hashlib.sha256(picture.data).hexdigest()[:16]
        category = self.taxonomy.slugs[number % len(self.taxonomy.slugs)]
        return Candidate(source_id, category, Origin("squares", f"{self.seed}-{number}", "CC0-1.0"), picture)


def recipe(
    pairs: int = 9,
    photographs: str | None = None,
    category: str = "hate",
    seed: int = 0,
    rounds: int = 2,
    attempts: int = 2,
    weights: str | None = None,
    taxonomy: Taxonomy = NINE,
) -> Recipe:
    """The recipe; its arguments are what `--set name=value` sets.

    `photographs`: a folder of images to use as sources, all of `category`. `weights`: where the models are kept.
    `taxonomy`, from `--taxonomy`: what the categories are of.
    """
    folder = Path(weights) if weights else Path("~/.cache/safetypairs").expanduser() / f"tiny-{WEIGHTS}"
    chat = _made(folder / "chat", chat_vlm.sees_red)
    red = _made(folder / "classifier", classifier.sees_red)
    klein = _made(folder / "klein", editors.klein)
    labels = dict.fromkeys(taxonomy.slugs, ("red",))
    open_wide = photographs is not None
    source: Source = Squares(seed, taxonomy=taxonomy)
    if photographs is not None:
        source = FolderSource(photographs, category=category, frame=Frame(64, min_side=32), taxonomy=taxonomy)
    return Recipe(
        source=source,
        instructor=LocalVLM(chat, max_answer_tokens=96),
        editor=Klein(klein, steps=2, text_layers=(1,), max_sequence_length=256, device="cpu"),
        judging=Judging(
            (ChatVLM(chat, device="cpu"), Classifier(red, labels, ("other",), device="cpu")),
            unsafe_at_least=0.0 if open_wide else 0.5,
            safe_below=1.01 if open_wide else 1e-5,  # so strict that some edits fail, and go back for another round
            max_changed_fraction=1.0,
            region_slack=None,
            families=2,
        ),
        selection=Selection(),
        pairs=pairs,
        license="CC0-1.0" if photographs is None else "other",
        attribution="Squares made by safetypairs." if photographs is None else "Photographs of the publisher's.",
        unit_size=12,
        packages=("diffusers", "numpy", "pillow", "torch", "transformers"),
        categories=taxonomy.slugs if photographs is None else (category,),
        taxonomy=taxonomy,
        rounds=rounds,
        attempts=attempts,
        # Behind random weights a round trip keeps nothing, so there is no baseline to tell a change from.
        preservation=Exact(),
        controls=Controls(),
        weights=(Weights("tiny klein, random weights", "apache-2.0"),),
    )


def _made(folder: Path, make: Callable[..., Any]) -> str:
    """The model folder, made by a temporary name and a rename where it is not there yet."""
    if not folder.is_dir():
        temporary = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
        temporary.parent.mkdir(parents=True, exist_ok=True)
        make(temporary)
        try:
            temporary.rename(folder)
        except OSError:  # another build made it meanwhile
            shutil.rmtree(temporary)
    return str(folder)
