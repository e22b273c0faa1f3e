"""`safetypairs versions`: the versions that a dataset has."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command("versions")
@click.argument("target")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, with whole commit ids.")
def command(target: str, as_json: bool) -> None:
    """The versions that a dataset has, newest first, and on the Hub the commit that each one's tag names.

    \b
    Example:  safetypairs versions my-org/safetypairs
    """
    from safetypairs_hf.cli.progress import quiet_hub
    from safetypairs_hf.core.tables import table
    from safetypairs_hf.dataset.store.base import no_version
    from safetypairs_hf.dataset.store.open_store import open_published
    from safetypairs_hf.versions.versions import versions

    quiet_hub()
    opened = open_published(target)
    found = versions(opened)
    if as_json:
        click.echo(json.dumps([line._asdict() for line in found], indent=2))
    elif not found:
        click.echo(str(no_version(opened.name)))
    else:
        columns = ["version", "pairs", "added", "removed", "recipe", *([] if opened.tags() is None else ["tag"])]
        rows: list[list[Any]] = []
        for line in found:
            figures = [getattr(line, name) for name in columns[:5]]
            tag = line.commit[:12] if line.commit else "no tag"
            note = " (no release)" if line.note or not line.released else ""
            rows.append(["-" if value is None else value for value in figures] + ([tag + note] if columns[5:] else []))
        click.echo(table(opened.name, columns, rows))
        for line in found:
            if line.note:
                click.echo(f"v{line.version} is {line.note}")
        last = next((line for line in found if line.released), None)
        if last and columns[5:] and not last.commit:
            click.echo(f"v{last.version} has no tag: its publish was stopped, and the same command, run again, sets it")
