"""`safetypairs evaluate`: run a guard over the pairs of a published version."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from safetypairs_hf.cli.offers import named
from safetypairs_hf.cli.options import choice_option, settings_option, threshold_option
from safetypairs_hf.core.embedded_set import NAME
from safetypairs_hf.core.errors import counted

if TYPE_CHECKING:
    from safetypairs_hf.evaluating.judging import Work
    from safetypairs_hf.evaluating.spending import Prices

_PRICE = click.FloatRange(min=0)


@click.command("evaluate")
@click.argument("guard", shell_complete=named("safetypairs_hf.guards.catalogue", "guard_names"))
@click.option(
    "--data", default=NAME, show_default=True, metavar="TARGET[@VERSION]", help="The pairs; by default the newest ones."
)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A .parquet file to write.")
@click.option("--split", default="test", show_default=True, help="The split to judge.")
@click.option("--config", "configs", multiple=True, default=("default",), show_default=True, help="Repeatable.")
@click.option("--category", "categories", multiple=True, metavar="NAME", help="Only this category; repeatable.")
@click.option("--limit", type=click.IntRange(min=1), help="Judge a random sample of this many pairs.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Images per batch; the guard's own by default.")
@settings_option("guard")
@threshold_option
@click.option("--fresh", is_flag=True, help="Start over instead of continuing a run that was stopped.")
@click.option("--retry", type=click.Choice(["failed"]), help="Ask again about images that failed, and keep the rest.")
@choice_option("--unreadable", ("error", "warn"), "What to do if no answer of the guard's first unit can be read.")
@choice_option(
    "--check",
    ("error", "warn"),
    "What to do if the data differs from what was published; the signature records warn.",
)
@click.option("--dry-run", is_flag=True, help="Print the number of calls and their cost, and make none.")
@click.option("--prompt-price", type=_PRICE, default=0.0, help="Price of a million tokens that a service reads.")
@click.option("--answer-price", type=_PRICE, default=0.0, help="Price of a million tokens that it writes.")
@click.option("--call-price", type=_PRICE, default=0.0, help="Price of a thousand calls.")
@click.option("--image-tokens", type=click.IntRange(min=0), default=0, help="Tokens per image, for --dry-run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(
    guard: str,
    data: str,
    out: Path,
    split: str,
    configs: tuple[str, ...],
    categories: tuple[str, ...],
    limit: int | None,
    batch_size: int | None,
    settings: dict[str, str],
    threshold: float | None,
    fresh: bool,
    retry: str | None,
    unreadable: str,
    check: str,
    dry_run: bool,
    prompt_price: float,
    answer_price: float,
    call_price: float,
    image_tokens: int,
    as_json: bool,
) -> None:
    """Run a guard over the pairs of a version; write its predictions and print their figures.

    GUARD is a name that `safetypairs guards` lists (llavaguard, chat-vlm, server, ...); `safetypairs guards NAME` shows
    its settings. The same command continues a run that was stopped, and gives the same bytes. Without --data it judges
    the small set that the package carries, unless a folder ./safetypairs or a setting replaces that set.

    Before a paid run, --dry-run prints the number of calls and, at your prices, their cost. After the run, the command
    prints the tokens that the service counted and, with the same prices, their cost.

    \b
    safetypairs evaluate colour-and-clutter --out c.parquet
    safetypairs evaluate chat-vlm --data org/name@1.2.0 --out vlm.parquet \\
        --set model=./my-model --limit 50
    safetypairs evaluate anthropic --out a.parquet --set model=NAME \\
        --dry-run --image-tokens N --prompt-price P --answer-price Q
    """
    from safetypairs_hf.cli.progress import quiet_datasets, quiet_hub, remark, reported
    from safetypairs_hf.evaluating.data import open_data
    from safetypairs_hf.evaluating.evaluate import UnfinishedError, judge_data
    from safetypairs_hf.evaluating.spending import Prices, plan_evaluation
    from safetypairs_hf.guards.catalogue import make_guard

    if fresh and retry:
        raise click.UsageError("--fresh starts over, and --retry keeps what did not fail; give one of them")
    if dry_run and retry:
        raise click.UsageError("--dry-run plans a whole run, and --retry asks again what failed; give one of them")
    judge = make_guard(guard, settings | ({"batch_size": str(batch_size)} if batch_size else {}))
    prices = Prices(prompt_price, answer_price, call_price)
    quiet_hub()
    quiet_datasets()
    if dry_run:
        with reported("evaluate"), contextlib.redirect_stdout(sys.stderr):
            opened = open_data(data, split, configs, limit, check, categories=categories)
            plan = plan_evaluation(judge, opened, out, fresh=fresh, image_tokens=image_tokens, prices=prices)
        click.echo(json.dumps(plan.to_dict(), indent=2) if as_json else f"{plan}\nNothing was asked.")
        return
    try:
        # Output of a user's own function goes to stderr: it is no part of the result.
        with reported("evaluate") as progress, contextlib.redirect_stdout(sys.stderr):
            opened = open_data(data, split, configs, limit, check, categories=categories)
            work = judge_data(
                judge,
                opened,
                out,
                fresh=fresh,
                retry=retry,
                unreadable=unreadable,
                progress=progress,
                tell=remark,
            )
    except UnfinishedError as left:  # this process finished its own share
        click.echo(f"safetypairs: {left}", err=True)
        return
    if work.images:
        done = f"{counted(work.images, 'image')} in {work.seconds:.1f} s, {work.busy:.0%} of it with the guard at work"
        remark(f"judged {done}")
    if retry:
        remark(_retried(work))
    _show(out, threshold, prices, as_json)


def _retried(work: Work) -> str:
    if not work.retried:
        return "nothing had failed, so nothing was asked again"
    again = work.retried - work.mended
    rest = f", and {again:,} failed again" if again else ""
    return f"asked {counted(work.retried, 'image')} again that had failed: {work.mended:,} mended{rest}"


def _show(out: Path, threshold: float | None, prices: Prices, as_json: bool) -> None:
    from safetypairs_hf.evaluating.abstentions import abstentions
    from safetypairs_hf.evaluating.coverage import covered_by, remarks
    from safetypairs_hf.evaluating.evaluate import score_run
    from safetypairs_hf.evaluating.prediction_file import read_run
    from safetypairs_hf.evaluating.spending import spent_in

    spent = spent_in(out, prices)
    score, without, run = score_run(out, threshold), abstentions(out), read_run(out)
    if warning := without.warning(out):
        click.echo(f"safetypairs: warning: {warning}", err=True)
    if as_json:
        covered = covered_by(out, threshold=threshold)
        fields = {"abstentions": without.to_dict(), "run": run, "predictions": str(out)}
        fields |= {"covered": covered.to_dict()} if covered else {}
        fields |= {"spent": spent.to_dict()} if spent else {}
        click.echo(json.dumps({**score.to_dict(), **fields}, indent=2))
        return
    click.echo(str(score))
    for remark in remarks(out, threshold=threshold):
        click.echo(f"\n{remark}")
    if str(without):
        click.echo(f"\n{without}")
    if spent:
        click.echo(f"\n{spent}")
    click.echo(f"\nPredictions: {out}")
    if run and run["data"]["configs"] == ["controls"]:
        click.echo(f"These are of both_regenerated. The artifact gap: safetypairs score PAIRS --controls {out}")
