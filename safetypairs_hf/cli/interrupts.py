"""Handle Ctrl-C: the command says what is kept and how to continue, and exits with 130."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

# 128 plus the number of SIGINT, as in shells.
EXIT_CODE = 130
_DEFAULT = "run the same command again"


@contextmanager
def when_stopped(standing: Callable[[], str]) -> Iterator[None]:
    """Give an interrupt in the block its message: what is kept, and how to continue. An existing message stays."""
    try:
        yield
    except KeyboardInterrupt as error:
        if error.args:
            raise
        raise KeyboardInterrupt(standing()) from error


def is_interrupt(error: BaseException) -> bool:
    """Return whether the error is a Ctrl-C. At a question, click turns both Ctrl-C and a "no" into an Abort."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)


def leave(ctx: click.Context, error: BaseException) -> NoReturn:
    """Print the message of an interrupt on stderr, and exit."""
    message = str(error) if isinstance(error, KeyboardInterrupt) else ""
    click.echo(f"safetypairs: stopped; {message or _DEFAULT}", err=True)
    # Python counts an interrupt that passed through `exec` of a text, as when a dataclass is made, as not handled, and
    # would end itself by a signal. Another `exec` clears that state.
    exec("")
    ctx.exit(EXIT_CODE)
