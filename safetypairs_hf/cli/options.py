"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def scoring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--threshold` and `--incomplete`, as `score` and `compare` take them."""
    incomplete = click.option(
        "--incomplete",
        type=click.Choice(["error", "drop"]),
        default="error",
        show_default=True,
        help="Pairs with one image only: refuse them, or leave them out and count them.",
    )
    threshold = click.option(
        "--threshold", type=float, default=0.5, show_default=True, help="A score at or above it means unsafe."
    )
    return threshold(incomplete(command))
