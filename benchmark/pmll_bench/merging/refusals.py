"""Why results cannot be merged: other revisions, other fingerprints, and rows that no table could show."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, TypeAlias

from pmll_datasets.dataset import load
from pmll_datasets.errors import DataError
from pmll_datasets.registry import DATASETS
from pmll_errors import PmllError, counted
from pmll_methods.method import REGISTRY

from ..errors import BenchError, ConfigError, Exit
from ..plan.cell import canonical
from ..report.frame import frame
from ..store.summary import Summary

Variant: TypeAlias = tuple[str, str]  # a data set, and its options as canonical JSON


class MergeRefused(BenchError):
    """Results cannot be merged; nothing was written."""

    code: ClassVar[Exit] = Exit.REJECTED

    def __init__(self, found: Sequence[PmllError]) -> None:
        super().__init__("; ".join(map(str, found)))
        self._problems = tuple(each for problem in found for each in problem.problems)

    @property
    def problems(self) -> tuple[PmllError, ...]:
        return self._problems


def other_revisions(source: str, results: Sequence[Summary]) -> Iterator[PmllError]:
    """Results of built-in methods that another revision of the method made."""
    made = Counter((each.method, str(each.revision)) for each in results if each.method in REGISTRY)
    for (method, revision), number in made.items():
        ours = str(REGISTRY[method].revision)
        if revision != ours:
            what = f"{method} was made with revision {revision}, the code has {ours} ({counted(number, 'cell')})"
            yield ConfigError(what, where=source, hint="run these cells again with this version")


class Fingerprints:
    """The fingerprint of each data set with its options, and who has it: the first to name one is right."""

    def __init__(self, results: Sequence[Summary], name: str) -> None:
        self._known: dict[Variant, tuple[str, str]] = {}
        for each in results:
            self._known.setdefault(variant_of(each), (each.fingerprint, name))

    def differing(self, source: str, results: Sequence[Summary]) -> Iterator[PmllError]:
        """Results of a source on data that differs from what is known."""
        found = Counter((variant_of(each), each.fingerprint) for each in results)
        for (variant, fingerprint), number in found.items():
            known, whose = self._known.setdefault(variant, (fingerprint, source))
            if fingerprint != known:
                what = f"{in_words(variant)} has the fingerprint {fingerprint[:16]}…, in {whose} {known[:16]}…"
                hint = "compare the data sets with 'pmll-bench data verify'"
                yield ConfigError(f"{what} ({counted(number, 'cell')})", where=source, hint=hint)

    def compare_with_data(self, data_root: Path | None) -> tuple[list[PmllError], list[str]]:
        """Where a data set on this machine differs, and notes about those that cannot be opened."""
        problems: list[PmllError] = []
        notes: list[str] = []
        for variant, (known, whose) in self._known.items():
            ours = fingerprint_of(variant, data_root)
            if ours is None:
                notes.append(f"{in_words(variant)} is not on this machine: its fingerprint was not compared")
            elif ours != known:
                what = f"{in_words(variant)} has the fingerprint {known[:16]}…, on this machine {ours[:16]}…"
                problems.append(ConfigError(what, where=whose, hint="compare with 'pmll-bench data verify'"))
        return problems, notes


def variant_of(summary: Summary) -> Variant:
    """The data set of a result with its options."""
    return summary.dataset, canonical(summary.options)


def fingerprint_of(variant: Variant, data_root: Path | None) -> str | None:
    """The fingerprint of a data set on this machine; None if it cannot be opened here."""
    name, options = variant[0], json.loads(variant[1])
    subset = options.pop("subset", None)
    if name not in DATASETS:  # a user's own data set: its name is no path
        return None
    try:
        return load(name, data_root, options, subset).fingerprint
    except DataError:
        return None


def ambiguous_rows(results: Sequence[Summary]) -> Iterator[PmllError]:
    """What keeps the merged results from a common table: one label for different settings, recipes or revisions."""
    try:
        frame(results)
    except ConfigError as error:
        hint = f"{error.hint}, or withdraw one with 'pmll-bench board withdraw'"
        yield ConfigError(error.what, where=error.where, hint=hint)


def in_words(variant: Variant) -> str:
    """A data set with its options.

    >>> in_words(("shapes", '{"draw":1}'))
    'shapes (draw=1)'
    """
    options = ", ".join(f"{name}={value}" for name, value in json.loads(variant[1]).items())
    return f"{variant[0]} ({options})" if options else variant[0]
