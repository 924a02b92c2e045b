"""`plot`: figures of results."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from .choosing import Labels, Metric, Ratios, Resamples, ResampleSeed, chosen_results
from .command import Command, Group
from .completion import names_of
from .options import STORE, DataRoot, Datasets, Methods, Root
from .output import tell
from .plot_options import PLOTS, Out, PaperNames, plotted, show
from .plots_of_models import attention, prior

plot = typer.Typer(
    cls=Group, no_args_is_help=True, help="Draw figures of results: PDF, SVG and PNG, with their numbers as CSV."
)


@plot.command(cls=Command)
def curves(
    out: Out = PLOTS,
    metric: Metric = "map",
    labels: Labels = "all",
    methods: Methods = None,
    datasets: Datasets = None,
    paper_names: PaperNames = False,
    root: Root = STORE,
) -> None:
    """Plot a metric over the ratio: the mean and the spread over masks or seeds.

    \b
    Examples:
      pmll-bench plot curves
      pmll-bench plot curves --methods bce dualcoop --out figures
    """
    from ..report.frame import frame
    from ..report.papers.layout import layout_of
    from ..report.plots.curves import write_curves
    from ..report.tables.table import build

    results = chosen_results(root, methods, datasets).results
    layout = layout_of(results, metric, paper_names=paper_names)
    show(write_curves(build(frame(results, labels), layout), out))


@plot.command(cls=Command, no_args_is_help=True)
def ablation(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="An ablation; see 'pmll-bench list ablations'.", autocompletion=names_of("ablations")
        ),
    ],
    out: Out = PLOTS,
    metric: Metric = "map",
    labels: Labels = "all",
    datasets: Datasets = None,
    root: Root = STORE,
) -> None:
    """Plot an ablation: lines over a numeric setting, else one row of dots per variant.

    Lines need three or more values of the setting, and rows that differ in nothing else.

    \b
    Examples:
      pmll-bench plot ablation dualcoop-contexts
      pmll-bench plot ablation dualcoop-contexts --metric CF1 --out figures
    """
    from ..ablations import ablation
    from ..ablations.sweeps import sweeps, sweeps_noise
    from ..report.frame import frame
    from ..report.papers.layout import layout_of
    from ..report.plots.ablation import write_ablation
    from ..report.tables.table import build

    asked = ablation(name)
    rows = [row.label or row.method for row in asked.rows]
    results = chosen_results(root, rows, datasets).results
    if missing := [row for row in rows if row not in {result.label for result in results}]:
        # Grids share cells, and a store keeps the label under which a cell was first run.
        tell(
            f"no results with the labels {', '.join(missing)}; cells that another grid has run have its labels: "
            f"run 'pmll-bench ablate {name}' again with the same options, which draws them without training"
        )
    table = build(frame(results, labels), replace(layout_of(results, metric), order=rows))
    show(write_ablation(table, name, out, sweeps(asked), noise=sweeps_noise(asked)))


@plot.command("labels", cls=Command)
def per_label(
    out: Out = PLOTS,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="The method to compare with; default: the first.")
    ] = None,
    ratios: Ratios = None,
    methods: Methods = None,
    datasets: Datasets = None,
    paper_names: PaperNames = False,
    root: Root = STORE,
) -> None:
    """Plot the AP of each label as bars, and the differences to one of the methods.

    \b
    Examples:
      pmll-bench plot labels --methods bce dualcoop
      pmll-bench plot labels --methods bce dualcoop --ratios 10% --out figures
    """
    from ..report.plots.labels import write_labels

    results, layout = plotted(root, methods, datasets, ratios, paper_names=paper_names)
    show(write_labels(results, layout, out, against))


@plot.command(cls=Command)
def training(
    out: Out = PLOTS,
    ratios: Ratios = None,
    methods: Methods = None,
    datasets: Datasets = None,
    paper_names: PaperNames = False,
    root: Root = STORE,
) -> None:
    """Plot each loss term over the epochs, and the mAP of the epochs where the recipe selects one.

    \b
    Examples:
      pmll-bench plot training --methods sarl
      pmll-bench plot training --ratios 10% 50% --out figures
    """
    from ..report.plots.training import write_training

    show(write_training(*plotted(root, methods, datasets, ratios, paper_names=paper_names), out))


@plot.command("pseudo-labels", cls=Command)
def pseudo_labels(
    out: Out = PLOTS,
    ratios: Ratios = None,
    methods: Methods = None,
    datasets: Datasets = None,
    paper_names: PaperNames = False,
    root: Root = STORE,
) -> None:
    """Plot the precision and the recall of pseudo-labels over the epochs.

    Pseudo-labels are compared with the labels that are hidden from the method.

    \b
    Examples:
      pmll-bench plot pseudo-labels
      pmll-bench plot pseudo-labels --methods scpnet-frozen --ratios 50%
    """
    from ..report.plots.pseudo_labels import write_pseudo_labels

    show(write_pseudo_labels(*plotted(root, methods, datasets, ratios, paper_names=paper_names), out))


@plot.command(cls=Command, no_args_is_help=True)
def differences(
    against: Annotated[str, typer.Option(metavar="METHOD", help="The reference.", autocompletion=names_of("methods"))],
    out: Out = PLOTS,
    labels: Labels = "all",
    methods: Methods = None,
    datasets: Datasets = None,
    resamples: Resamples = 1000,
    seed: ResampleSeed = 0,
    data_root: DataRoot = None,
    root: Root = STORE,
) -> None:
    """Plot the differences of methods to a reference with their 95 % intervals, as 'compare' computes them.

    \b
    Examples:
      pmll-bench plot differences --against bce
      pmll-bench plot differences --against bce --methods dualcoop --out figures
    """
    from ..report.comparing.compare import compare
    from ..report.comparing.measured import Sampling
    from ..report.plots.differences import write_differences
    from ..store.store import Store

    sampling = Sampling(resamples, seed, data_root)
    found = compare(
        Store.open(root, create=False),
        methods or (),
        against=against,
        datasets=datasets or (),
        labels=labels,
        sampling=sampling,
        tell=tell,
    )
    show(write_differences(found, out))


@plot.command(cls=Command)
def cost(
    kind: Annotated[
        str, typer.Option("--cost", metavar="NAME", help="train, predict, memory, trained, parameters or flops.")
    ] = "train",
    out: Out = PLOTS,
    metric: Metric = "map",
    methods: Methods = None,
    datasets: Datasets = None,
    paper_names: PaperNames = False,
    root: Root = STORE,
) -> None:
    """Plot a cost against a metric, with the line of the methods that no other one beats in both.

    Times and memory are compared only between methods that ran on the same machine.

    \b
    Examples:
      pmll-bench plot cost
      pmll-bench plot cost --cost parameters --metric CF1 --out figures
    """
    from ..report.cost import spent
    from ..report.frame import frame
    from ..report.papers.layout import layout_of
    from ..report.plots.cost import write_cost
    from ..report.tables.table import build

    chosen = chosen_results(root, methods, datasets)
    lines, layout = frame(chosen.results), layout_of(chosen.results, metric, paper_names=paper_names)
    costs = {result.cell_id: spent(result) for result in chosen.results}
    show(write_cost(build(lines, layout), lines, costs, out, kind))


plot.command(cls=Command)(prior)
plot.command(cls=Command, no_args_is_help=True)(attention)
