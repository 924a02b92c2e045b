"""`plot prior`: figures of what a method computes, beside its results."""

from __future__ import annotations

from typing import Annotated

import typer

from .completion import names_of
from .options import STORE, DataRoot, Root
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
    data_root: DataRoot = None,
    root: Root = STORE,
) -> None:
    """Plot a method's label graph as a heat map, and its label features before and after the graph.

    The features are the text features of the class names, before and after one step of the graph.

    \b
    Examples:
      pmll-bench plot prior
      pmll-bench plot prior --method scinet --set neighbours=5
    """
    from ..models.label_graph import untrained_relations
    from ..plan.planning import plan
    from ..plan.request import Request
    from ..report.plots.prior import LabelGraph, write_prior
    from ..store.store import Store

    request = Request(
        methods=(method,),
        datasets=(dataset,),
        ratios=(0.5,),
        sets=tuple(sets or ()),
        track=track,
        data_root=None if data_root is None else str(data_root),
    )
    found = untrained_relations(plan(request).cells[0], Store(root))
    step = "After: one step of the graph, Ā Z."
    show(
        write_prior(LabelGraph(*found, f"the text features of {method} on {dataset}", step), f"{method}-{dataset}", out)
    )
