"""What a plan needs that isn't here: methods whose weights or word vectors can't be downloaded are left out by name."""

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

WAIT = 3.0  # seconds that a server has for an answer
OFFLINE = "HF_HUB_OFFLINE"
Row: TypeAlias = tuple[str, str]  # a label and a data set
Reason: TypeAlias = tuple[str, str]  # what is wrong, and what to do


def without_unobtainable(plan: Plan, request: Request, waiting: Sequence[Planned]) -> Plan:
    """A plan without the rows whose weights or word vectors can't be downloaded; its notes name them.

    Only the cells that wait to be done count. Rows that the request names by themselves aren't left out: a
    `ConfigError` says what they lack, and so it does where nothing is left.
    """
    lacking = _lacking({(each.label, each.cell.dataset): each for each in waiting}, request)
    spare = _spelled_out(request)
    out = {row for row in lacking if row[0] in spare}
    gone = {each.cell.id for each in waiting if (each.label, each.cell.dataset) in out}
    left = [each for each in plan.cells if each.cell.id not in gone]
    refused = {row: reasons for row, reasons in lacking.items() if row not in out or not left}
    raise_all([ConfigError(f"{names}: {what}", hint=hint) for names, what, hint in _by_reason(refused)])
    notes = [f"left out: {names}: {what}; {hint}" for names, what, hint in _by_reason(lacking)]
    return replace(plan, cells=tuple(left), groups=groups(left), notes=(*plan.notes, *notes)) if gone else plan


def words_to_fetch(cells: Iterable[Planned]) -> dict[str, list[str]]:
    """The class names of cells whose word vectors aren't kept yet, by the name of the official file."""
    names: dict[str, dict[str, None]] = defaultdict(dict)
    for each in cells:
        if (words := str(each.settings.get("words"))) in FILES:
            names[words] |= dict.fromkeys(open_dataset(each).prompt_names)
    return {words: list(prompt_names) for words, prompt_names in names.items() if missing(words, list(prompt_names))}


def unreachable(urls: Iterable[str]) -> dict[str, str]:
    """Which addresses don't answer, and what is known about why; all are asked at once, for a few seconds at most."""
    found: dict[str, str] = {url: f"{urlsplit(url).netloc} doesn't answer" for url in urls}
    asking = [threading.Thread(target=_ask, args=(url, found), daemon=True) for url in found]
    for thread in asking:
        thread.start()
    over = time.monotonic() + WAIT + 0.5
    for thread in asking:
        thread.join(max(0.0, over - time.monotonic()))  # looking up a name has no time limit of its own
    return dict(found)


def _ask(url: str, found: dict[str, str]) -> None:
    """Take an address off the list where it answers; else say what came instead."""
    host = urlsplit(url).netloc
    if os.environ.get(OFFLINE, "").upper() in ("1", "ON", "YES", "TRUE") and "huggingface" in host:
        found[url] = f"{OFFLINE} is set"
        return
    try:
        with urlopen(Question(url, method="HEAD"), timeout=WAIT):
            del found[url]
    except HTTPError as error:
        error.close()
        found[url] = f"{host} answers {error.code} {error.reason}"
    except (OSError, ValueError):
        pass  # it doesn't answer


def _lacking(rows: Mapping[Row, Planned], request: Request) -> dict[Row, list[Reason]]:
    """What each row lacks that can't be downloaded."""
    data_root = Path(request.data_root) if request.data_root else None
    needed: dict[Row, tuple[Source, ...]] = {}
    lacking: dict[Row, list[Reason]] = {}
    for row, planned in rows.items():
        try:
            needed[row] = tuple(_sources(planned, data_root))
        except MethodError as error:
            lacking[row] = [(error.what, error.hint or "see the settings `tower` and `weights`")]
    silent = unreachable({source.url for sources in needed.values() for source in sources})
    for row, sources in needed.items():
        for source in sources:
            if source.url in silent:
                what = f"{source.what} can't be downloaded, {silent[source.url]}"
                lacking.setdefault(row, []).append((what, source.hint))
    return lacking


def _sources(planned: Planned, data_root: Path | None) -> Iterator[Source]:
    """What has to be downloaded for a cell."""
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
        hint = f"pmll-bench data fetch {words} where there is a network, --set words=FILE, or --set words=one-hot"
        yield Source(f"the word vectors {FILES[words]}", ARCHIVES[words].url, hint)


def _check_words(words: str | None, prompt_names: Sequence[str]) -> None:
    """Read word vectors that are here; `MethodError` where they don't fit the classes."""
    if words and (words in FILES or (words != ONE_HOT and words_path(words) is not None)):
        word_vectors(words, prompt_names)


def _spelled_out(request: Request) -> set[str]:
    """The methods that only `all` or `default` names."""
    named = {row.method for row in request.rows}
    several = (registry.names() if "all" in named else ()) + (DEFAULT if "default" in named else ())
    return set(several) - named


def _by_reason(lacking: Mapping[Row, Sequence[Reason]]) -> list[tuple[str, str, str]]:
    """Each reason once, behind the labels of its rows."""
    labels: dict[Reason, dict[str, None]] = defaultdict(dict)
    for (label, _), reasons in lacking.items():
        for reason in reasons:
            labels[reason][label] = None
    return [(", ".join(found), *reason) for reason, found in labels.items()]
