"""How a command ends that did not do what it was told: in one line, and with a code."""

import typer

NAME = "genesis-lab"
INTERRUPTED = 130
"""The exit code of Ctrl-C: 128 + SIGINT, as shells have it."""


def complain(message: str, *, code: int) -> int:
    """Print a line on stderr; the exit code."""
    typer.echo(f"{NAME}: {message}", err=True)
    return code
