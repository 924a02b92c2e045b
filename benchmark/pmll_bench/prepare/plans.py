"""Plans of which every cell can begin: unavailable methods are left out, and word vectors are downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from pmll_datasets.errors import DataError

from ..faults import store_errors
from ..plan.method_facts import needs_no_download
from ..plan.planned import Planned
from ..plan.planning import Plan, plan
from ..plan.request import Request
from ..store.images import changed_image_warnings
from ..store.store import Store


def prepared_plan(request: Request, root: Path, *, dry_run: bool = False) -> Plan:
    """The plan of a request for the store in `root`, with all notes for the user.

    Methods whose weights or word vectors could not be downloaded are left out. A dry run imports no torch if all
    methods use embedded towers and word vectors.
    """
    planned, store = plan(request), store_in(root)
    waiting = _waiting(planned.cells, store)
    if needy := [each for each in waiting if not needs_no_download(each)]:
        from .downloads import without_unavailable

        planned = without_unavailable(planned, request, needy)
    left = {each.cell.id for each in planned.cells}
    notes = list(planned.notes)
    if about := [each for each in (needy if dry_run else waiting) if each.cell.id in left]:
        from .class_names import indistinguishable_classes

        notes += indistinguishable_classes(about)
    notes += changed_image_warnings(planned.cells, planned.data, store)
    if store is not None:
        store.index.save()
    return replace(planned, notes=tuple(notes))


def fetch_words(planned: Plan, request: Request, root: Path, say: Callable[[str], None]) -> None:
    """Download missing word vectors. A failed download is said, and the cells that need it fail later."""
    with_words = [each for each in planned.cells if each.settings.get("words")]
    waiting = _waiting(with_words, store_in(root)) if with_words else []
    if not waiting:
        return
    from ..running.progress import downloading
    from .class_names import indistinguishable_classes
    from .downloads import words_to_fetch
    from .word_vectors import cache_vectors

    for name, prompt_names in words_to_fetch(waiting).items():
        try:
            with downloading() as progress:
                cache_vectors(name, prompt_names, Path(request.data_root) if request.data_root else None, progress)
        except DataError as error:
            say(f"the word vectors {name} could not be downloaded: {error}")
        for note in indistinguishable_classes(each for each in waiting if each.settings["words"] == name):
            say(note)


def store_in(root: Path) -> Store | None:
    """The store in a folder; None if the folder is missing or empty. Raises `StoreError` for other content."""
    with store_errors(root):
        empty = root.is_dir() and all(path.name.startswith(".") for path in root.iterdir())
    return Store.open(root, create=False) if root.exists() and not empty else None


def _waiting(cells: Iterable[Planned], store: Store | None) -> list[Planned]:
    """The cells that are not done."""
    return [each for each in cells if store is None or store.summary(each.cell) is None]
