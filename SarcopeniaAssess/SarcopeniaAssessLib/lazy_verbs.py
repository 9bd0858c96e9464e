"""Verbs of a command that are imported when they are called, so that help is instant."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

_LONGEST = 120
"""Signs of a verb's one line in the list, which the terminal wraps."""


class LazyGroup(click.Group):
    """A group that knows some verbs by name and one line of help, and imports them when they are called.

    Parameters
    ----------
    lazy:
        Verb → ("module:command", one line of help).
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all verbs: those of this process, then the lazy ones."""
        return [*super().list_commands(ctx), *self._lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb itself; a lazy one is imported now."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, name = self._lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs in the help, without hidden ones; imports none of them."""
        known = [
            (name, command.get_short_help_str(_LONGEST))
            for name, command in sorted(self.commands.items())
            if not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl([*known, *((name, line) for name, (_, line) in self._lazy.items())])
