"""The second pass: whether a cell is what its identity says: its method, its revision and its recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pmll_methods.method import REGISTRY
from pmll_methods.towers.glove import FILES as GLOVE
from pmll_methods.towers.weights import LOCAL_DIR, ONE_HOT, RANDOM

from ...plan.grid import recipe_digest
from ...plan.method_facts import pretrained
from ...store.result import Result
from ..package import member, method_member
from ..problems import Problem
from .container import Archive, digest_of, shown
from .names import built_in_like

_OWN = re.compile(r"\d{1,9}\+([0-9a-f]{64})")


def identity_problems(archive: Archive, cell: str, result: Result) -> Iterator[Problem]:
    """Where a result is of another cell, method, revision or recipe than it says."""
    name, method = member(cell, "result.json"), result.method
    if result.cell_id != cell:
        yield Problem(name, f"is about the cell {result.cell_id}")
    for text in dict.fromkeys((method, result.label)):
        if (like := built_in_like(text)) not in (None, method):
            yield Problem(name, f"the name {shown(text)} could be taken for that of the built-in method {like}")
    if result.deterministic and result.seed:
        yield Problem(name, f"has the seed {result.seed}, and says that no seed has an effect")
    if not _names_a_file(result.settings):
        recipe = recipe_digest(result.recipe, pretrained(result.settings))
        if recipe != result.cell.recipe:
            what = f"recipe and towers have the digest {recipe}, the cell says {shown(result.cell.recipe)}"
            yield Problem(name, what)
    yield from _revision_problems(archive, cell, result)


def _names_a_file(settings: Mapping[str, Any]) -> bool:
    """Whether settings name a file of the submitter, whose digest nobody else can compute."""
    tower, weights, words = (settings.get(name) or "" for name in ("tower", "weights", "words"))
    if not all(isinstance(each, str) for each in (tower, weights, words)):
        return True
    known = words in ("", ONE_HOT, "tiny", *GLOVE) or ":" in words
    local = any(LOCAL_DIR in each or each.endswith(".json") for each in (tower, words))
    return local or weights not in ("", RANDOM) or not known


def _revision_problems(archive: Archive, cell: str, result: Result) -> Iterator[Problem]:
    name, method, revision = member(cell, "result.json"), result.method, result.revision
    if method in REGISTRY:
        if revision != REGISTRY[method].revision:  # "1" is not 1: it would give the cell a second id
            what = f"is of revision {shown(repr(revision))} of {method}, this version has {REGISTRY[method].revision}"
            yield Problem(name, what)
        return
    if not (found := _OWN.fullmatch(str(revision))):
        what = f"has the revision {shown(repr(revision))}: {method} is not built in, so its digest must follow a +"
        yield Problem(name, what)
        return
    code = method_member(method)
    if code in archive.members and (digest := digest_of(archive, code)) != found[1]:
        yield Problem(code, f"has the digest {digest}, the cell {cell} was made with {found[1]}")
