"""`list` and `show`: what there is, and what is known about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from .options import Json
from .output import columns, print_json


class Kind(StrEnum):
    """What can be listed."""

    methods = "methods"
    datasets = "datasets"
    regimes = "regimes"
    masks = "masks"
    tracks = "tracks"
    ablations = "ablations"
    published = "published"


def list_names(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", show_choices=False, help="What to list.")],
    as_json: Json = False,
) -> None:
    """List methods, data sets, regimes, masks, tracks, ablations, or the papers' numbers.

    \b
    Examples:
      pmll-bench list methods
      pmll-bench list published | grep voc2007
      pmll-bench list datasets --json
    """
    from ..describe import catalogue

    records = catalogue(kind)
    if as_json:
        print_json("list", {"kind": kind, "items": records})
    else:
        print(columns(list(records[0]), [list(record.values()) for record in records]))


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A method or .py file, a data set or .csv file.")],
    as_json: Json = False,
) -> None:
    """Show one method or data set.

    A method: what it trains, its settings with their sources, its recipes, what
    is inferred. A data set: its counts, layout and options.

    \b
    Examples:
      pmll-bench show dualcoop
      pmll-bench show voc2007
    """
    from ..describe import as_text, describe

    described = describe(name)
    if as_json:
        print_json("show", described)
    else:
        print(as_text(described))
