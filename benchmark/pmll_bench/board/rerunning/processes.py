"""Our own commands in processes of their own: submitted code never runs in the process that judges it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

COMMAND = (sys.executable, "-P", "-m", "pmll_bench")
_FOLDERS = re.compile(r"(?<![\w./])/(?:[^\s/:'\",;]+/)+")


class Ended(NamedTuple):
    """How a command ended: its exit code, its last JSON document, and its error in one line, without folders."""

    code: int
    document: Mapping[str, Any]
    error: str


def call(*arguments: str) -> Ended:
    """Run `pmll-bench` with these arguments, of which one is `--json`."""
    done = subprocess.run(
        [*COMMAND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace"
    )
    return Ended(done.returncode, _last_document(done.stdout), error_in(done.stderr) if done.returncode else "")


def _last_document(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text.strip().rpartition("\n")[2])
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def error_in(text: str) -> str:
    """The first error that a command printed, else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return without_folders((errors or lines[-1:] or ["no output"])[0])


def without_folders(text: str) -> str:
    """A message without the folders in its paths, cut to the length of a remark: evidence names no places.

    >>> without_folders("ValueError in /tmp/pmll-rerun-x/mine.py:12: no /home/me/weights.pt")
    'ValueError in mine.py:12: no weights.pt'
    """
    return _FOLDERS.sub("", text.partition("\n")[0])[:500]
