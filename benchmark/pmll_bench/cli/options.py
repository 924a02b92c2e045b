"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from .completion import cells_of, names_of

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Root: TypeAlias = Annotated[
    Path, typer.Option(envvar="PMLL_STORE", metavar="FOLDER", help="Store: the folder for results.")
]
DataRoot: TypeAlias = Annotated[
    Path | None,
    typer.Option(envvar="PMLL_DATA", metavar="FOLDER", help="Folder with the data sets, or with one of them."),
]
DataSets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="data.NAME=V", help="An option of the data set, as in 'run'. Repeatable."),
]
Cells: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CELL",
        help="Ids of cells, or their first 6 or more digits; default: all cells.",
        autocompletion=cells_of,
    ),
]
Methods: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME …", help="Only these methods or rows.", autocompletion=names_of("methods")),
]
Datasets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME …", help="Only these data sets.", autocompletion=names_of("datasets")),
]
Classes: TypeAlias = Annotated[bool, typer.Option("--classes", help="Also count the labels of each class.")]

STORE = Path("runs")  # the default of Root
