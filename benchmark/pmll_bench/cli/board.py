"""`board`: the leaderboard as a static site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from .board_rerun import rerun
from .board_withdraw import withdraw
from .command import Command, Group
from .output import tell

BOARD = Path("board")  # the default folder of a board

Folder: TypeAlias = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a board.")]

board = typer.Typer(cls=Group, no_args_is_help=True, help="Build and serve the leaderboard.")
board.command(cls=Command, no_args_is_help=True)(rerun)


@board.command(cls=Command)
def serve(
    folder: Folder = BOARD,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0 takes a free one.")] = 0,
) -> None:
    """Serve a board on this machine alone, until Ctrl-C.

    Nobody else can reach it. To publish a board, copy its folder to any server
    of static files; opening its index.html works without a server, too.

    \b
    Examples:
      pmll-bench board serve
      pmll-bench board serve board --port 8000
    """
    from ..board.serve import address, server

    with server(folder, port) as serving:
        print(address(serving), flush=True)
        tell("Ctrl-C stops it")
        serving.serve_forever()


board.command(cls=Command, no_args_is_help=True)(withdraw)
