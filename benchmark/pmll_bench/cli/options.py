"""The options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Root: TypeAlias = Annotated[
    Path, typer.Option(envvar="PMLL_STORE", metavar="FOLDER", help="Store: the folder of cells and results.")
]
DataRoot: TypeAlias = Annotated[
    Path | None,
    typer.Option(envvar="PMLL_DATA", metavar="FOLDER", help="Folder with the data sets, or one data set's own."),
]
DataSets: TypeAlias = Annotated[
    list[str] | None, typer.Option("--set", metavar="data.NAME=V", help="Options of the data set, as in 'run'.")
]
Classes: TypeAlias = Annotated[bool, typer.Option("--classes", help="Count the labels of each class.")]

STORE = Path("runs")  # the default of Root
