"""`submit`: packages of results for a board."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .command import Command, Group
from .options import STORE, Datasets, Json, Methods, Root
from .output import print_json, tell
from .packed import document, remarks, text
from .revisions import revisions
from .submit_check import check

submit = typer.Typer(cls=Group, no_args_is_help=True, help="Make and check packages of results for a board.")
submit.command(cls=Command, no_args_is_help=True)(check)


@submit.command(cls=Command, no_args_is_help=True)
def pack(
    author: Annotated[
        list[str],
        typer.Option("--author", metavar="NAME …", help="The authors, as the board will name them."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The package to write, a .zip file.")],
    methods: Methods = None,
    datasets: Datasets = None,
    with_code: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE …", help="The files of your own methods, so that others can re-run them."),
    ] = None,
    contact: Annotated[str, typer.Option(metavar="TEXT", help="Where to ask about the results; it is published.")] = "",
    paper: Annotated[str, typer.Option(metavar="TEXT", help="The paper: its title, or a link.")] = "",
    code_url: Annotated[str, typer.Option(metavar="URL", help="Where the code of the method is.")] = "",
    extra_data: Annotated[
        str,
        typer.Option(metavar="TEXT", help="What the method was trained on besides the data set and its tower."),
    ] = "",
    notes: Annotated[str, typer.Option(metavar="TEXT", help="Anything else that others should know.")] = "",
    root: Root = STORE,
    as_json: Json = False,
) -> None:
    """Pack finished cells into one file that can be checked and added to a board.

    The package has the cells with their scores, and no paths of this machine.
    Equal content gives an equal file; its digest identifies it.

    \b
    Examples:
      pmll-bench submit pack --author "A. Author" -o all.zip
      pmll-bench submit pack --methods dualcoop --author "A. Author" -o my.zip
    """
    from ..store.chosen import chosen
    from ..store.store import Store
    from ..submission.packing import About, pack

    store = Store.open(root, create=False)
    folders = chosen(store, methods=methods or (), datasets=datasets or ())
    about = About(tuple(author), contact, paper, code_url, extra_data, notes)
    current = revisions({folder.path.parent.name for folder in folders})
    packed = pack(folders, store, about, output, files=with_code or (), revisions=current)
    if as_json:
        print_json("submit-pack", document(packed))
    else:
        print(text(packed))
    for remark in remarks(packed):
        tell(remark)
    tell(f"next: pmll-bench submit check {shlex.quote(str(output))}")
