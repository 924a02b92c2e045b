"""The environment of a result: versions, processor, threads, readers of images, commit of the code."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

Environment: TypeAlias = Mapping[str, str | bool | int | None]

PACKAGES = ("pmll-bench", "torch", "torchvision", "timm", "open_clip_torch", "numpy")


@lru_cache
def environment(threads: int, device: str, workers: int | None = None) -> Environment:
    """The environment, as far as it may affect numbers or times; recorded, but never part of an identity.

    `workers` read images and affect only times; None where nothing is read.
    """
    return {
        "python": platform.python_version(),
        **{name: version_of(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu": cpu(),
        "threads": threads,
        **({} if workers is None else {"workers": workers}),
        "device": device,
        **_gpu(device),
        "commit": commit(),
    }


def _gpu(device: str) -> Environment:
    """The GPU, its libraries and their use of TF32; empty on the CPU."""
    if not device.startswith("cuda"):
        return {}
    import torch

    return {
        "gpu": torch.cuda.get_device_name(device),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
    }


def version_of(package: str) -> str | None:
    """The version of an installed package; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def cpu() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def commit() -> str | None:
    """The commit of the code if it runs from a checkout, with "-dirty" if files differ from it."""
    here = Path(__file__)
    try:
        _git(here.parent, "ls-files", "--error-unmatch", here.name)  # an installed copy may be inside another checkout
        return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def version_line() -> str:
    """Version, commit if there is one, and the location of the package."""
    at = commit()
    return f"pmll-bench {version_of('pmll-bench')}{f', commit {at}' if at else ''} ({Path(__file__).parents[1]})"
