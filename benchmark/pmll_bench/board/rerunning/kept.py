"""Keeps the evidence of a re-run in the store of a board: the newest counts, and earlier ones stay beside it."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import ConfigError, UsageError
from ...files import exists, read, write_whole
from ...store.store import Store
from ...submission.evidence import CHECK, FOLDER, RERUN, RerunEvidence, read_evidence


def check_place(store: Store, package: str, commit: str, *, again: bool) -> None:
    """Check that the evidence about a package can be kept, before anything is run.

    Raises `UsageError` for a commit that is not a whole id, and for a second re-run unless `again`; `ConfigError` for a
    package that was not merged.
    """
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        hint = "give all 40 digits, as 'git rev-parse' prints them: the draw depends on each"
        raise UsageError(f"invalid commit {commit!r}", where="--commit", hint=hint)
    folder = _folder(store, package)
    if read_evidence(folder).check is None:
        hint = "merge it first: pmll-bench merge PACKAGE -o STORE"
        raise ConfigError(f"no evidence of a check of package {package[:12]}", where=str(folder / CHECK), hint=hint)
    if exists(folder / RERUN) and not again:
        hint = "--again runs it once more; the earlier evidence is kept beside the new one"
        raise UsageError("this package was re-run before", where=str(folder / RERUN), hint=hint)


def keep(store: Store, evidence: RerunEvidence) -> Path:
    """Write `rerun.json`, after a copy of the one before under the name of its commit. Raises `StoreError`."""
    folder = _folder(store, evidence.package)
    path = folder / RERUN
    if (before := read(path)) is not None:
        earlier = read_evidence(folder).rerun
        _keep_earlier(folder, "damaged" if earlier is None else earlier.commit, before)
    write_whole(path, evidence.as_bytes())
    return path


def _keep_earlier(folder: Path, commit: str, content: bytes) -> None:
    number = 1
    while read(copy := folder / _name(commit, number)) not in (None, content):
        number += 1
    write_whole(copy, content)


def _name(commit: str, number: int) -> str:
    return f"rerun-{commit}.json" if number == 1 else f"rerun-{commit}-{number}.json"


def _folder(store: Store, package: str) -> Path:
    return store.root / FOLDER / package
