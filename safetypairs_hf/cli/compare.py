"""`safetypairs compare`: compare guards by their predictions on the same pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from safetypairs_hf.cli.options import scoring_options
from safetypairs_hf.core.errors import counted

if TYPE_CHECKING:
    from safetypairs_hf.metric.pairs import Reading


@click.command()
@click.argument("a")
@click.argument("b")
@click.argument("more", nargs=-1, metavar="[C]...")
@click.option("--common", is_flag=True, help="Compare on the pairs that all files have, and count the others.")
@click.option("--names", metavar="NAME,NAME,...", help="The guards' names, one per file; by default from the files.")
@click.option("--by-category", is_flag=True, help="Also print the table for each category.")
@click.option(
    "--threshold-from",
    multiple=True,
    metavar="PREDICTIONS",
    help="Predictions on train; use the threshold that is best on them. Once for each file, in their order.",
)
@click.option("--margin", type=float, help="Test whether A and B differ by less than this (equivalence).")
@scoring_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(
    a: str,
    b: str,
    more: tuple[str, ...],
    common: bool,
    names: str | None,
    by_category: bool,
    threshold_from: tuple[str, ...],
    margin: float | None,
    reading: Reading,
    as_json: bool,
) -> None:
    """Compare guards on the same pairs. A, B, C ... are prediction files as for `safetypairs score`.

    Two files give one comparison. Three or more files, --names or --by-category give a table of all guards, best first,
    and a comparison of each two guards with exact p values, adjusted for their number by Holm's method.

    \b
    safetypairs compare before.csv after.csv
    safetypairs compare a.parquet b.parquet --common --json
    safetypairs compare a.csv b.csv --margin 0.02
    safetypairs compare a.csv b.csv c.csv --names small,large,tuned
    """
    from safetypairs_hf.evaluating.comparing import compare, compare_many

    files = (a, b, *more)
    if threshold_from and len(threshold_from) != len(files):
        raise click.UsageError(
            f"--threshold-from is given {counted(len(threshold_from), 'time')} for {len(files)} files; one for each"
        )
    if more or names is not None or by_category:
        if margin is not None:
            raise click.UsageError("--margin is for two files, without --names and --by-category")
        named = _names(files, names)
        result = compare_many(
            dict(zip(named, files, strict=True)),
            common=common,
            by_category=by_category,
            threshold_from=dict(zip(named, threshold_from, strict=True)) if threshold_from else None,
            **reading,
        )
        click.echo(json.dumps(result.to_dict(), indent=2) if as_json else str(result))
    else:
        compared = compare(a, b, common=common, threshold_from=threshold_from or None, **reading)
        found = None if margin is None else compared.equivalent(margin)
        if as_json:
            equivalence = {} if found is None else {"equivalence": vars(found)}
            click.echo(json.dumps(compared.to_dict() | equivalence, indent=2))
        else:
            click.echo(f"{_who('A', a)}\n{_who('B', b)}\n{compared}" + ("" if found is None else f"\n\n{found}"))


def _who(letter: str, file: str) -> str:
    """Return the line that says which guard a letter means: the file, and the name that `evaluate` wrote into it."""
    from safetypairs_hf.evaluating.prediction_file import read_run

    run = read_run(file)
    return f"{letter}: {file}" + ("" if run is None else f" ({run['guard']['name']})")


def _names(files: tuple[str, ...], given: str | None) -> list[str]:
    """Return a name for each file: the given names, else the files' stems, else the full paths if two stems agree."""
    if given is not None:
        names = [name.strip() for name in given.split(",")]
        if len(names) != len(files) or not all(names):
            raise click.UsageError(
                f"--names gives {counted(len(names), 'name')} for {len(files)} files; give one for each, none empty"
            )
    else:
        names = [Path(file).stem for file in files]
        if len(set(names)) < len(names):
            names = list(files)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise click.UsageError(f"two guards with the name {twice[0]!r}: give each file once, or other --names")
    return names
