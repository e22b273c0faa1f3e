"""`safetypairs relabel`: correct wrong labels in a new major version."""

from __future__ import annotations

import json

import click


@click.command("relabel")
@click.argument("target")
@click.argument("file")
@click.option("--version", required=True, metavar="X.0.0", help="The new version, a major one.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and change nothing.")
@click.option("--create-pr", is_flag=True, help="Propose the release to a Hub repo as a pull request.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all errata.")
def command(target: str, file: str, version: str, dry_run: bool, create_pr: bool, as_json: bool) -> None:
    """Correct pairs whose label is wrong, in a new major version.

    FILE is CSV or JSON Lines with pair_id, action, value, reason and by (who reports the error). The actions are swap
    (the members), category (value: the new one), text (value: the new critical_feature; or the column instruction),
    drop, and undo, which reverts the last erratum of the pair.

    For a policy pair, swap exchanges the two policies; text and category do not apply.

    A pair keeps its id, its group and its split. The card, errata.json and `diff` record what was wrong. Older versions
    stay unchanged, and predictions on them can be scored on the new one: see `safetypairs score --as-of`.

    \b
    Example:  safetypairs relabel my-org/safetypairs errata.csv --version 2.0.0
              where errata.csv holds
                pair_id,action,value,reason,by
                0123456789abcdef,swap,,the knife is in the safe one,R1
                89abcdef01234567,category,violence,no weapon is shown,R1
    """
    from safetypairs_hf.cli.interrupts import when_stopped
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.publishing.open_target import parse_target
    from safetypairs_hf.publishing.relabel import relabel

    wanted = parse(version)
    quiet_hub()
    to = parse_target(target, create_pr=create_pr)
    with when_stopped(to.standing), reported("relabel"):
        done = relabel(to, file, wanted, dry_run=dry_run)
    click.echo(json.dumps(done.to_dict(), indent=2, ensure_ascii=False) if as_json else str(done))
