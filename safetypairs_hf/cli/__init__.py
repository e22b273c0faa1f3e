"""The `safetypairs` command. Each command parses its options and calls the library; its module is imported when run."""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from typing import Any, TextIO

import click

from safetypairs_hf.cli import interrupts
from safetypairs_hf.cli.groups import PREFIX, CommandGroup, from_environment
from safetypairs_hf.core.errors import SafetyPairsError, visible

# name -> one line of help. The module of a command is safetypairs_hf.cli.<name>, its click command is `command`.
COMMANDS = {
    "demo": "Run the whole pipeline offline, in about a minute.",
    "build": "Build pairs by a recipe into a run folder; resumable.",
    "import": "Import finished pairs of any origin into a run folder.",
    "guards": "List the guards, or show one with its settings.",
    "editors": "List the editors, or show one with its settings.",
    "recipes": "List the recipes, or show one with its settings.",
    "layouts": "List the sets of pairs that import knows by name.",
    "status": "Show the funnel of a run as a table.",
    "review": "Let people review pairs on a local web page.",
    "publish": "Publish a run as a version of a dataset.",
    "versions": "List the versions of a dataset.",
    "diff": "Show what changed between two versions.",
    "verify": "Read a published version again and check it.",
    "probe": "Test whether traces reveal the edited member of a pair.",
    "taxonomy": "List, show, check and compare categories and policies.",
    "relabel": "Correct wrong labels in a new major version.",
    "takedown": "Remove pairs for good in a new major version.",
    "evaluate": "Run a guard over the pairs of a version.",
    "score": "Compute pair-consistent accuracy from predictions.",
    "compare": "Compare two or more guards on the same pairs.",
    "failures": "List the pairs that a guard misjudges, worst first.",
    "power": "Compute how many pairs a comparison of guards needs.",
    "report": "Show predictions, a run or a dataset as one HTML page.",
    "space": "Make a Space for the Hub: metric, leaderboard or viewer.",
    "train": "Train a light guard on the pairs of a version.",
    "study": "Measure what pairs are worth as training data.",
    "export": "Export pairs for other trainers: TRL, WebDataset, ...",
    "results": "Write results of a guard to its model page on the Hub.",
    "autoload": "Make load_dataset('safetypairs') work with no import.",
    "localhub": "Run a Hub server on this machine for tests and rehearsals.",
}
# Commands whose module has another name, because `import` is a keyword of Python.
MODULES = {"import": "import_pairs"}


class LazyGroup(CommandGroup):
    """A group that lists its commands without importing them, so that --help is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"safetypairs_hf.cli.{MODULES.get(cmd_name, cmd_name)}")
        module.command.name = cmd_name  # the heading in the reference of commands
        return from_environment(module.command, PREFIX, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort) as error:
            if not interrupts.is_interrupt(error):
                raise
            interrupts.leave(ctx, error)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_versions(context: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from safetypairs_hf.cli.installed import versions

        click.echo(versions())
        context.exit()


# Nothing is printed in colour. With "color", click passes control sequences on, and `Visible` makes them visible.
@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "color": True})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_versions,
    help="Show the versions of this package, of Python and of the main libraries, and exit.",
)
@click.option("-q", "--quiet", is_flag=True, envvar=f"{PREFIX}_QUIET", help="Show no progress, only warnings.")
@click.option("-v", "--verbose", is_flag=True, envvar=f"{PREFIX}_VERBOSE", help="Also show the logs of the libraries.")
def group(quiet: bool, verbose: bool) -> None:
    """Counterfactual image pairs for safety: build, publish, load, score.

    \b
    Start with:  safetypairs demo

    Options can be set in the environment: SAFETYPAIRS_EVALUATE_DATA sets --data of evaluate.
    """
    if quiet and verbose:
        raise click.UsageError("--quiet shows less and --verbose more; give one of them")
    if quiet or verbose:
        from safetypairs_hf.cli import progress

        progress.be_quiet() if quiet else progress.be_verbose()


class Visible:
    """A stream that writes control characters as escapes, because output may contain text that others wrote."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(visible(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command and exit: 0 done, 1 failed (one line on stderr), 2 wrong usage, 130 interrupted."""
    # Pillow's warning about large images: our own limit refuses them with an error of one line.
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit of")
    try:
        with contextlib.redirect_stdout(Visible(sys.stdout)):
            group.main(args=arguments, prog_name="safetypairs", standalone_mode=True)
    except SafetyPairsError as error:
        click.echo(f"safetypairs: {error}", err=True)
        sys.exit(1)
