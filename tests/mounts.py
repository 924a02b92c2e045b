"""File systems that are mounted as long as a test runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def mounted(*what: str, at: Path) -> Iterator[Path]:
    """Mount something at a folder: the arguments of mount. Skips the test without the right to do so."""
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, *what, at], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield at
    subprocess.run(["umount", at], check=True)


def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A new file system at a new folder, with options of tmpfs such as "size=1m" and "nr_inodes=80"."""
    folder.mkdir()
    yield from mounted("-t", "tmpfs", "-o", options, "tmpfs", at=folder)
