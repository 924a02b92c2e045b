"""What a board is made of, read once: results, their packages, disputes, and how test images are resampled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..report.comparing.measured import Sampling
from ..store.cell_folder import CellFolder
from ..store.disputed import disputes
from ..store.result import Result
from ..store.store import Store
from ..store.summary import Summary
from ..submission.evidence import Evidence, evidence_of


@dataclass(frozen=True)
class Material:
    """The results of a store by cell id, the packages with which exactly their scores came, and disputed cells.

    `disputed` has the other results of a cell.
    """

    store: Store
    sampling: Sampling
    results: Mapping[str, Summary]
    packages: Mapping[str, tuple[Evidence, ...]]
    disputed: Mapping[str, tuple[Result, ...]]

    @classmethod
    def read(cls, store: Store, results: Sequence[Summary], sampling: Sampling) -> Material:
        """Read what is known of some results. Raises `StoreError` for evidence of a newer schema."""
        packages = packages_of(results, evidence_of(store))
        named = distinct(results, packages)
        return cls(store, sampling, {each.cell_id: each for each in named}, packages, disputes(store))

    def folder(self, cell: str) -> CellFolder:
        """The folder of a cell."""
        of = self.results[cell]
        return self.store.cell_of(of.dataset, of.method, cell)

    def first(self, cells: Iterable[str]) -> str:
        """The cell that stands for a row where one is enough: of the lowest ratio, mask seed and seed."""
        results = (self.results[cell] for cell in cells)
        return min((each.ratio, each.mask_seed, each.seed, each.cell_id) for each in results)[-1]

    def result(self, cell: str) -> Result | None:
        """The whole result of a cell; None if it has just been removed."""
        return self.folder(cell).result()


def packages_of(results: Iterable[Summary], evidence: Iterable[Evidence]) -> Mapping[str, tuple[Evidence, ...]]:
    """The packages that have a cell with exactly the scores of a result, by cell id."""
    scores = {each.cell_id: each.scores for each in results}
    found: dict[str, list[Evidence]] = defaultdict(list)
    for each in evidence:
        for cell, submitted in each.submission.cells.items() if each.submission else ():
            if scores.get(cell) == submitted.scores:
                found[cell].append(each)
    return {cell: tuple(packages) for cell, packages in found.items()}


def distinct(results: Sequence[Summary], packages: Mapping[str, tuple[Evidence, ...]]) -> list[Summary]:
    """The results with labels that name one variant of a method each: people choose the same label for other things.

    Where a label names several at one number of a table, each gets the authors of its package, or else the beginning of
    the digest of its settings.
    """
    variants: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for each in results:
        variants[*_place(each), each.ratio].add(each.variant)
    unclear = {place[:-1] for place, found in variants.items() if len(found) > 1}
    authors: dict[tuple[object, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for each in results:
        if (place := _place(each)) in unclear:
            authors[place][_authors(packages.get(each.cell_id, ()))].add(each.variant)

    def suffix(each: Summary) -> str:
        said = _authors(packages.get(each.cell_id, ()))
        own = authors[_place(each)][said]
        return said if said and len(own) == 1 else each.variant[:6]

    return [
        each._replace(label=f"{each.label} ({suffix(each)})") if _place(each) in unclear else each for each in results
    ]


def _place(each: Summary) -> tuple[object, ...]:
    """The row of a table that a result would be in if labels were unambiguous."""
    return (
        *(each.label, each.dataset, repr(sorted(each.options.items())), each.fingerprint, each.regime, each.mask),
        *(*each.axes.values(), each.track, each.resolution, each.rates, each.selection),
    )


def _authors(packages: Sequence[Evidence]) -> str:
    """The first author of the first package, and whether there are more; empty without a package."""
    authors = next((each.submission.authors for each in packages if each.submission), ())
    return f"{authors[0]} et al." if len(authors) > 1 else "".join(authors)
