"""`safetypairs diff`: what changed from one version of a dataset to another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.versions.diff import Difference


MOST_ERRATA = 50
_RARE = {"moved", "swapped", "reworded"}  # columns that are shown only where there is any


@click.command("diff")
@click.argument("words", nargs=-1, metavar="(TARGET OLD NEW | TARGET[@OLD] TARGET[@NEW])")
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON, with every pair id.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Draw the changed pairs as this PNG.")
@click.option("--show-unsafe", is_flag=True, help="Do not blur the unsafe members on the sheet.")
def command(words: tuple[str, ...], as_json: bool, sheet: Path | None, show_unsafe: bool) -> None:
    """What changed from one version of a dataset to another.

    TARGET is org/name on the Hub, or a local folder such as ./safetypairs, which holds one version. Pairs added,
    removed, relabelled (same images), re-edited (same unsafe image), re-reviewed, by category; the errata between them
    with their reasons; and the least version that the difference allows.

    \b
    Examples:  safetypairs diff my-org/safetypairs 1.0.0 1.1.0
               safetypairs diff my-org/safetypairs@1.0.0 ./safetypairs
    """
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.versions.diff import diff

    quiet_hub()
    with reported("diff"):
        old, new = _editions(words)
        found = diff(old, new)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else _told(found, old, new))
    if sheet:
        from safetypairs_hf.versions.diff import draw

        drawn = draw(found, old, new, sheet, show_unsafe=show_unsafe)
        of_all = f" of {len(found.changes):,}" if drawn < len(found.changes) else ""
        said = f"{drawn}{of_all} changed pairs drawn in {sheet}" if drawn else "nothing to draw: no pair differs"
        click.echo(said, err=as_json)


def _editions(words: tuple[str, ...]) -> tuple[Edition, Edition]:
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.dataset.store.open_store import open_named, open_published

    if len(words) == 3:
        target, *versions = words
        old, new = (parse(version) for version in versions)
        opened = open_published(target)
        return opened.open(old), opened.open(new)
    if len(words) == 2:
        return open_named(words[0]), open_named(words[1])
    raise click.UsageError("Give a target and two versions, or two targets, each with @X.Y.Z or its newest.")


def _errata(found: Difference) -> str:
    """A line for each of the errata, the first MOST_ERRATA of them."""
    from safetypairs_hf.dataset.errata import in_words

    lines = [
        f"{each['version']}  {each['pair_id']}  {in_words(each)}: {each['reason']} (by {each['by']})\n"
        for each in found.errata[:MOST_ERRATA]
    ]
    more = len(found.errata) - len(lines)
    title = "errata between the two, with their versions:\n" if lines else ""
    return "".join([title, *lines, f"... and {more:,} more: see --json\n" if more else ""])


def _told(found: Difference, old: Edition, new: Edition) -> str:
    from safetypairs_hf.core.tables import table
    from safetypairs_hf.versions.diff import KINDS

    title = f"{old.name} ({old.columns.rows:,} pairs) to {new.name} ({new.columns.rows:,} pairs)"
    if not found.differs:
        return f"{title}: no pair differs"
    verdict = {None: f"{found.new} is not after {found.old}", True: f"{found.new} will do"}
    said = verdict.get(found.allowed, f"{found.new} is too small a step")
    columns = "the columns differ\n" if found.schema else ""
    if found.taxonomy:
        columns += f"the taxonomy differs: {found.taxonomy}\n"
    ending = f"{_errata(found)}{columns}least version for this after {found.old}: {found.least}; {said}"
    if not found.changes:
        return f"{title}: no pair differs\n{ending}"
    counts = found.counts()
    held = [kind for kind in KINDS if any(of[kind] for of in counts.values())]
    # All would be too wide for a terminal.
    kinds = held if _RARE & set(held) else [kind for kind in KINDS if kind not in _RARE]
    rows = [[category, *(of[kind] for kind in kinds)] for category, of in counts.items()]
    if len(rows) > 1:
        rows.append(["all", *(sum(of[kind] for of in counts.values()) for kind in kinds)])
    return f"{table(title, ('category', *kinds), rows)}\n{ending}"
