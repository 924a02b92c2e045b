"""`plot prior`: figures of what a method computes, beside its results."""

from __future__ import annotations

from typing import Annotated

import typer

from .completion import cells_of, names_of
from .options import STORE, DataRoot, Root
from .output import tell
from .plot_options import PLOTS, Out, show


def prior(
    out: Out = PLOTS,
    method: Annotated[
        str,
        typer.Option(metavar="NAME", help="A method with a label graph.", autocompletion=names_of("methods")),
    ] = "scpnet",
    dataset: Annotated[
        str, typer.Option(metavar="NAME", help="The data set of the labels.", autocompletion=names_of("datasets"))
    ] = "shapes",
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=V", help="A setting of the method, as in 'run'. Repeatable."),
    ] = None,
    track: Annotated[str | None, typer.Option(metavar="NAME", help="The track of the settings, as in 'run'.")] = None,
    cell: Annotated[
        str | None,
        typer.Option(
            metavar="CELL", help="A cell of 'run --keep-model', instead of the other options.", autocompletion=cells_of
        ),
    ] = None,
    data_root: DataRoot = None,
    root: Root = STORE,
) -> None:
    """Plot a method's label graph as a heat map, and its label features before and after the graph.

    Before are the text features of the class names. After are those of one step of the graph or, with --cell, the
    features that a kept model has learned.

    \b
    Examples:
      pmll-bench plot prior
      pmll-bench plot prior --method scinet --set neighbours=5
    """
    from ..models.kept import open_model
    from ..models.label_graph import trained_relations, untrained_relations
    from ..plan.planning import plan
    from ..plan.request import Request
    from ..report.plots.prior import LabelGraph, write_prior
    from ..store.store import Store

    if cell is not None:
        model = open_model(Store.open(root, create=False).find(cell))
        found, step = trained_relations(model.learner), "After: the learned features."
        method, dataset = model.result.label, model.result.dataset
        name = f"{model.result.method}-{dataset}-{model.result.cell_id[:6]}"
    else:
        request = Request(
            methods=(method,),
            datasets=(dataset,),
            ratios=(0.5,),
            sets=tuple(sets or ()),
            track=track,
            data_root=None if data_root is None else str(data_root),
        )
        found, step = untrained_relations(plan(request).cells[0], Store(root)), "After: one step of the graph, Ā Z."
        name = f"{method}-{dataset}"
    show(write_prior(LabelGraph(*found, f"the text features of {method} on {dataset}", step), name, out))


def attention(
    cells: Annotated[
        list[str],
        typer.Argument(
            metavar="CELL",
            help="Ids of cells on one data set, made by 'run --keep-model', or their first 6 or more digits.",
            autocompletion=cells_of,
        ),
    ],
    images: Annotated[
        list[str] | None,
        typer.Option(metavar="ID …", help="Test images; default: the first with two or more labels."),
    ] = None,
    number: Annotated[int, typer.Option(min=1, metavar="N", help="The number of images, without --images.")] = 4,
    top: Annotated[int, typer.Option(min=1, max=5, metavar="N", help="The number of labels per image.")] = 3,
    out: Out = PLOTS,
    data_root: DataRoot = None,
    root: Root = STORE,
) -> None:
    """Plot where kept models look for their top labels in test images.

    Where the data set tells the boxes of objects (shapes, VOC), the share of the attention in them is printed.

    \b
    Examples:
      pmll-bench plot attention 3f2a9c
      pmll-bench plot attention 3f2a9c 81bd07 --number 2 --top 2
    """
    from ..models.attention_data import models_of
    from ..models.looks import chosen_images, localised, looks
    from ..report.plots.attention import write_attention
    from ..store.store import Store

    models, data = models_of(Store.open(root, create=False), cells, data_root)
    positions = chosen_images(data, images or (), number)
    found = {name: each for name, model in models.items() if (each := localised(model, data)) is not None}
    for name, each in found.items():
        tell(each.text(name))
    name = "-".join(dict.fromkeys([*(model.result.method for model in models.values()), data.name]))
    show(write_attention(looks(models, data, positions, top), found, name, out))
