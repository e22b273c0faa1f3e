"""Compare the grid of patches on which a pipeline reads its reference image with the one on which it draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from safetypairs_hf.core.errors import SafetyPairsError


@contextmanager
def equal_grids(denoiser: Any, pipeline: str) -> Iterator[None]:
    """Check, when the denoiser first runs in the block, that it reads every reference on the grid that it draws on.

    Args:
        denoiser: The pipeline's torch module that is called once in each step.
        pipeline: The pipeline's name in messages.

    Raises:
        SafetyPairsError: The grids differ, so the edit would show another picture than the reference.
    """

    def check(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        hook.remove()
        drawn, *references = grids(kwargs) or [(0, 0)]
        for reference in references:
            if reference != drawn:
                raise SafetyPairsError(
                    f"{pipeline} reads an image as {_times(reference)} patches and draws {_times(drawn)}, which would "
                    "be an edit of another picture; use the version of diffusers in pyproject.toml"
                )

    hook = denoiser.register_forward_pre_hook(check, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def grids(kwargs: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return (width, height) in patches of the image that a denoiser draws, and then of each of its references.

    Args:
        kwargs: The denoiser's arguments: `img_shapes` for Qwen-Image, or `img_ids` for the models of
            Flux have them. One that has neither joins image and reference channel by channel: [] then.
    """
    if shapes := kwargs.get("img_shapes"):
        return [(width, height) for _, height, width in shapes[0]]
    ids = kwargs.get("img_ids")
    if ids is None:
        return []
    ids = ids if ids.ndim == 2 else ids[0]  # (patches, number of the image and row and column and perhaps a layer)
    found = []
    for number in ids[:, 0].unique().tolist():  # in ascending order: the drawn image is number 0
        rows, columns = (ids[ids[:, 0] == number][:, axis].max() for axis in (1, 2))
        found.append((int(columns) + 1, int(rows) + 1))
    return found


def _times(grid: tuple[int, int]) -> str:
    return f"{grid[0]} x {grid[1]}"
