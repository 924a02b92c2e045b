"""The papers' ablations as named grid files: the settings varied in each table or figure, one row per variant."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from ..errors import ConfigError, nearest
from ..plan.grid_files import read_request
from ..plan.request import Request

SUFFIX = ".yaml"


def names() -> tuple[str, ...]:
    """The names of all ablations."""
    return tuple(sorted(_files()))


def ablation(name: str) -> Request:
    """The grid of one ablation. Raises `ConfigError` for an unknown name, with the nearest name as a hint."""
    files = _files()
    if name not in files:
        raise ConfigError(f"unknown ablation {name!r}", hint=nearest(name, files))
    return read_request(files[name])


def _files() -> dict[str, Path]:
    folder = Path(str(resources.files(__package__)))
    return {path.stem: path for path in folder.glob(f"*{SUFFIX}")}
