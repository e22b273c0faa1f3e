"""Pairs of icon scenes: the embedded recipe, with no GPU, no weights and no network.

Command:   safetypairs build icons --out runs/icons --pairs 1510
           safetypairs build icons --out runs/photos --set backgrounds=my-photos/
Cost:      about 30 pairs a second on two cores; 1,510 pairs take about 200 MB.
Expected:  80 to 90% of the scenes become pairs. The others are rejected by the judge: too faint to be seen, covered by
           a neighbour, or edited outside the region.

A scene is a wall of plates with one icon each, one of them unsafe in its category; the edit replaces that icon. The
icons are Font Awesome Free, CC BY 4.0 (https://fontawesome.com); photographs, where given, are the user's own.
"""

from __future__ import annotations

from safetypairs_hf.icons import IconEditor, IconInstructor, IconMatcher, IconScenes
from safetypairs_hf.recipes import NINE, Judging, Recipe, Selection, Taxonomy

ICONS = "Icons: Font Awesome Free (https://fontawesome.com), CC BY 4.0."
PHOTOGRAPHS = "Backgrounds: photographs of the publisher's, who answers for their licence."


def recipe(
    pairs: int = 1510,
    seed: int = 0,
    size: int = 384,
    backgrounds: str | None = None,
    test_fraction: float = 0.8,
    unsafe_at_least: float = 0.5,
    safe_below: float = 0.5,
    taxonomy: Taxonomy = NINE,
) -> Recipe:
    """The recipe; its arguments are what `--set name=value` sets. `size` is the side of an image in pixels.

    `taxonomy`, from `--taxonomy`: its categories that map to one of the nine are drawn.
    """
    scenes = IconScenes(seed=seed, image_size=size, backgrounds=backgrounds, taxonomy=taxonomy)
    return Recipe(
        source=scenes,
        instructor=IconInstructor(),
        editor=IconEditor(),
        judging=Judging((IconMatcher(),), unsafe_at_least=unsafe_at_least, safe_below=safe_below),
        selection=Selection(test_fraction=test_fraction),
        pairs=pairs,
        license="CC-BY-4.0" if backgrounds is None else "other",
        attribution=ICONS if backgrounds is None else f"{ICONS} {PHOTOGRAPHS}",
        expected_yield=0.8,
        packages=("fontawesomefree", "numpy", "pdqhash", "pillow", "pyarrow"),
        categories=scenes.categories,
        taxonomy=taxonomy,
    )
