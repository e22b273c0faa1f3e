"""`safetypairs layouts`: list the sets of pairs whose layout `import` knows by name."""

from __future__ import annotations

import click

from safetypairs_hf.cli.offers import show


@click.command("layouts")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the sets of pairs that `safetypairs import` knows by name, or show the layout NAME.

    A layout says what each column holds. NAME can be a YAML file of your own, which is checked; its keys are the
    settings that this command shows.

    \b
    safetypairs layouts safeeditbench
    safetypairs import tyodd/SafeEditBench --layout safeeditbench --out RUN
    safetypairs import my-pairs/ --layout my.yaml --out runs/mine
    """
    from safetypairs_hf.importing.layout import layout, layouts

    show(layouts, layout, name, as_json)
