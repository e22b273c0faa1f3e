"""`safetypairs taxonomy`: list, show, check and compare categories and policies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from safetypairs_hf.cli.groups import CommandGroup
from safetypairs_hf.core.errors import counted

if TYPE_CHECKING:
    from safetypairs_hf.taxonomy.categories import Taxonomy


@click.group("taxonomy", cls=CommandGroup)
def command() -> None:
    """List, show, check and compare taxonomies: categories and policies as data.

    A taxonomy is a YAML file with id, version and categories. Each category has slug, name, scope, should_not and can.
    Optional keys are never, default_only, code and maps_to, which names the corresponding one of the nine categories
    for guards that were trained on their own categories. safetypairs@1.0, which this package brings, is the default
    and an example.

    \b
    Example:  safetypairs taxonomy check mine.yaml
              safetypairs build tiny --taxonomy mine.yaml --out runs/mine
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_known(as_json: bool) -> None:
    """List the taxonomies that this package brings.

    \b
    Example:  safetypairs taxonomy list
    """
    found = {each.name: each.to_dict() for each in _known().values()}
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    width = max(map(len, found))
    for name, each in _known().items():
        click.echo(f"{name:<{width}}  {counted(len(each.categories), 'category')}: {', '.join(each.slugs)}")


@command.command("show")
@click.argument("name", metavar="NAME|FILE", default="safetypairs@1.0")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, as_json: bool) -> None:
    """Print a taxonomy as YAML. A copy is a good start for a file of your own.

    \b
    Example:  safetypairs taxonomy show safetypairs@1.0 > mine.yaml
    """
    from safetypairs_hf.taxonomy.taxonomy_file import read, to_text

    found = read(_known().get(name, name))
    click.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if as_json else to_text(found).rstrip())


def _known() -> dict[str, Taxonomy]:
    from safetypairs_hf.signs.policies import signs_taxonomy
    from safetypairs_hf.taxonomy.nine import PUBLISHED

    return {**PUBLISHED, signs_taxonomy().name: signs_taxonomy()}


@command.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print the faults as JSON, by file.")
@click.pass_context
def check(context: click.Context, files: tuple[str, ...], as_json: bool) -> None:
    """Print every fault of a taxonomy on a line; exit with status 1 if there is any.

    \b
    Example:  safetypairs taxonomy check mine.yaml
    """
    from safetypairs_hf import taxonomy

    faults = {file: taxonomy.check(file) for file in files}
    if as_json:
        click.echo(json.dumps(faults, indent=2))
    else:
        for file, found in faults.items():
            for fault in found:
                click.echo(f"{file}: {fault}")
            if not found:
                made = taxonomy.read(file)
                click.echo(f"{file}: {made.name}, {counted(len(made.categories), 'category')}: {', '.join(made.slugs)}")
    context.exit(int(any(faults.values())))


@command.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON.")
def diff(old: str, new: str, as_json: bool) -> None:
    """Show what differs between two taxonomies, and the version step that the difference requires.

    Changed words (names, codes, policies, maps_to) require a minor version, other categories a major one; publish
    checks this. OLD and NEW are files, or safetypairs@1.0.

    \b
    Example:  safetypairs taxonomy diff safetypairs@1.0 mine.yaml
    """
    from safetypairs_hf import taxonomy

    found = taxonomy.diff(old, new)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
