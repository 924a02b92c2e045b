"""The settings of jobs, as in `--slurm [METHOD.]KEY=VALUE`: where each one is written, and which apply to a cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ..errors import ConfigError, UsageError, raise_all

if TYPE_CHECKING:
    from .documents import Document, Place
    from .planned import Planned

OPTION = "--slurm"
KINDS = ("trunk", "frozen")  # the values of `Planned.trains` that a setting can name

SHORT: Mapping[str, str] = {"cpus-per-task": "cpus", "gpus-per-node": "gpus"}  # options of sbatch: our names for them
MEMORY = frozenset(("mem", "mem-per-cpu", "mem-per-gpu"))  # sbatch accepts one of them


@dataclass(frozen=True, kw_only=True)
class JobSetting:
    """One setting. `of` names whose jobs it is for: a method, the label of a row, `trunk` or `frozen`; empty: all."""

    key: str
    value: str
    of: str = ""
    where: str = OPTION


Layer: TypeAlias = Sequence[JobSetting]
Layers: TypeAlias = Sequence[Layer]  # by rising precedence


def from_options(options: Iterable[str]) -> Layer:
    """The settings in `--slurm [METHOD.]KEY=VALUE`. The last value is used; several `setup` values are lines of one."""
    settings: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not name.rpartition(".")[2]:
            raise UsageError(f"invalid value for --slurm: {option!r}", hint="write KEY=VALUE: --slurm partition=gpu")
        lines = name.rpartition(".")[2] == "setup" and name in settings
        settings[name] = f"{settings[name]}\n{value}" if lines else value
    return from_mapping(settings)


def from_mapping(settings: Mapping[str, str]) -> Layer:
    """One layer from `{"mem": "8G", "scpnet.mem": "64G"}`."""
    return [setting(name, value, f"{OPTION} {name}") for name, value in settings.items()]


def setting(name: str, value: str, where: str) -> JobSetting:
    """The setting that `[METHOD.]KEY` names. Options of sbatch may be written with `_` for `-`."""
    of, _, key = name.rpartition(".")
    key = key.replace("_", "-")
    return JobSetting(key=SHORT.get(key, key), value=value, of=of, where=where)


def job_settings(file: Document, place: Place = ()) -> Layer:
    """The settings in a file, at `place`: keys with values, and mappings of them for a method or for what is trained.

    Raises one `ConfigError` with all problems, each with its line.
    """
    from .documents import dotted

    found: list[JobSetting] = []
    problems: list[ConfigError] = []
    content = file.content
    for part in place:
        content = content[str(part)]
    for name, value in content.items():
        inside = value.items() if isinstance(value, dict) else ((None, value),)
        for key, one in inside:
            at = (*place, name) if key is None else (*place, name, key)
            try:
                found.append(setting(name if key is None else f"{name}.{key}", _text(one), file.where(at)))
            except ValueError as error:
                problems.append(ConfigError(f"{dotted(at)}: {error}", where=file.where(at)))
    raise_all(problems)
    return found


def _text(value: object) -> str:
    """A value of a file as `--slurm` takes it; a list has a line of `setup` in each item."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "\n".join(_text(item) for item in value)
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError("neither text nor a number nor true or false")


def in_force(layers: Layers, planned: Planned) -> dict[str, JobSetting]:
    """The settings of the job of a cell, by key.

    A later layer wins. Within a layer, a setting for the row wins over one for its method, that over one for what is
    trained (`trunk` or `frozen`), and that over one for all jobs. A request for memory replaces one of another kind.
    """
    ranked = dict.fromkeys(("", planned.trains or "", planned.cell.method, planned.label))
    found: dict[str, JobSetting] = {}
    for layer in layers:
        for of in ranked:
            new = {each.key: each for each in layer if each.of == of}
            replaced = MEMORY if new.keys() & MEMORY else frozenset[str]()
            found = {key: each for key, each in found.items() if key not in replaced} | new
    return found
