"""The usual layout of a table: rows in the order of the registry, with marks and the names that papers print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pmll_methods.method import NOTHING_INFERRED, REGISTRY

from ...store.summary import Summary
from ..tables.table import Layout
from .names import in_print


def layout_of(results: Sequence[Summary], metric: str, decimals: int = 1, *, paper_names: bool = False) -> Layout:
    """Rows in the order of the registry, then other methods; partly inferred methods get a mark.

    With `paper_names`, rows and data sets have the names that papers print.
    """
    labels = {result.label: result.method for result in results}
    marked = inferred_methods(labels.values())
    order = sorted(labels, key=lambda label: [*REGISTRY, labels[label]].index(labels[label]))
    layout = Layout(metric, decimals, order=order, inferred=[label for label in labels if labels[label] in marked])
    return in_print(layout, results) if paper_names else layout


def inferred_methods(names: Iterable[str]) -> set[str]:
    """The methods with inferred parts, among `names`; imports no torch."""
    return {name for name in names if name in REGISTRY and name not in NOTHING_INFERRED}
