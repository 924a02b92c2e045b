"""`list` and `show`: what there is, and what is known about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ..errors import UsageError
from .data import print_labels
from .options import Classes, DataRoot, DataSets, Json
from .output import columns, print_json, tell


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
    from .describe import catalogue

    records = catalogue(kind)
    if as_json:
        print_json("list", {"kind": kind, "items": records})
    else:
        print(columns(list(records[0]), [list(record.values()) for record in records]))


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A method or .py file, a data set or file of labels.")],
    datasets: Annotated[
        list[str] | None, typer.Option("--datasets", help="Resolve a method's recipe on these, value by value.")
    ] = None,
    regime: Annotated[str, typer.Option(help="With --datasets: in this regime.")] = "",
    track: Annotated[str, typer.Option(help="With --datasets: on this track; default: paper.")] = "",
    sets: DataSets = None,
    classes: Classes = False,
    data_root: DataRoot = None,
    as_json: Json = False,
) -> None:
    """Show one method or data set.

    A method: what it trains, its settings with their sources, its recipes, what
    is inferred, where it differs from released code. With --datasets: what it
    runs there, each value with its source. A data set: its counts, layout and
    options and, where it is at hand, its present, absent and unknown labels.

    \b
    Examples:
      pmll-bench show dualcoop
      pmll-bench show scpnet --datasets voc2007 coco2014 --regime single-positive
      pmll-bench show voc2007
      pmll-bench show images/labels.csv --classes
    """
    from .data_status import data_status
    from .describe import as_text, describe

    if not datasets and (regime or track):
        raise UsageError("--regime and --track say which recipe to resolve", hint="add --datasets NAME")
    described = describe(name, tuple(datasets or ()), regime, track or "paper")
    is_data = described["kind"] == "data set"
    if is_data and datasets:
        raise UsageError(f"--datasets resolves a method's recipe, and {name} is a data set")
    if not is_data and (sets or classes):
        raise UsageError(f"--set and --classes are for data sets, and {name} is a method")
    found = data_status([name], data_root, sets or (), classes=classes) if is_data else []
    for each in found:
        if each["labels"] and described["counts"] is None:
            described |= {"counts": {split: each[split] for split in ("train", "test")}, "classes": each["classes"]}
    for note in (note for record in found for note in record["notes"]):
        tell(note)
    if as_json:
        print_json("show", {**described, **{key: each[key] for each in found for key in ("ready", "what", "labels")}})
        return
    print(as_text(described))
    print_labels(found, classes=classes)
    for record in found:
        if not record["labels"]:
            print(f"\nlabels: not counted; {record['what']}")
