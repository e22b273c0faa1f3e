"""`safetypairs import`: import finished pairs into a run folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from safetypairs_hf.cli.arrow_memory import give_back_memory
from safetypairs_hf.cli.options import choice_option
from safetypairs_hf.core.errors import RunError, counted, printable, verb

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Judge, Reject
    from safetypairs_hf.importing.import_pairs import Imported, Opened
    from safetypairs_hf.importing.reading_plan import Said

# The role of a column -> the help of its option.
_COLUMNS = {
    "unsafe": "The column of the unsafe member, if a row is a pair.",
    "safe": "The column of the safe member.",
    "image": "The column of the image, if a row is an image.",
    "label": "The column of the label, unsafe or safe.",
    "pair": "The column that is equal for both members of a pair, or holds their path.",
    "category": "The column of the category.",
    "policy": "The column of the policy's text; each distinct text becomes a category.",
    "policy_name": "The column of the policy's name.",
}
_NAMED = 10  # left-out pairs that are printed by name
_OPTIONS = {
    "category": "--category-column",
    "policy": "--policy-column",
    "policy_name": "--policy-name-column",
}


def _column_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each common role; the command gets their values as `column_ROLE`."""
    for role, text in reversed(_COLUMNS.items()):
        command = click.option(_OPTIONS.get(role, f"--{role}"), f"column_{role}", metavar="COLUMN", help=text)(command)
    return command


def _mapping_option(name: str, parameter: str, metavar: str, help: str) -> Callable[..., Any]:
    """Return a repeatable option that takes A=B,C=D; the command gets a dict."""

    def read(context: click.Context, option: click.Parameter, given: Sequence[str]) -> dict[str, str]:
        found = {}
        for each in (part for text in given for part in text.split(",") if part.strip()):
            key, equals, value = each.rpartition("=")
            if not equals or not key.strip():
                raise click.UsageError(f"{name} {each.strip()}: expected {metavar}")
            found[key.strip()] = value.strip()
        return found

    return click.option(name, parameter, multiple=True, metavar=metavar, callback=read, help=help)


@click.command("import")
@click.argument("source")
@click.option("--out", metavar="RUN", help="The run folder: a path or an fsspec URL.")
@click.option("--layout", metavar="NAME", help="A known set (see safetypairs layouts), or a layout file.")
@_column_options
@click.option("--pair-from", metavar="COLUMN", help="The same as --pair.")
@click.option("--pair-pattern", metavar="REGEX", help="Pair and label in the pair column: '(.+)_(safe|unsafe)'.")
@_mapping_option(
    "--column", "more", "ROLE=COLUMN", "Other roles: critical_feature, instruction, id, group, split, license..."
)
@_mapping_option("--label-map", "labels", "VALUE=LABEL", "What a label, folder or name part means: bad=unsafe,ok=safe.")
@click.option("--category", metavar="SLUG", help="The category of every pair.")
@_mapping_option("--category-map", "category_map", "VALUE=SLUG", "What the values of the category column mean.")
@click.option("--taxonomy", metavar="FILE", help="A YAML file of categories and policies; the nine by default.")
@_mapping_option("--split-map", "split_map", "SPLIT=SPLIT", "Rename splits: dev=test. validation becomes train.")
@click.option(
    "--direction", metavar="WORD", help="unsafe_to_safe, safe_to_unsafe, both_regenerated; unknown by default."
)
@click.option("--generator", metavar="NAME", help="The generator of the edited members; unknown by default.")
@click.option("--license", metavar="ID", help="The SPDX id of the pairs' licence.")
@click.option("--subset", metavar="NAME", help="The configuration of a Hub dataset.")
@click.option("--split", "splits", multiple=True, metavar="NAME", help="Read only these splits; repeatable.")
@click.option(
    "--repeats",
    type=click.Choice(("reject", "first")),
    help="If a member has several images: reject the pair, or use the first.",
)
@choice_option("--fit", ("none", "resize", "pad", "crop"), "If member sizes differ: reject the pair, or fit them.")
@click.option("--judge", "judges", multiple=True, metavar="GUARD", help="Ask a guard about every pair; repeatable.")
@_mapping_option("--set", "settings", "KEY=VALUE", "A setting of the judge; with several judges, GUARD.KEY=VALUE.")
@choice_option(
    "--judging", ("reject", "record"), "If a judge does not confirm a pair: reject it, or only record the answer."
)
@click.option(
    "--test-fraction",
    type=click.FloatRange(0, 1),
    default=0.8,
    show_default=True,
    help="The share of groups in the test split.",
)
@click.option(
    "--hash-list", "hash_lists", multiple=True, metavar="FILE", help="Hashes of images to refuse; repeatable."
)
@click.option("--against", metavar="TARGET", help="A published dataset whose images are not used again.")
@click.option("--name", default="", metavar="TEXT", help="The name of the pairs' origin.")
@click.option("--workers", type=click.IntRange(min=1), help="Number of processes; one per core by default.")
@click.option("--dry-run", is_flag=True, help="Show how the source is read, draw ten pairs, and import nothing.")
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    default="import.png",
    show_default=True,
    help="The PNG that --dry-run draws.",
)
@click.option("--show-unsafe", is_flag=True, help="Do not blur the unsafe members on the sheet.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(source: str, out: str | None, **given: Any) -> None:
    """Import finished pairs of any origin into a run folder.

    SOURCE is a folder (unsafe/NAME and safe/NAME, or NAME_unsafe and NAME_safe), a Parquet, CSV or JSON Lines file, a
    WebDataset tar, a folder of these files, a folder that save_to_disk wrote, or org/name[@REVISION] on the Hub. The
    command recognises the columns that no option names, and prints them. The same command continues an import that was
    stopped, and gives the same bytes.

    \b
    safetypairs import my-pairs/ --category weapons_substances --out runs/mine
    safetypairs import pairs.csv --unsafe before --safe after --dry-run
    safetypairs publish runs/mine ./my-pairs --version 1.0.0
    """
    give_back_memory()
    from safetypairs_hf.cli.interrupts import when_stopped
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.core.run_folder import FUNNEL, RunFolder
    from safetypairs_hf.importing.import_pairs import import_pairs

    quiet_hub()
    said = _said(given)
    _name_layout(source, given["layout"])
    arguments = {
        "layout": given["layout"],
        "taxonomy": given["taxonomy"],
        "fit": "" if given["fit"] == "none" else given["fit"],
        "judges": _judges(given["judges"], given["settings"]),
        "judging": given["judging"],
        "test_fraction": given["test_fraction"],
        "hash_lists": given["hash_lists"],
        "against": given["against"],
        "name": given["name"],
    }
    if given["dry_run"]:
        _dry_run(source, said, arguments, given)
        return
    if out is None:
        raise click.UsageError("Missing option '--out': the run folder, such as --out runs/mine; or give --dry-run")
    run = RunFolder(out)
    if not run.shared:
        raise RunError(f"{out} is in the memory of this command, and gone when it ends; name a folder: --out runs/mine")
    version = "X.Y.Z" if run.has(FUNNEL) else "1.0.0"  # a run that was finished before may be published
    show = _show_nothing if given["as_json"] else _show
    with when_stopped(run.standing), reported("import") as progress:
        workers = given["workers"]
        done = import_pairs(source, out, said=said, workers=workers, progress=progress, show=show, **arguments)
    if given["as_json"]:
        click.echo(json.dumps(done.to_dict(), indent=2))
    else:
        _report(done, version)


def _said(given: Mapping[str, Any]) -> Said:
    from safetypairs_hf.importing.reading_plan import Said

    columns = {role: given[f"column_{role}"] for role in _COLUMNS if given[f"column_{role}"] is not None}
    if given["pair_from"] is not None:
        if "pair" in columns:
            raise click.UsageError("--pair and --pair-from are the same; give one of them")
        columns["pair"] = given["pair_from"]
    names = ("pair_pattern", "labels", "repeats", "category", "category_map", "split_map")
    others = ("direction", "generator", "license", "subset", "splits")
    return Said(columns={**given["more"], **columns}, **{name: given[name] for name in (*names, *others)})


def _name_layout(source: str, given: str | None) -> None:
    """Suggest the layout of this dataset if there is one and none was given."""
    from safetypairs_hf.cli.progress import remark
    from safetypairs_hf.importing.layout import layout_of

    if given is None and (found := layout_of(source)) is not None:
        remark(f"there is a layout of {source}: --layout {found.name}")


def _judges(names: Sequence[str], settings: Mapping[str, str]) -> tuple[Judge, ...]:
    """Return the judges with their settings: those with the judge's name, or all settings if there is one judge."""
    from safetypairs_hf.guards.catalogue import make_guard

    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for key, value in settings.items():
        guard, dot, own = key.partition(".")
        if dot and guard in found:
            found[guard][own] = value
        elif len(found) == 1:
            found[names[0]][key] = value
        else:
            which = "GUARD.KEY=VALUE with the name of one of the judges" if found else "--judge GUARD, too"
            raise click.UsageError(f"--set {key}: give {which}")
    return tuple(make_guard(name, of) for name, of in found.items())


def _show_nothing(opened: Opened) -> None:
    """Print nothing: with --json, the result includes what was recognised."""


def _show(opened: Opened) -> None:
    for line in opened.understood:
        click.echo(line)


def _dry_run(source: str, said: Said, arguments: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    from safetypairs_hf.importing.import_pairs import preview

    opened, drawn, rejected = preview(source, given["sheet"], said, show_unsafe=given["show_unsafe"], **arguments)
    left_out = [*opened.rejects, *rejected]
    if given["as_json"]:
        rows = [{"input": name, "reason": reject.reason, "detail": reject.detail} for name, reject in left_out]
        click.echo(json.dumps({**opened.to_dict(), "rejected": rows, "drawn": drawn}, indent=2))
        return
    _show(opened)
    _name_left_out(left_out, len(left_out))
    sheet = f"{counted(drawn, 'pair')} {verb(drawn, 'is')} drawn in {given['sheet']}; " if drawn else ""
    click.echo(f"{sheet}nothing was imported")


def _name_left_out(left_out: Sequence[tuple[str, Reject]], count: int) -> None:
    """Print the first rejected inputs, and how many more there are of `count`."""
    shown = left_out[:_NAMED]
    for name, reject in shown:
        click.echo(f"left out: {printable(name)}: {reject.reason} ({printable(reject.detail)})")
    if shown and count > len(shown):
        click.echo(f"left out: {count - len(shown):,} more")


def _report(done: Imported, version: str) -> None:
    from safetypairs_hf.core.run_folder import next_commands

    _name_left_out(done.left_out, sum(done.rejected.values()))
    click.echo(str(done))
    for hint in done.hints:
        click.echo(f"safetypairs: {hint}", err=True)
    click.echo("\n".join(next_commands(done.url, done.pairs, version)))
