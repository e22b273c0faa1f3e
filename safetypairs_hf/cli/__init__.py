"""The `safetypairs` command. Each command parses and calls the library; its module is imported when it is run."""

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

# name -> one-line help; the module of a command is safetypairs_hf.cli.<name>, its click command is `command`.
COMMANDS = {
    "demo": "The whole road, offline, in about a minute.",
    "build": "Build pairs by a recipe, into a run folder; resumable.",
    "import": "Import finished pairs, whoever made them, into a run folder.",
    "guards": "The guards that there are, with their settings.",
    "editors": "The editors that there are, with their settings.",
    "recipes": "The recipes that there are, with their settings.",
    "layouts": "The sets of pairs whose layout import knows by name.",
    "status": "The funnel of a run, as a table.",
    "review": "People look at pairs and decide, on a page of this machine.",
    "publish": "Publish a run as a version of a dataset.",
    "versions": "The versions that a dataset has.",
    "diff": "What changed from one version to another.",
    "verify": "Read a published version again, and check it.",
    "probe": "Can anything tell the edited member without looking at content?",
    "taxonomy": "Categories and policies as data: check a file, compare two.",
    "relabel": "Correct pairs whose label is wrong, in a new major version.",
    "takedown": "Remove pairs for good, in a new major version.",
    "evaluate": "Run a guard over the pairs of a version.",
    "score": "Pair-consistent accuracy of predictions.",
    "compare": "Two models or more on the same pairs.",
    "failures": "The pairs that a guard has wrong, worst first.",
    "power": "How many pairs it takes to see a difference.",
    "report": "Predictions, a run or a dataset as one HTML page.",
    "space": "A folder to push as a Space: metric, leaderboard, viewer.",
    "train": "A light guard from the pairs of a version.",
    "study": "How many pairs it takes, against unpaired images.",
    "export": "Pairs in the form of another trainer: TRL, WebDataset, ...",
    "results": "Results of a guard on the Hub page of its model.",
    "autoload": "Make load_dataset('safetypairs') work with no import.",
    "localhub": "A Hub server on this machine, for tests and rehearsals.",
}
# The modules that are called otherwise: `import` is a word of Python.
MODULES = {"import": "import_pairs"}


class LazyGroup(CommandGroup):
    """The commands, which are listed without being imported, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"safetypairs_hf.cli.{MODULES.get(cmd_name, cmd_name)}")
        module.command.name = cmd_name  # the reference of commands is headed by it
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


# Nothing is printed in colour. With "color", click leaves the control sequences of others in, for `Visible` to show.
@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "color": True})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_versions,
    help="Show the versions of this, of Python and of the libraries that matter, and exit.",
)
@click.option("-q", "--quiet", is_flag=True, envvar=f"{PREFIX}_QUIET", help="Show no progress, only what goes wrong.")
@click.option("-v", "--verbose", is_flag=True, envvar=f"{PREFIX}_VERBOSE", help="Show the logs of the libraries, too.")
def group(quiet: bool, verbose: bool) -> None:
    """Counterfactual image pairs for safety: build, publish, load, score.

    \b
    Start with:  safetypairs demo

    An option can stand in the environment: SAFETYPAIRS_EVALUATE_DATA is --data of evaluate.
    """
    if quiet and verbose:
        raise click.UsageError("--quiet shows less and --verbose more; give one of them")
    if quiet or verbose:
        from safetypairs_hf.cli import progress

        progress.be_quiet() if quiet else progress.be_verbose()


class Visible:
    """A stream that shows control characters as escapes: what commands print may hold what others wrote."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(visible(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command and exit: 0 done, 1 the work failed (one line on stderr), 2 wrong usage, 130 interrupted."""
    # Of Pillow, for what is refused by our own limit, in one line.
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit of")
    try:
        with contextlib.redirect_stdout(Visible(sys.stdout)):
            group.main(args=arguments, prog_name="safetypairs", standalone_mode=True)
    except SafetyPairsError as error:
        click.echo(f"safetypairs: {error}", err=True)
        sys.exit(1)
