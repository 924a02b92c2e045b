"""`list` and `show`: the names of methods, data sets and others, and the description of one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, TypeAlias

import typer

from ..errors import UsageError
from .completion import names_of
from .data import print_labels
from .options import Classes, DataRoot, DataSets, Datasets, Json, Methods
from .output import columns, print_json, tell


class Kind(StrEnum):
    """A kind of name that can be listed."""

    methods = "methods"
    datasets = "datasets"
    regimes = "regimes"
    masks = "masks"
    tracks = "tracks"
    ablations = "ablations"
    published = "published"
    metrics = "metrics"


Shown: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A method or .py file, a data set or label file.",
        autocompletion=names_of("shown"),
    ),
]
OnDatasets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME …",
        help="For a method: show the settings and the recipe on these data sets.",
        autocompletion=names_of("datasets"),
    ),
]
InRegime: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="With --datasets: the regime; default: partial, else the first of the method.",
        show_default=False,
        autocompletion=names_of("regimes"),
    ),
]
OnTrack: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="With --datasets: the track; default: paper.",
        show_default=False,
        autocompletion=names_of("tracks"),
    ),
]


WithMetric: TypeAlias = Annotated[
    str,
    typer.Option(metavar="NAME", help="Only this metric: map, OF1, CF1 …", autocompletion=names_of("metrics")),
]
OfRegime: TypeAlias = Annotated[
    str, typer.Option(metavar="NAME", help="Only this regime.", autocompletion=names_of("regimes"))
]
NOT_LISTED = ("cite", "averaged")  # what --json has in addition


def list_names(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="KIND", help="methods, datasets, regimes, masks, tracks, ablations, published or metrics."
        ),
    ],
    methods: Methods = None,
    datasets: Datasets = None,
    regime: OfRegime = "",
    metric: WithMetric = "",
    as_json: Json = False,
) -> None:
    """List methods, data sets, regimes, masks, tracks, ablations, published numbers or metrics.

    The status of a method: golden vectors met; one training step with the paper's
    towers, resolution and number of classes; run on real photographs. No method
    has been reproduced at paper scale.

    The filters --methods, --datasets, --regime and --metric are for published
    numbers. Each number has its source, its protocol, and how its epoch was
    selected.

    \b
    Examples:
      pmll-bench list methods
      pmll-bench list published --methods scpnet dualcoop --datasets voc2007
      pmll-bench list published --regime partial --metric OF1 --json
    """
    from ..report.papers.status import short_status
    from .describe import catalogue, published_records

    filters = {"--methods": methods, "--datasets": datasets, "--regime": regime, "--metric": metric}
    if kind is not Kind.published:
        for name in (name for name, value in filters.items() if value):
            raise UsageError(f"{name} filters published numbers", hint=f"pmll-bench list published {name} …")
        records = catalogue(kind)
    else:
        records = published_records(methods or (), datasets or (), regime, metric)
    if as_json:
        print_json("list", {"kind": kind, "items": records})
    else:
        if kind is Kind.methods:
            records = [{**record, "status": short_status([record["name"]])} for record in records]
        shown = [name for name in records[0] if name not in NOT_LISTED]
        print(columns(shown, [[record[name] for name in shown] for record in records]))


def show(
    name: Shown,
    datasets: OnDatasets = None,
    regime: InRegime = "",
    track: OnTrack = "",
    sets: DataSets = None,
    classes: Classes = False,
    data_root: DataRoot = None,
    as_json: Json = False,
) -> None:
    """Show one method or data set.

    For a method: what it trains, its settings with their sources, its recipes,
    inferred parts and differences from released code. With --datasets: all
    values that it uses there, with their sources. For a data set: counts, folder
    layout, options and, if its files are there, the number of present, absent and
    unknown labels.

    \b
    Examples:
      pmll-bench show dualcoop
      pmll-bench show scpnet --datasets voc2007 coco2014 --regime single-positive
      pmll-bench show voc2007
      pmll-bench show images/labels.csv --classes
    """
    from .data_status import data_status
    from .describe import describe

    if not datasets and (regime or track):
        raise UsageError("--regime and --track select a recipe and need --datasets", hint="add --datasets NAME")
    described = describe(name, tuple(datasets or ()), regime, track or "paper")
    is_data = described["kind"] == "data set"
    if is_data and datasets:
        raise UsageError(f"--datasets is for methods, but {name} is a data set")
    if not is_data and (sets or classes):
        raise UsageError(f"--set and --classes are for data sets, but {name} is a method")
    found = data_status([name], data_root, sets or (), classes=classes) if is_data else []
    for each in found:
        if each["labels"] and described["counts"] is None:
            described |= {"counts": {split: each[split] for split in ("train", "test")}, "classes": each["classes"]}
    for note in (note for record in found for note in record["notes"]):
        tell(note)
    if as_json:
        print_json("show", {**described, **{key: each[key] for each in found for key in ("ready", "what", "labels")}})
    else:
        _print_description(described, found, classes=classes)


def _print_description(described: dict[str, Any], found: list[dict[str, Any]], *, classes: bool) -> None:
    """Print a description and, for a data set, the counts of its labels."""
    from .description import as_text

    print(as_text(described))
    print_labels(found, classes=classes)
    for record in found:
        if not record["labels"]:
            print(f"\nlabels: not counted; {record['what']}")
