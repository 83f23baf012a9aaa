"""The command line: `python -m loadtests COMMAND`.

Knows commands and their options; knows nothing of what they measure.
"""

from __future__ import annotations

import typer

from loadtests import bench, commands

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
cli.command("bench")(bench.main)
cli.command("load", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    commands.load
)
cli.command("capacity")(commands.capacity)


if __name__ == "__main__":
    cli()
