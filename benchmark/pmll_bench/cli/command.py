"""The classes of all commands: list options in all forms, also in shell completion, and help without Python types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup

from .argv import fill_in, open_list, spread_lists

OPEN_LIST = "pmll_bench.open_list"


class Command(TyperCommand):
    """A command that accepts list options as `--seeds 0 1` and `--seeds 0,1`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[OPEN_LIST] = open_list(args)
        return super().parse_args(ctx, spread_lists(fill_in(args)))

    def get_params(self, ctx: Any) -> list[Any]:
        return without_type(super().get_params(ctx))

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the next value of a list option, else the names of options."""
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
    """The parameters, without the types that typer adds to flags and arguments in the help: <bool>, <str>."""
    for param in params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
        elif isinstance(param, TyperArgument):
            vars(param)["display_type"] = lambda ctx: None
    return list(params)
