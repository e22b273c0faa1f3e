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


def settings_option(taker: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option `--set KEY=VALUE`, repeatable; the command gets a dict, `settings`.

    Args:
        taker: what takes the settings, for the help, such as "guard".
    """
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        callback=lambda context, option, given: dict(_parsed(setting) for setting in given),
        help=f"A setting of the {taker}; repeatable.",
    )


def _parsed(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not equals:
        raise click.UsageError(f"--set {setting}: expected KEY=VALUE")
    return key, value
