"""Caches the facts about built-in methods, so that a second plan, or a second `show`, needs no torch.

Cards and settings are in the methods' own files, which import torch. The facts derived from them for a request are
plain data and change only with the code, so they are cached in the user's folder under the digest of the code and of
the request. Anything that depends on other files, such as digests of towers and word vectors, is not cached.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from pmll_methods.method import REGISTRY, Growth
from pmll_methods.recipe import Recipe
from pmll_methods.settings import from_plain

from ..errors import StoreError
from ..files import write_whole
from .cell import digest
from .planned import MethodFacts
from .request import Request

log = logging.getLogger(__name__)

Facts: TypeAlias = dict[str, list[MethodFacts]]  # by data set, in the order of a request's rows

PACKAGES = ("errors", "datasets", "methods", "bench")
MOST = 100  # number of files to keep


def folder() -> Path:
    """The folder of the cache."""
    import platformdirs

    return platformdirs.user_cache_path("pmll-bench") / "methods"


def kept(key: object, found: Callable[[], object]) -> Any:
    """What `found` returns, as JSON has it; from the cache if it was found under this key before, by the same code."""
    document = _read(key)
    if document is None:
        document = json.loads(json.dumps(found()))
        _write(key, document)
    return document


def load(request: Request, data: Sequence[str]) -> Facts | None:
    """The cached facts of a request's rows on some data sets; None if there are none."""
    key = _key(request, data)
    document = None if key is None else _read(key)
    return document and {name: [_facts(row) for row in document[name]] for name in dict.fromkeys(data)}


def save(request: Request, facts: Mapping[str, Sequence[MethodFacts]]) -> None:
    """Cache the facts of a request. If the cache cannot be written, the next plan determines them again."""
    key = _key(request, list(facts))
    if key is not None:
        _write(key, {name: [asdict(row) for row in rows] for name, rows in facts.items()})


def _facts(row: Mapping[str, Any]) -> MethodFacts:
    """Facts from JSON, which has no tuples."""
    recipe = from_plain(Recipe, row["recipe"], where="recipe")
    plain = {**row, "regimes": tuple(row["regimes"]), "recipe": recipe, "growth": Growth(*row["growth"])}
    return MethodFacts(**plain)


def _key(request: Request, data: Sequence[str]) -> object:
    """The key of a request; None if a method is not built in, because its code is not part of the digest."""
    if not all(row.method in REGISTRY for row in request.rows):
        return None
    rows = [[row.method, row.label, row.sets] for row in request.rows]
    tracks = [[name, request.track_on(name)] for name in data]
    return [rows, tracks, request.regime, request.sets]


def _read(key: object) -> Any:
    """The document under a key; None if there is none, or if the file is not as it was written."""
    path = _path(key)
    with suppress(OSError, ValueError):
        written, _, content = path.read_bytes().partition(b"\n")
        if written.decode() == sha256(content).hexdigest():
            log.info("facts about methods read from the cache %s", path)
            return json.loads(content)
    return None


def _write(key: object, document: object) -> None:
    path, content = _path(key), json.dumps(document).encode()
    with suppress(OSError, StoreError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, b"%s\n%s" % (sha256(content).hexdigest().encode(), content))
        for old in sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-MOST]:
            old.unlink(missing_ok=True)


def _path(key: object) -> Path:
    return folder() / f"{digest([_code(), key])[:32]}.json"


@cache
def _code() -> str:
    """The digest of everything that determines the facts: the code of this project, Python and pydantic."""
    total = sha256(f"{sys.version} {version('pydantic')}".encode())
    for package in PACKAGES:
        root = Path(str(__import__(f"pmll_{package}").__file__)).parent
        for path in sorted(each for each in root.rglob("*") if each.suffix in (".py", ".yaml", ".json")):
            total.update(f"{package}/{path.relative_to(root)} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
