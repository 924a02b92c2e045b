"""Leaves methods out of a plan if their weights or word vectors are missing and could not be downloaded."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request as Question
from urllib.request import urlopen

from pmll_methods import registry
from pmll_methods.method import MethodError
from pmll_methods.settings import from_plain
from pmll_methods.towers.glove import FILES
from pmll_methods.towers.weights import ONE_HOT, Source, words_path
from pmll_methods.towers.words import word_vectors

from ..errors import ConfigError, raise_all
from ..plan.grid import groups
from ..plan.planned import Planned
from ..plan.planning import Plan, open_dataset
from ..plan.request import DEFAULT, Request
from .word_vectors import ARCHIVES, missing, whole_file

WAIT = 3.0  # seconds to wait for a server
OFFLINE = "HF_HUB_OFFLINE"
LabelOnData: TypeAlias = tuple[str, str]  # the label of a row and a data set
Reason: TypeAlias = tuple[str, str]  # the problem and a hint


def without_unavailable(plan: Plan, request: Request, waiting: Sequence[Planned]) -> Plan:
    """The plan without the rows whose weights or word vectors could not be downloaded; its notes name them.

    Only unfinished cells are considered. Methods that the request names individually are not left out: a `ConfigError`
    states what is missing, as it does if no cell is left.
    """
    missing_parts = _missing_parts({(each.label, each.cell.dataset): each for each in waiting}, request)
    optional = _optional_methods(request)
    out = {row for row in missing_parts if row[0] in optional}
    gone = {each.cell.id for each in waiting if (each.label, each.cell.dataset) in out}
    left = [each for each in plan.cells if each.cell.id not in gone]
    refused = {row: reasons for row, reasons in missing_parts.items() if row not in out or not left}
    raise_all([ConfigError(f"{names}: {what}", hint=hint) for names, what, hint in _by_reason(refused)])
    notes = [f"left out: {names}: {what}; {hint}" for names, what, hint in _by_reason(missing_parts)]
    return replace(plan, cells=tuple(left), groups=groups(left), notes=(*plan.notes, *notes)) if gone else plan


def words_to_fetch(cells: Iterable[Planned]) -> dict[str, list[str]]:
    """The class names whose word vectors are not cached yet, by the name of the official file."""
    names: dict[str, dict[str, None]] = defaultdict(dict)
    for each in cells:
        if (words := str(each.settings.get("words"))) in FILES:
            names[words] |= dict.fromkeys(open_dataset(each).prompt_names)
    return {words: list(prompt_names) for words, prompt_names in names.items() if missing(words, list(prompt_names))}


def unreachable(urls: Iterable[str]) -> dict[str, str]:
    """The addresses that do not respond, with the reason; all are tried in parallel for a few seconds."""
    found: dict[str, str] = {url: f"{urlsplit(url).netloc} does not respond" for url in urls}
    asking = [threading.Thread(target=_ask, args=(url, found), daemon=True) for url in found]
    for thread in asking:
        thread.start()
    over = time.monotonic() + WAIT + 0.5
    for thread in asking:
        thread.join(max(0.0, over - time.monotonic()))  # name resolution has no timeout
    return dict(found)


def _ask(url: str, found: dict[str, str]) -> None:
    """Remove an address from `found` if it responds, else record the reason."""
    host = urlsplit(url).netloc
    if os.environ.get(OFFLINE, "").upper() in ("1", "ON", "YES", "TRUE") and "huggingface" in host:
        found[url] = f"{OFFLINE} is set"
        return
    try:
        with urlopen(Question(url, method="HEAD"), timeout=WAIT):
            del found[url]
    except HTTPError as error:
        error.close()
        found[url] = f"{host} responds with {error.code} {error.reason}"
    except (OSError, ValueError):
        pass  # no response


def _missing_parts(rows: Mapping[LabelOnData, Planned], request: Request) -> dict[LabelOnData, list[Reason]]:
    """The missing parts of each row that could not be downloaded, as reasons."""
    data_root = Path(request.data_root) if request.data_root else None
    needed: dict[LabelOnData, tuple[Source, ...]] = {}
    found: dict[LabelOnData, list[Reason]] = {}
    for row, planned in rows.items():
        try:
            needed[row] = tuple(_sources(planned, data_root))
        except MethodError as error:
            found[row] = [(error.what, error.hint or "see the settings `tower` and `weights`")]
    silent = unreachable({source.url for sources in needed.values() for source in sources})
    for row, sources in needed.items():
        for source in sources:
            if source.url in silent:
                what = f"{source.what} could not be downloaded: {silent[source.url]}"
                found.setdefault(row, []).append((what, source.hint))
    return found


def _sources(planned: Planned, data_root: Path | None) -> Iterator[Source]:
    """The downloads that a cell needs."""
    kind = registry.find(planned.where.target)
    if kind.grouped:
        settings = from_plain(kind.settings_class, planned.settings, where=f"settings of {planned.cell.method}")
        learner: Any = kind.cls
        yield from learner.tower_sources(settings, planned.recipe)
    words = str(planned.settings.get("words"))
    prompt_names = open_dataset(planned).prompt_names
    if words not in FILES or not missing(words, prompt_names):
        _check_words(planned.settings.get("words"), prompt_names)
    elif whole_file(words, data_root) is None:
        hint = f"run pmll-bench data fetch {words} with network access, or use --set words=FILE or --set words=one-hot"
        yield Source(f"the word vectors {FILES[words]}", ARCHIVES[words].url, hint)


def _check_words(words: str | None, prompt_names: Sequence[str]) -> None:
    """Read word vectors that are present. Raises `MethodError` if they do not fit the classes."""
    if words and (words in FILES or (words != ONE_HOT and words_path(words) is not None)):
        word_vectors(words, prompt_names)


def _optional_methods(request: Request) -> set[str]:
    """The methods that are requested only through `all` or `default`."""
    named = {row.method for row in request.rows}
    several = (registry.names() if "all" in named else ()) + (DEFAULT if "default" in named else ())
    return set(several) - named


def _by_reason(missing_parts: Mapping[LabelOnData, Sequence[Reason]]) -> list[tuple[str, str, str]]:
    """Each reason once, after the labels of its rows."""
    labels: dict[Reason, dict[str, None]] = defaultdict(dict)
    for (label, _), reasons in missing_parts.items():
        for reason in reasons:
            labels[reason][label] = None
    return [(", ".join(found), *reason) for reason, found in labels.items()]
