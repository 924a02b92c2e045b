"""Checks the requirements of a run: packages, devices, threads, the store's file system, data and Slurm."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ..errors import StoreError
from ..files import probe
from ..machine import FEWEST_WORKERS, MOST_WORKERS, cores
from ..store.environment import PACKAGES, environment

SLURM_TOOLS = ("sbatch", "squeue", "sacct", "scancel")
ROOM = 1 << 30  # free bytes that a store needs


@dataclass(frozen=True)
class Finding:
    """The result of one check; `hint` says what to do and is empty if all is well."""

    name: str
    value: str
    hint: str = ""


def examine(store: Path, data: Path | None) -> list[Finding]:
    """Check everything that a run depends on; each problem has a hint."""
    return [*_software(), *_tokenizers(), *_devices(), *_store(store), *_data(data), *_words(), *_slurm()]


def _software() -> Iterator[Finding]:
    here = environment(threads=cores(), device="cpu")
    for name in ("python", *PACKAGES):
        hint = "" if here[name] else "install the project again: pip install ."
        yield Finding(name, str(here[name] or "missing"), hint)
    yield Finding("platform", str(here["platform"]))
    yield Finding("cpu", f"{here['cpu']}, {here['threads']} cores")
    yield Finding("threads", os.environ.get("PMLL_THREADS", "all cores; one on the smoke track"))
    readers = f"one per core and process, {FEWEST_WORKERS} to {MOST_WORKERS}"
    yield Finding("workers", os.environ.get("PMLL_WORKERS", readers))


def _tokenizers() -> Iterator[Finding]:
    needed = "only for towers with a Hugging Face tokenizer"
    if find_spec("transformers") is None:
        yield Finding("transformers", f"not installed ({needed}: pip install 'pmll-bench[hf]')")
    else:
        yield Finding("transformers", f"{version('transformers')} ({needed})")


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("device", f"cannot import torch: {error}", "install torch for this machine")
        return
    cuda = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    yield Finding("device", ", ".join([*cuda, "cpu"]))


def _store(folder: Path) -> Iterator[Finding]:
    """Whether the nearest existing folder can be used for a store and has free space."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
    if blocking := [each for each in (folder, *folder.parents) if each.is_file()]:
        yield Finding("store", f"{blocking[0]} is a file", "choose a folder with --root")
        return
    yield Finding("store", str(folder) if folder.is_dir() else f"{folder} (not created yet)")
    yield _probe(there)
    free = shutil.disk_usage(there).free
    yield Finding(
        "store room",
        f"{free / 1e9:.1f} GB free",
        "" if free > ROOM else "free some space, or choose another folder with --root",
    )


def _probe(folder: Path) -> Finding:
    """What a run does with files, tried in a folder, as when a store is made."""
    try:
        able = probe(folder)
    except StoreError as error:
        return Finding("store probe", str(error), "choose a writable folder with --root")
    if not (able.links or able.claims):
        hint = (
            "two runs on one store could both publish a result: run one at a time, or choose another disk with --root"
        )
        return Finding("store probe", "neither hard links nor exclusive renames of folders", hint)
    how = "hard link" if able.links else "rename of folders, for want of hard links,"
    names = "" if able.folder_sync else "; new names are not synced: a power cut may lose the last seconds"
    return Finding("store probe", f"write, sync and {how} work{names}")


def _data(folder: Path | None) -> Iterator[Finding]:
    if folder is None:
        yield Finding("data", "no folder set (shapes needs none; for others use --data-root or PMLL_DATA)")
    elif folder.is_dir():
        yield Finding("data", str(folder))
    else:
        yield Finding("data", f"{folder} is not a folder", "check --data-root or PMLL_DATA")


def _words() -> Iterator[Finding]:
    from pmll_methods.towers.glove import FILES, read_kept

    for name, file in FILES.items():
        kept = len(read_kept(name).vectors)
        state = (
            f"{kept:,} words of {file} are cached" if kept else f"{file} is not cached (pmll-bench data fetch {name})"
        )
        yield Finding("word vectors", state)


def _slurm() -> Iterator[Finding]:
    found = [tool for tool in SLURM_TOOLS if shutil.which(tool)]
    yield Finding("slurm", ", ".join(found) or "not installed (only for --launcher slurm)")
