"""A command line whose first word may be left out.

Knows words, nothing of what the commands do.
"""

from __future__ import annotations

import typer
from typer.core import TyperGroup


def with_default(command: str) -> type[TyperGroup]:
    """Return a group that takes what begins with none of its commands for `command`'s own arguments."""

    class Group(TyperGroup):
        def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # typer ships its own click
            if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
                args = [command, *args]
            return super().parse_args(ctx, args)

    return Group
