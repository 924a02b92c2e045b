"""The prior of a label graph: its matrix as a heat map, and the embedding of the labels before and after it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from .figure import COLOURS, COLUMN, NOTE_LINE, PAGE, add_notes, drawn, new_figure, note_lines, write_figure
from .place import leader, placed
from .text import SMALL, text_width

_NARROW = 24  # labels of a matrix as wide as a column
_PITCH = 0.1  # inches; the least distance of two names
_BAR = 0.8  # inches to the right of a matrix, for its colour bar
_SAME = 1e-6  # labels whose embeddings are this close have one point


@dataclass(frozen=True)
class LabelGraph:
    """The relations between labels by which a method refines their text features.

    `weights` has one row per label: its weights on itself and on its neighbours. `before` and `after` are the features
    of the labels before and after the graph; `step` says in words how one becomes the other.
    """

    labels: tuple[str, ...]
    weights: Float[np.ndarray, "c c"]
    before: Float[np.ndarray, "c e"]
    after: Float[np.ndarray, "c e"]
    source: str
    step: str


def matrix_plot(graph: LabelGraph) -> dict[str, bytes]:
    """The files of the heat map by suffix (`figure.drawn`): rows sum to 1, similar labels are beside each other.

    The weights of labels on themselves are not coloured, because they are larger than all others.
    """
    order = _order(graph.weights)
    return drawn(lambda: _matrix(graph, order), _weights(graph, order))


def embedding_plot(graph: LabelGraph) -> dict[str, bytes]:
    """The files of the embeddings by suffix (`figure.drawn`): principal components before and after the graph.

    Features are unit vectors. The second embedding is turned so that it is as close to the first as possible. Grey
    lines join each label with its closest neighbour in the graph.
    """
    first, first_shares = components(graph.before)
    second, second_shares = components(graph.after)
    second = _turned(second, first)
    return drawn(
        lambda: _embeddings(graph, (first, second), (first_shares, second_shares)), _places(graph, first, second)
    )


def write_prior(graph: LabelGraph, name: str, folder: Path) -> tuple[Path, ...]:
    """Write both figures into a folder and return the paths."""
    matrix = write_figure(matrix_plot(graph), folder / f"prior-matrix-{name}")
    return *matrix, *write_figure(embedding_plot(graph), folder / f"prior-embedding-{name}")


def components(features: Float[np.ndarray, "c e"]) -> tuple[Float[np.ndarray, "c 2"], Float[np.ndarray, " 2"]]:
    """The first two principal components of unit vectors, and their shares of the variance."""
    units = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
    left, scales, _ = np.linalg.svd(units - units.mean(axis=0), full_matrices=False)
    places = (left * scales)[:, :2]
    signs = np.sign(places[np.abs(places).argmax(axis=0), [0, 1]])  # the sign of a component is arbitrary
    variance = scales**2
    return places * np.where(signs == 0, 1, signs), variance[:2] / max(variance.sum(), 1e-12)


def _turned(places: Float[np.ndarray, "c 2"], towards: Float[np.ndarray, "c 2"]) -> Float[np.ndarray, "c 2"]:
    """The places, turned or mirrored to be close to others (orthogonal Procrustes)."""
    left, _, right = np.linalg.svd(places.T @ towards)
    turned: Float[np.ndarray, "c 2"] = places @ (left @ right)
    return turned


def _order(weights: Float[np.ndarray, "c c"]) -> list[int]:
    """The labels in an order in which related ones are close (average linkage, optimal order of leaves)."""
    if len(weights) < 3:
        return list(range(len(weights)))
    both = (weights + weights.T) / 2
    np.fill_diagonal(both, both.max())
    distance = squareform(both.max() - both, checks=False)
    return [int(place) for place in leaves_list(optimal_leaf_ordering(linkage(distance, "average"), distance))]


def _matrix(graph: LabelGraph, order: Sequence[int]) -> Figure:
    labels = [graph.labels[place] for place in order]
    shown = graph.weights[np.ix_(order, order)].copy()
    itself = np.eye(len(labels), dtype=bool)
    shown[itself | (shown <= 0)] = np.nan
    width = COLUMN if len(labels) <= _NARROW else PAGE
    names = max(text_width(label, SMALL) for label in labels) + 0.1
    every, both = _spacing(len(labels), width - _BAR - names)
    side = width - _BAR - names * (2 if both else 1)
    notes = note_lines((_about(graph), f"One label in {every} is named." if every > 1 else ""), width)
    below = names + 0.06 + NOTE_LINE * len(notes) + 0.05
    above = 0.08 + (names if both else 0)
    height = above + side + below
    figure = new_figure(width, height)
    axes = figure.add_axes((names / width, below / height, side / width, side / height))
    weights = shown[~np.isnan(shown)]
    low, high = (weights.min(), weights.max()) if len(weights) else (0.0, 1.0)
    lightest = low - 0.15 * (high - low) if high > low else 0.0
    image = axes.imshow(shown, cmap="YlGnBu", vmin=lightest, vmax=high, aspect="auto")
    axes.imshow(np.where(itself, 0.5, np.nan), cmap="Greys", vmin=0, vmax=1.4, aspect="auto")
    _name(axes, labels, every, both=both)
    right = (names + side + (names if both else 0) + 0.06) / width
    scale = figure.add_axes((right, below / height, 0.1 / width, side / height))
    figure.colorbar(image, cax=scale, ticks=MaxNLocator(4)).set_label("Weight")
    scale.grid(visible=False)
    add_notes(figure, notes)
    return figure


def _spacing(number: int, side: float) -> tuple[int, bool]:
    """Which labels are named so that names are apart: one in how many, and whether on both sides in turn."""
    each = side / number
    if each >= _PITCH:
        return 1, False
    return max(1, math.ceil(_PITCH / (2 * each))), True


def _name(axes: Axes, labels: Sequence[str], every: int, *, both: bool) -> None:
    places = list(range(0, len(labels), every))
    first = places[::2] if both else places
    axes.set_xticks(first, [labels[place] for place in first], rotation=90, fontsize=SMALL)
    axes.set_yticks(first, [labels[place] for place in first], fontsize=SMALL)
    axes.tick_params(length=2, pad=1.5)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if both:
        others = places[1::2]
        for twin in (axes.secondary_xaxis("top"), axes.secondary_yaxis("right")):
            axis = twin.xaxis if twin is not None and twin._orientation == "x" else twin.yaxis  # type: ignore[attr-defined]
            axis.set_ticks(others, [labels[place] for place in others], fontsize=SMALL)
            twin.tick_params(length=2, pad=1.5)
            for spine in twin.spines.values():
                spine.set_visible(False)
            if axis is twin.xaxis:
                axis.set_tick_params(rotation=90)


def _about(graph: LabelGraph) -> str:
    itself = np.diag(graph.weights)
    low, high = itself.min(), itself.max()
    own = f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
    return (
        f"Weights of neighbours (columns) for each label (row), from {graph.source}. Grey: the label itself, {own}. "
        "White: no neighbour."
    )


def _embeddings(
    graph: LabelGraph,
    places: Sequence[Float[np.ndarray, "c 2"]],
    shares: Sequence[Float[np.ndarray, " 2"]],
) -> Figure:
    notes = note_lines(
        (
            f"Principal components of unit vectors. {graph.step} Lines: the strongest neighbour of each label, from "
            f"{graph.source}.",
        ),
        PAGE,
    )
    side, left, gap, below = 2.85, 0.58, 0.66, 0.5 + NOTE_LINE * len(notes)
    height = 0.32 + side + below
    figure = new_figure(PAGE, height)
    across = (PAGE - left - gap - 0.08) / 2
    closest = _closest(graph.weights)
    for number, (title, points, share) in enumerate(zip(("Before", "After"), places, shares, strict=True)):
        from_left = left + number * (across + gap)
        axes = figure.add_axes((from_left / PAGE, below / height, across / PAGE, side / height))
        axes.set(
            title=title, xlabel=f"Component 1 ({100 * share[0]:.0f} %)", ylabel=f"Component 2 ({100 * share[1]:.0f} %)"
        )
        _scatter(axes, graph.labels, points, closest, (across, side))
    add_notes(figure, notes)
    return figure


def _closest(weights: Float[np.ndarray, "c c"]) -> list[int]:
    """The strongest neighbour of each label; the label itself if it has none."""
    others = weights.copy()
    np.fill_diagonal(others, -1.0)
    return [int(row.argmax()) if row.max() > 0 else place for place, row in enumerate(others)]


def _scatter(
    axes: Axes,
    labels: Sequence[str],
    points: Float[np.ndarray, "c 2"],
    closest: Sequence[int],
    size: tuple[float, float],
) -> None:
    for place, neighbour in enumerate(closest):
        axes.plot(*points[[place, neighbour]].T, color="#bbbbbb", linewidth=0.6, zorder=1)
    axes.plot(*points.T, "o", color=COLOURS[0], markersize=3.5, zorder=2)
    axes.margins(0.13)
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    inches = (points - low) / (high - low) * np.array(size)
    groups = _together(points, (high - low) * _SAME)
    names = [", ".join(labels[place] for place in group) for group in groups]
    boxes = placed(names, inches[[group[0] for group in groups]], size)
    per_inch = (high - low) / np.array(size)
    for group, name, corner in zip(groups, names, boxes, strict=True):
        x, y = low + corner * per_inch
        axes.text(x, y, name, fontsize=SMALL, va="bottom", zorder=3)
        if (edge := leader(inches[group[0]], corner, name)) is not None:
            axes.plot(*np.stack([points[group[0]], low + edge * per_inch]).T, color="#555555", linewidth=0.5)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def _together(points: Float[np.ndarray, "c 2"], near: Float[np.ndarray, " 2"]) -> list[list[int]]:
    """The labels in groups with the same point."""
    groups: list[list[int]] = []
    for place, point in enumerate(points):
        known = next((group for group in groups if (np.abs(points[group[0]] - point) <= near).all()), None)
        if known is None:
            groups.append([place])
        else:
            known.append(place)
    return groups


def _weights(graph: LabelGraph, order: Sequence[int]) -> Iterator[list[object]]:
    yield ["label", *(graph.labels[place] for place in order)]
    for row in order:
        yield [graph.labels[row], *(float(graph.weights[row, column]) for column in order)]


def _places(
    graph: LabelGraph, first: Float[np.ndarray, "c 2"], second: Float[np.ndarray, "c 2"]
) -> Iterator[list[object]]:
    yield ["label", "before 1", "before 2", "after 1", "after 2"]
    for label, one, other in zip(graph.labels, first, second, strict=True):
        yield [label, *map(float, one), *map(float, other)]
