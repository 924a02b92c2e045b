"""`board`: the leaderboard as a static site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from pmll_errors import counted

from .board_rerun import rerun
from .board_withdraw import withdraw
from .choosing import Resamples
from .command import Command, Group
from .options import STORE, DataRoot, Root
from .output import tell

BOARD = Path("board")  # the default folder of a board

Folder: TypeAlias = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a board.")]

board = typer.Typer(cls=Group, no_args_is_help=True, help="Build and serve the leaderboard.")


@board.command(cls=Command)
def build(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="The folder to write.")] = BOARD,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="The title of the leaderboard.")] = None,
    resamples: Resamples = 1000,
    data_root: DataRoot = None,
    root: Root = STORE,
) -> None:
    """Build the leaderboard from a store, as pages that need no server.

    A table for each data set, regime and protocol, a page for each method, what
    changed, and downloads. Equal stores give equal files. A folder with
    anything but a board is refused, and of an older build only its own files
    are replaced.

    \b
    Examples:
      pmll-bench board build
      pmll-bench board build --root runs --out site/board
    """
    from ..board.collect import TITLE, collect
    from ..board.site.pages import files
    from ..board.site.write import refuse_other_content, write_site
    from ..store.store import Store

    store = Store.open(root, create=False)
    refuse_other_content(out)  # before the work
    found = collect(store, data_root, resamples=resamples, title=title or TITLE)
    write_site(files(found), out)
    for warning in found.warnings:
        tell(warning)
    print(out / "index.html")
    rows = sum(len(table.ranked) for table in found.tables)
    tell(f"{counted(len(found.tables), 'table')}, {counted(rows, 'ranked row')}; open the file in a browser")


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


board.command(cls=Command, no_args_is_help=True)(rerun)
board.command(cls=Command, no_args_is_help=True)(withdraw)
