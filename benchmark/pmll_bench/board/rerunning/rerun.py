"""Re-runs a package: trains its drawn cells again, checks its methods, and runs them on an unpublished draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

from ...store.source_code import SourceCode
from ...submission.evidence import RerunEvidence
from ...submission.reading import cells_of, method_files_of
from .chosen import Choice, Code, choose
from .machine import execution_for
from .processes import call
from .training import How, train_again
from .unseen import on_unseen_draw, unseen_draw

Checks: TypeAlias = Mapping[str, Literal["ok", "failed", "skipped"]]


@dataclass(frozen=True)
class Task:
    """What is re-run: the file of a package that has passed its check, its digest, the commit, and the choice."""

    path: Path
    package: str
    commit: str
    choice: Choice


def task_of(path: Path, package: str, commit: str, number: int) -> Task:
    """Draw `number` cells from every row of a package whose check reported the digest `package`.

    Raises `Rejected` if the file is another one by now.
    """
    records = (cell.record for cell in cells_of(path, package))
    return Task(path, package, commit, choose(records, method_files_of(path, package), package, commit, number))


def rerun(task: Task, how: How) -> RerunEvidence:
    """Re-run a package in a temporary folder, with all submitted code in processes of its own.

    Failures of methods are part of the evidence; a re-run that was stopped is none. Raises as `train_again` does.
    """
    cells = [cell for cell in cells_of(task.path, task.package) if cell.record.cell_id in task.choice.cells]
    environments = [cell.result.environment for cell in cells]
    execution = execution_for(environments, how.device, how.threads, how.workers)
    methods, draw = task.choice.code, unseen_draw(task.package, task.commit)
    with TemporaryDirectory(prefix="pmll-rerun-") as name:
        folder = Path(name)
        found = train_again(cells, methods, execution, how, folder)
        checks, unseen = {}, {}
        for method, code in methods.items():
            how.say(f"pmll-bench check {method}")
            checks[method] = checked(code, folder)
            how.say(f"{method} on shapes, draw {draw} beside the known one")
            unseen[method] = on_unseen_draw(code, draw, folder)
    return RerunEvidence(
        package=task.package,
        commit=task.commit,
        code=SourceCode.here(),
        environment=execution.environment,
        cells=found,
        checks=checks,
        unseen=unseen,
        remarks=task.choice.left_out,
    )


def checked(code: Code, folder: Path) -> Checks:
    """The outcomes of `pmll-bench check`; the one outcome "check" has failed if it gave no answer."""
    ended = call("check", code.target(folder), "--regime", code.regime, "--json")
    return {each["check"]: each["result"] for each in ended.document.get("checks", ())} or {"check": "failed"}
