"""`safetypairs diff`: show what changed between two versions of a dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from safetypairs_hf.core.errors import counted

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition


@click.command("diff")
@click.argument("words", nargs=-1, metavar="(TARGET OLD NEW | TARGET[@OLD] TARGET[@NEW])")
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON, with all pair ids.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Draw the changed pairs in this PNG.")
@click.option("--show-unsafe", is_flag=True, help="Do not blur the unsafe members on the sheet.")
def command(words: tuple[str, ...], as_json: bool, sheet: Path | None, show_unsafe: bool) -> None:
    """Show what changed between two versions of a dataset.

    TARGET is org/name on the Hub, or a local folder such as ./my-pairs, which holds one version. The difference lists
    added, removed, relabelled (same images), re-edited (same unsafe image) and re-reviewed pairs by category, with
    policy pairs listed separately. It also lists the errata with their reasons, and the smallest version step that the
    difference allows.

    \b
    Examples:  safetypairs diff my-org/safetypairs 1.0.0 1.1.0
               safetypairs diff my-org/safetypairs@1.0.0 ./my-pairs
    """
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.versions.diff import diff

    quiet_hub()
    with reported("diff"):
        old, new = _editions(words)
        found = diff(old, new)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
    if sheet:
        from safetypairs_hf.versions.diff import draw

        drawn = draw(found, old, new, sheet, show_unsafe=show_unsafe)
        of_all = f"{drawn:,} of " if drawn < len(found.changes) else ""
        pairs = f"{of_all}{counted(len(found.changes), 'changed pair')}"
        message = f"{pairs} drawn in {sheet}" if drawn else "nothing to draw: no pair differs"
        click.echo(message, err=as_json)


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
