"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import click


def choice_option(name: str, choices: Sequence[str], help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return an option that takes one of `choices`; the first is the default."""
    return click.option(name, type=click.Choice(choices), default=choices[0], show_default=True, help=help)


threshold_option = click.option(
    "--threshold", type=float, help="Scores at or above it mean unsafe; in [0, 1], 0.5 by default."
)
weights_option = click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="CATEGORY=NUMBER",
    callback=lambda context, option, given: _weights(given),
    help="A category's weight in the mean over categories; repeatable.",
)


def scoring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--threshold`, `--by`, `--label` and `--incomplete`; the command gets their values as a dict, `reading`."""

    @functools.wraps(command)
    def gathered(*, threshold: float | None, by: str, label: tuple[str, ...], incomplete: str, **given: Any) -> Any:
        labels = None
        if label:
            from safetypairs_hf.metric.column_values import parse_labels

            labels = parse_labels(label)
        reading = {"threshold": threshold, "by": by, "incomplete": incomplete, "labels": labels}
        return command(reading=reading, **given)

    options = (
        threshold_option,
        choice_option("--by", ("prediction", "score"), "The column that decides if a file has both."),
        click.option(
            "--label",
            multiple=True,
            metavar="WORD=LABEL",
            help="What a word in the file means, such as yes=unsafe; repeatable.",
        ),
        choice_option(
            "--incomplete",
            ("error", "drop"),
            "If a pair has only one image: refuse the file, or leave the pair out and count it.",
        ),
    )
    wrapped: Callable[..., Any] = gathered
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


def _weights(given: tuple[str, ...]) -> dict[str, float] | None:
    weights: dict[str, float] = {}
    for each in given:
        name, _, number = each.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise click.UsageError(f"--weight {each}: expected CATEGORY=NUMBER")
    return weights or None


def settings_option(taker: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the repeatable option `--set KEY=VALUE`; the command gets a dict, `settings`.

    Args:
        taker: The name of what takes the settings, for the help, such as "guard".
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
