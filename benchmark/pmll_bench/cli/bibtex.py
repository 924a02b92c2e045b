"""`bibtex`: the references of a table's methods and data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .choosing import chosen_results
from .options import STORE, Datasets, Methods, Root
from .output import print_or_write, tell

if TYPE_CHECKING:
    from ..report.papers.names import Named


def bibtex(
    methods: Methods = None,
    datasets: Datasets = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the references to a file.")
    ] = None,
    root: Root = STORE,
) -> None:
    """Print the references of methods and data sets as BibTeX.

    Without names: of all rows of the store's table, and of pmll-bench. The keys
    are those that 'table --format latex' cites.

    \b
    Examples:
      pmll-bench bibtex -o references.bib
      pmll-bench bibtex --methods dualcoop scpnet --datasets voc2007
    """
    from ..published.references import bibtex as entries
    from ..report.papers.names import OURS

    named = list(_given(methods or (), datasets or ()) if methods or datasets else _in_the_store(root))
    uncited = [each.display for each in named if not each.cite]
    if uncited:
        tell(f"without a reference: {', '.join(dict.fromkeys(uncited))}")
    print_or_write(entries([OURS, *(each.cite for each in named)]), output)


def _given(methods: Iterable[str], datasets: Iterable[str]) -> Iterator[Named]:
    """The names given on the command line. Raises `ConfigError` for one that is not built in."""
    from pmll_datasets.registry import ALIASES

    from ..errors import ConfigError, nearest
    from ..report.papers.names import DATASETS, METHODS, dataset_named, method_named

    for kind, names, known in (("method", methods, METHODS), ("data set", datasets, {**DATASETS, **ALIASES})):
        for name in names:
            if name not in known:
                hint = nearest(name, known, f"see 'pmll-bench list {kind.replace(' ', '')}s'")
                raise ConfigError(f"no reference for the {kind} {name!r}", hint=hint)
            yield method_named(name) if kind == "method" else dataset_named(name)


def _in_the_store(root: Path) -> Iterator[Named]:
    from ..report.papers.names import dataset_named, method_named

    results = chosen_results(root, None, None).results
    for label, method in sorted({(result.label, result.method) for result in results}):
        yield method_named(label, method)
    for name in sorted({result.dataset for result in results}):
        yield dataset_named(name)
