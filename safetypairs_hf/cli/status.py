"""`safetypairs status`: the funnel of a run, and how fast the steps go that hold a model."""

from __future__ import annotations

import json

import click


@click.command("status")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print the funnel as JSON, with every category.")
@click.option("--by-category", is_flag=True, help="Show the yield and the reject reasons of each category, too.")
def command(run: str, as_json: bool, by_category: bool) -> None:
    """The funnel of a run: in and out of each stage, and why the rest went.

    On the machine that builds it, also how many images an hour go through each step that holds a model, and the share
    of the time that the model works.

    \b
    Examples:  safetypairs status runs/icons
               safetypairs status runs/icons --by-category
    """
    from safetypairs_hf.building import yields
    from safetypairs_hf.building.run_reader import read_state
    from safetypairs_hf.building.tempo import Tempos
    from safetypairs_hf.core import funnel
    from safetypairs_hf.core.run_folder import open_run
    from safetypairs_hf.core.tables import table
    from safetypairs_hf.reviewing.read_review import read_review, review_stages

    opened = open_run(run)
    state, tempos = read_state(opened), Tempos(opened)
    review = read_review(opened)
    reviewed = review_stages(opened, review) if state.finished else []
    state.funnel["stages"] = [*state.funnel["stages"], *reviewed]
    if as_json:
        found = {**state.funnel, "rejected_inputs": state.rejected_inputs, "tempo": tempos.to_dict()}
        click.echo(json.dumps(found, indent=2))
        return
    title = f"{run}: {'finished' if state.finished else 'not finished; the command that began it goes on with it'}"
    click.echo(table(title, ("stage", "in", "out", "rejected"), list(funnel.rows(state.funnel))))
    if by_category:
        columns = ("category", "sources", "passed", "rejected")
        click.echo(table("by category", columns, yields.by_category(state.funnel)))
    for line in yields.lines(opened, state.funnel):
        click.echo(line)
    if review.pairs:
        click.echo(f"{review.summary}; see: safetypairs review {run} --figures")
    for fault in review.faults:
        click.echo(f"safetypairs: {fault}", err=True)
    for line in tempos.lines():
        click.echo(line)
    for row in state.rejected_inputs:
        click.echo(f"input {row['input']}: {row['reason']} ({row['detail']})")
