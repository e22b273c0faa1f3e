"""Groups of commands that suggest the nearest name, and options that can be set in the environment."""

from __future__ import annotations

from typing import Final

import click

PREFIX: Final = "SAFETYPAIRS"


class CommandGroup(click.Group):
    """A click group that suggests the nearest command for an unknown name."""

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
    """Let environment variables set the options of a command: SAFETYPAIRS_EVALUATE_DATA sets `--data` of evaluate.

    Args:
        command: The command; of a group, all commands below it.
        words: The prefix of the variables, and the names that lead to the command.

    Returns:
        The command itself.
    """
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.envvar is None:
            longest = max(parameter.opts, key=len)
            parameter.envvar = "_".join([*words, longest.strip("-")]).upper().replace("-", "_")
    for name, below in command.commands.items() if isinstance(command, click.Group) else ():
        from_environment(below, *words, name)
    return command
