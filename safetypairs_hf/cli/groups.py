"""Commands in groups: the nearest of those that there are, and options that stand in the environment."""

from __future__ import annotations

from typing import Final

import click

PREFIX: Final = "SAFETYPAIRS"


class CommandGroup(click.Group):
    """A click group that names the nearest command where there is none of the name that was given."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from safetypairs_hf.core.nearest import nearest

        known = self.list_commands(ctx)
        near = None if args[0] in known or ctx.resilient_parsing else nearest(args[0], known)
        if near:
            ctx.fail(f"No such command {args[0]!r}. (Did you mean {near!r}?)")
        return super().resolve_command(ctx, args)


def from_environment(command: click.Command, *words: str) -> click.Command:
    """Let the options of a command stand in the environment: `--data` of evaluate as SAFETYPAIRS_EVALUATE_DATA.

    Args:
        words: the prefix, and the names that lead to the command.
    """
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.envvar is None:
            longest = max(parameter.opts, key=len)
            parameter.envvar = "_".join([*words, longest.strip("-")]).upper().replace("-", "_")
    for name, below in command.commands.items() if isinstance(command, click.Group) else ():
        from_environment(below, *words, name)
    return command
