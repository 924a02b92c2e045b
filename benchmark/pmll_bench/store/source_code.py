"""The code of this installation: its version, its commit, and a digest of the files that affect numbers."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from ..errors import ConfigError
from .document import Part
from .environment import commit, version_of

PACKAGES = ("pmll_bench", "pmll_datasets", "pmll_errors", "pmll_methods")
DATA = (".json", ".npz", ".safetensors")  # shipped with the code: the embedded images and tower
UNUSED = ("ablations", "board", "checks", "cli", "merging", "models", "prepare", "published", "report", "submission")
"""The subpackages of pmll_bench that no job imports: an edit of them changes no number."""


class SourceCode(Part):
    """The code that cells were planned with, or that a job finds when it starts."""

    version: str | None
    commit: str | None
    digest: str

    @classmethod
    def here(cls) -> Self:
        """The code on disk now; modules that are already imported may be older."""
        return cls(version=version_of("pmll-bench"), commit=commit(), digest=code_digest())

    @property
    def name(self) -> str:
        """Version and commit, in words."""
        at, dash, state = (self.commit or "").partition("-")
        return f"version {self.version or 'unknown'}" + (f", commit {at[:12]}{dash}{state}" if at else "")


def check_unchanged(planned: str, name: str) -> None:
    """Raise `ConfigError` unless the code on disk has the digest `planned`; `name` is that of the planned code."""
    if code_digest() == planned:
        return
    now = SourceCode.here().name
    raise ConfigError(
        f"the code has changed since the cells were planned: then {name}, now {now if now != name else 'other files'}",
        where=str(Path(__file__).parents[1]),
        hint="run the same command again",
    )


def code_digest() -> str:
    """SHA-256 over the paths and contents of the files that affect numbers."""
    total = hashlib.sha256()
    for name, path in sorted(_files()):
        total.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _files() -> Iterator[tuple[str, Path]]:
    """The files with their names, which start with the package."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        for root in map(Path, spec.submodule_search_locations or ()):
            for path in root.rglob("*"):
                name = path.relative_to(root)
                unused = package == "pmll_bench" and name.parts[0] in UNUSED
                hidden = any(part.startswith(".") for part in name.parts)  # such as the lock of an editor
                if path.suffix in (".py", *DATA) and not unused and not hidden:
                    yield f"{package}/{name.as_posix()}", path
