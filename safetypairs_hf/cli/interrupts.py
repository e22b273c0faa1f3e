"""Ctrl-C: the command says what is kept and how to go on, and exits with 130."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

# 128 and the number of SIGINT, as shells have it.
EXIT_CODE = 130
_UNTOLD = "run the same command again"


@contextmanager
def when_stopped(standing: Callable[[], str]) -> Iterator[None]:
    """Give an interrupt its text: what is kept, and how to go on. One that has a text keeps it."""
    try:
        yield
    except KeyboardInterrupt as error:
        if error.args:
            raise
        raise KeyboardInterrupt(standing()) from error


def is_interrupt(error: BaseException) -> bool:
    """Whether it is Ctrl-C, at work or at a question; click makes an Abort of one at a question, and of a no."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)


def leave(ctx: click.Context, error: BaseException) -> NoReturn:
    """Say the text of an interrupt on stderr, and exit."""
    told = str(error) if isinstance(error, KeyboardInterrupt) else ""
    click.echo(f"safetypairs: stopped; {told or _UNTOLD}", err=True)
    # An interrupt that went through `exec` of a text, as in the making of a dataclass, counts as not handled, and
    # Python would end itself by a signal; the next `exec` forgets it.
    exec("")
    ctx.exit(EXIT_CODE)
