"""The plot of a label graph: its weights, its embedding, and names that cover neither points nor each other."""

from __future__ import annotations

import csv
import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_line import SMALL as QUICK
from command_line import Command
from drawn_figures import check_text, drawn_figures, texts
from pmll_bench.report.plots.place import placed
from pmll_bench.report.plots.prior import LabelGraph, components, embedding_plot, matrix_plot
from pmll_bench.report.plots.text import SMALL, text_width

WEIGHTS = np.array([[0.8, 0.0, 0.15, 0.05], [0.0, 0.9, 0.0, 0.1], [0.2, 0.0, 0.8, 0.0], [0.0, 0.3, 0.0, 0.7]])
FEATURES = np.array([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [2.0, 0.2, 0.0], [0.0, 1.0, 0.3]])


def graph(labels: tuple[str, ...] = ("cat", "car", "dog", "bus"), weights: np.ndarray = WEIGHTS) -> LabelGraph:
    before = np.resize(FEATURES, (len(labels), 3)) + 0.01 * np.arange(len(labels))[:, None]
    return LabelGraph(labels, weights, before, weights @ before, "text features", "After: one step.")


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode())))


def test_the_csv_of_the_matrix_has_the_weight_of_each_column_for_each_row() -> None:
    with drawn_figures() as figures:
        head, *body = rows(matrix_plot(graph())["csv"])
    check_text(figures[0])
    found = {(row[0], column): float(value) for row in body for column, value in zip(head[1:], row[1:], strict=True)}
    assert found["cat", "dog"] == 0.15
    assert found["dog", "cat"] == 0.2
    assert found["bus", "bus"] == 0.7


def test_related_labels_are_beside_each_other() -> None:
    with drawn_figures():
        order = rows(matrix_plot(graph())["csv"])[0][1:]
    assert abs(order.index("cat") - order.index("dog")) == 1
    assert abs(order.index("car") - order.index("bus")) == 1


def test_the_names_of_eighty_labels_can_be_read() -> None:
    labels = tuple(f"label {number}" for number in range(80))
    weights = np.full((80, 80), 0.2 / 79)
    np.fill_diagonal(weights, 0.8)
    with drawn_figures() as figures:
        matrix_plot(graph(labels, weights))
    check_text(figures[0])
    assert set(labels) <= set(texts(figures[0]))


def test_the_first_components_are_those_of_unit_vectors() -> None:
    units = FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.cov(units.T, bias=True))
    places, shares = components(FEATURES)
    expected = (units - units.mean(axis=0)) @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-12)
    np.testing.assert_allclose(shares, values[::-1][:2] / values.sum(), atol=1e-12)


def test_an_embedding_that_is_only_turned_is_turned_back() -> None:
    turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    turned = LabelGraph(("a", "b", "c", "d"), WEIGHTS, FEATURES, FEATURES @ turn, "", "")
    with drawn_figures() as figures:
        _, *body = rows(embedding_plot(turned)["csv"])
    check_text(figures[0])
    found = np.array([[float(value) for value in row[1:]] for row in body])
    np.testing.assert_allclose(found[:, 2:], found[:, :2], atol=1e-12)


def test_labels_with_one_vector_share_a_name() -> None:
    same = FEATURES[[0, 1, 0, 3]]
    with drawn_figures() as figures:
        embedding_plot(LabelGraph(("cog", "cat", "tear", "bus"), WEIGHTS, same, same, "", ""))
    assert texts(figures[0]).count("cog, tear") == 2


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0.3, 2.7), st.floats(0.3, 2.2)), min_size=2, max_size=8, unique=True))
def test_names_are_apart_from_each_other_and_inside_the_panel(points: list[tuple[float, float]]) -> None:
    names = [f"label {number}" for number in range(len(points))]
    corners = placed(names, np.array(points), (3.0, 2.5))
    sizes = [(text_width(name, SMALL), 0.105) for name in names]
    boxes = [np.concatenate([corner, corner + size]) for corner, size in zip(corners, np.array(sizes), strict=True)]
    assert all(box[0] >= -1e-9 and box[1] >= -1e-9 and box[2] <= 3 + 1e-9 and box[3] <= 2.5 + 1e-9 for box in boxes)
    for one, other in combinations(boxes, 2):
        assert min(one[2], other[2]) <= max(one[0], other[0]) or min(one[3], other[3]) <= max(one[1], other[1])


def test_the_command_draws_the_graph_of_a_method_from_the_class_names(command: Command) -> None:
    answer = command("plot", "prior", "--method", "scpnet-frozen", "--set", "neighbours=3", "--out", "figures")
    assert answer.code == 0
    assert len(answer.out.split()) == 8
    head, *body = rows(Path("figures/prior-matrix-scpnet-frozen-shapes.csv").read_bytes())
    weights = np.array([[float(value) for value in row[1:]] for row in body])
    assert len(head) == 21
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert {int((row > 0).sum()) for row in weights} == {3}  # the label itself and two neighbours


@pytest.mark.parametrize("method", ["bce", "clip-zeroshot", "linear-probe"])
def test_a_method_without_a_label_graph_is_a_clear_error(command: Command, method: str) -> None:
    answer = command("plot", "prior", "--method", method)
    assert answer.code == 3
    assert f"{method} has no label graph" in answer.err
    assert "scpnet" in answer.err


def test_the_features_of_a_kept_model_are_those_that_it_has_learned(command: Command) -> None:
    quick = [*QUICK, "--ratios", "0.5", "--set", "recipe.epochs=1", "--keep-model"]
    assert command("run", "--methods", "scpnet-frozen", *quick).code == 0
    (cell,) = (path.parent.name for path in Path("runs").glob("cells/*/*/*/result.json"))
    assert command("plot", "prior", "--cell", cell).code == 0
    assert command("plot", "prior", "--method", "scpnet-frozen").code == 0
    of_cell = f"-scpnet-frozen-shapes-{cell[:6]}.csv"
    assert Path(f"plots/prior-matrix{of_cell}").exists()
    trained, untrained = (
        np.array([row[1:] for row in rows(Path(f"plots/prior-embedding{end}").read_bytes())[1:]], float)
        for end in (of_cell, "-scpnet-frozen-shapes.csv")
    )
    np.testing.assert_allclose(trained[:, :2], untrained[:, :2], atol=1e-6)  # the names are the same
    assert np.abs(trained[:, 2:] - untrained[:, 2:]).max() > 0.01
