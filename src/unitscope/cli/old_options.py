"""Renamed options: the old name keeps working for one version, hidden from ``--help``.

In: the arguments of a command. Out: the arguments with the current names; a note on stderr for each old one.
A command lists its old options in its module: ``OLD_OPTIONS = {"--depth": "--by-layer"}``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from typer.core import TyperCommand

from unitscope.cli.output import log


def command_class(old: Mapping[str, str]) -> type[TyperCommand]:
    """Return a command class that accepts the old names of options."""

    class Command(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            return super().parse_args(ctx, list(translated(args, old)))

    return Command


def translated(words: list[str], old: Mapping[str, str]) -> Iterator[str]:
    """Yield the arguments with each old option replaced, up to ``--``, which ends the options."""
    for position, word in enumerate(words):
        option, *value = word.split("=", 1)
        if option not in old or "--" in words[:position]:
            yield word
            continue
        log(f"note: {option} is now {old[option]}; the old name will stop working in the next version")
        yield "=".join([old[option], *value])
