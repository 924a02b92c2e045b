"""The classes of all commands: list options in every form, in the shell's completion too, and help without types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from .argv import open_list, spread_lists

OPEN_LIST = "pmll_bench.open_list"


class Command(TyperCommand):
    """A command whose list options are written as people type them: `--seeds 0 1` or `--seeds 0,1`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[OPEN_LIST] = open_list(args)
        return super().parse_args(ctx, spread_lists(args))

    def get_params(self, ctx: Any) -> list[Any]:
        return without_type(super().get_params(ctx))

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete further values of a list option, else the names of options."""
        if not incomplete.startswith("-"):
            for param in self.get_params(ctx):
                if ctx.meta.get(OPEN_LIST) in param.opts:
                    return list(param.shell_complete(ctx, incomplete))
        return super().shell_complete(ctx, incomplete)


class Group(TyperGroup):
    """A group of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_type(super().get_params(ctx))


def without_type(params: Sequence[Any]) -> list[Any]:
    """The parameters, whose flags have no type in the help: typer writes <bool>."""
    for param in params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    return list(params)
