"""Checks a package in a process of its own, with limits: `check` is what `submit check` and `merge` call.

No code of a package is imported, nothing is extracted, and nothing is written.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pmll_datasets.errors import DataError

from ..errors import ConfigError
from ..store.source_code import SourceCode
from .checking.answer import Answer, Line
from .evidence import CheckEvidence
from .package import Submission
from .problems import Problem, Rejected

CHILD = "pmll_bench.submission.checking.child"
SECONDS, PER_MEGABYTE = 300, 2  # of CPU time, for any package and for a large one; 16 MB of COCO take about one
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
WITHOUT_DATA = "the numbers were not compared with the data sets: fingerprints, image ids, masks and metrics"


@dataclass(frozen=True)
class Report:
    """What a check found. `package` is the digest of the file, or "" if it is none that a digest is taken of.

    `warnings` hold a package for review and do not refuse it. `evidence` is None if there is a problem, or if numbers
    were not compared with the data sets. `unchecked` says, in sentences, what was left out.
    """

    package: str
    submission: Submission | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    evidence: CheckEvidence | None
    unchecked: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with the package, as far as it was checked."""
        return not self.problems


def check(path: Path, data_root: Path | None = None, *, without_data: bool = False) -> Report:
    """Check a package. `data_root` is as in `run`; a process that is killed or gives no answer refuses the package.

    Raises `DataError` if a data set cannot be used on this machine, unless `without_data`, and `ConfigError` if the
    file cannot be read: nothing is concluded then.
    """
    if not path.exists():
        raise ConfigError("no such package", where=str(path), hint="make one with 'pmll-bench submit pack'")
    answer = _answer(path, data_root, without_data)
    if answer.trouble is not None:
        kind = DataError if answer.trouble.data else ConfigError
        raise kind(answer.trouble.what, where=answer.trouble.where, hint=answer.trouble.hint)
    unchecked = [f"this system sets no limit on {name}" for name in answer.unlimited]
    listed = None if answer.submission is None else answer.submission.cells.keys()
    whole = not answer.problems and answer.cells.keys() == listed
    if without_data and not answer.problems:
        unchecked.append(WITHOUT_DATA)
    return Report(
        package=answer.package,
        submission=answer.submission,
        problems=_problems(answer.problems),
        warnings=_problems(answer.warnings),
        evidence=CheckEvidence(package=answer.package, code=SourceCode.here(), cells=answer.cells) if whole else None,
        unchecked=tuple(unchecked),
    )


def require_passed(path: Path, report: Report) -> None:
    """Raise `Rejected` with all problems of a package, if it has any."""
    if report.problems:
        raise Rejected(str(path), report.problems)


def _problems(lines: tuple[Line, ...]) -> tuple[Problem, ...]:
    return tuple(Problem(each.member, each.what, each.row) for each in lines)


def _answer(path: Path, data_root: Path | None, without_data: bool) -> Answer:
    """What the process that checks the package says, or why it says nothing."""
    seconds = SECONDS + PER_MEGABYTE * (path.stat().st_size >> 20)
    command = [sys.executable, "-P", "-B", "-m", CHILD, str(path.absolute()), str(seconds)]  # -P: never from here
    command += [] if data_root is None else ["--data-root", str(data_root.expanduser().absolute())]
    command += ["--without-data"] if without_data else []
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=os.environ | ONE_THREAD)
    if done.returncode == 0:
        try:
            return Answer.model_validate_json(done.stdout, strict=True)
        except ValidationError:
            return Answer.of("", [Problem("", "the check gave no answer")])
    return Answer.of("", [Problem("", _ending(done.returncode, done.stderr, seconds))])


def _ending(code: int, said: bytes, seconds: int) -> str:
    if code == -getattr(signal, "SIGXCPU", 0) != 0:
        return f"needs more than {seconds:,} seconds of CPU time to be checked"
    if code < 0:
        return f"the check was killed by signal {-code} ({signal.Signals(-code).name})"
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return f"the check broke off: {last[:500]}"
