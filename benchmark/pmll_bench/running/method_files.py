"""Ensures that a cell runs the code it was planned with: the store keeps users' files, and changed code is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pmll_methods import registry
from pmll_methods.method import MethodError
from pmll_methods.own_file import OwnFile
from pmll_methods.settings import from_plain

from ..faults import PASSING, persist
from ..files import exists, write_whole
from ..plan.cell import plain
from ..plan.grid import recipe_digest, revision_of
from ..plan.method_facts import changed_settings, pretrained
from ..plan.planned import Planned
from ..store.store import Store


def keep_method(store: Store, planned: Planned) -> None:
    """Copy a user's own method file into the store, named by its digest; `find_method` loads it from there.

    A file that has changed since the cell was planned is not kept: the cell fails when it begins.
    """
    copy = _copy_of(store, planned)
    if copy is None or exists(copy):
        return
    try:
        own = OwnFile.read(Path(planned.where.target))
    except MethodError:
        return
    if own.digest == copy.stem:
        persist(copy.parent, lambda: copy.parent.mkdir(exist_ok=True))
        write_whole(copy, own.content)


def find_method(store: Store, planned: Planned) -> registry.Kind:
    """The method of a planned cell, exactly as it was planned.

    Raises `MethodError` if its code, revision, default settings, tower or word vectors have changed.
    """
    copy = _copy_of(store, planned)
    kept = copy if copy is not None and exists(copy) else None
    kind = persist(kept or Path(planned.where.target), lambda: _found(planned.where.target, kept))
    if differing := ", ".join(_differing(planned, kind)):
        raise MethodError(
            f"the method has changed since it was planned: {differing}",
            where=planned.where.target,
            hint="run the same command again to plan new cells; results of the old cells are kept",
        )
    return kind


def _found(target: str, kept: Path | None) -> registry.Kind:
    """The method `target`. Raises the error of the operating system if one that may pass hides its file."""
    try:
        return registry.find(target, kept)
    except MethodError as error:
        reason = error.__context__
        if isinstance(reason, OSError) and reason.errno in PASSING:
            raise reason from None
        raise


def _copy_of(store: Store, planned: Planned) -> Path | None:
    """The path of a cell's method file in the store; None if the method is not a user's own file."""
    _, _, digest = str(planned.cell.revision).partition("+")
    is_file = digest and planned.where.target.endswith(".py")
    return store.root / "methods" / f"{digest}.py" if is_file else None


def _differing(planned: Planned, kind: registry.Kind) -> Iterator[str]:
    """The differences between a method and the identity of its cell."""
    cell, defaults = planned.cell, kind.settings_class()
    number, _, source = str(cell.revision).partition("+")
    if revision_of(kind.card.revision, kind.source) != cell.revision:
        then = f"revision {number}" if str(kind.card.revision) != number else f"source {source[:12] or 'built in'}"
        now = f"{kind.card.revision}" if str(kind.card.revision) != number else kind.source[:12] or "built in"
        yield f"{then} when planned, {now} now"
        return
    chosen = from_plain(kind.settings_class, planned.settings, where="settings")
    if plain(changed_settings(chosen, defaults)) != plain(cell.settings):
        yield "its default settings"
    if recipe_digest(planned.recipe, pretrained(planned.settings)) != cell.recipe:
        yield "its tower, its word vectors or its recipe"
