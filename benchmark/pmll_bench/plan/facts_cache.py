"""Caches the facts about built-in methods between plans, so that a second plan needs no torch.

Cards and settings are in the methods' own files, which import torch. The facts derived from them for a request are
plain data and change only with the code, so they are cached in the user's folder under the digest of the code and of
the request. Anything that depends on other files, such as digests of towers and word vectors, is not cached.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from pmll_methods.method import REGISTRY, MethodError
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


def load(request: Request, data: Sequence[str]) -> Facts | None:
    """The cached facts of a request's rows on some data sets; None if there are none."""
    path = _path(request, data)
    if path is None:
        return None
    with suppress(OSError, ValueError, TypeError, LookupError, AttributeError, MethodError):
        document = json.loads(path.read_bytes())
        facts = {name: [_read(row) for row in document[name]] for name in dict.fromkeys(data)}
        log.info("facts about methods read from the cache %s", path)
        return facts
    return None


def save(request: Request, facts: Mapping[str, Sequence[MethodFacts]]) -> None:
    """Cache the facts of a request. If the cache cannot be written, the next plan determines them again."""
    path = _path(request, list(facts))
    if path is None:
        return
    document = {name: [asdict(row) for row in rows] for name, rows in facts.items()}
    with suppress(OSError, StoreError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(document).encode())
        for old in sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-MOST]:
            old.unlink(missing_ok=True)


def _read(row: Mapping[str, object]) -> MethodFacts:
    """Facts from JSON, which has no tuples."""
    if row.keys() != {field.name for field in fields(MethodFacts)}:
        raise ValueError("unexpected fields")
    values: dict[str, Any] = dict(row)
    recipe = from_plain(Recipe, values.pop("recipe"), where="recipe")
    return MethodFacts(**values | {"regimes": tuple(values["regimes"]), "recipe": recipe})


def _path(request: Request, data: Sequence[str]) -> Path | None:
    """The file for a request; None if a method is not built in, because its code is not part of the digest."""
    if not all(row.method in REGISTRY for row in request.rows):
        return None
    rows = [[row.method, row.label, row.sets] for row in request.rows]
    tracks = [[name, request.track_on(name)] for name in data]
    return folder() / f"{digest([_code(), rows, tracks, request.regime, request.sets])[:32]}.json"


@cache
def _code() -> str:
    """The digest of everything that determines the facts: the code of this project, Python and pydantic."""
    total = sha256(f"{sys.version} {version('pydantic')}".encode())
    for package in PACKAGES:
        root = Path(str(__import__(f"pmll_{package}").__file__)).parent
        for path in sorted(each for each in root.rglob("*") if each.suffix in (".py", ".yaml", ".json")):
            total.update(f"{package}/{path.relative_to(root)} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
