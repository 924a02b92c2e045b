"""`board rerun`: trains cells of a merged package again, and keeps the evidence."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from pmll_errors import counted

from ..board.draw import CELLS
from ..errors import ConfigError, Exit, UsageError
from .options import STORE, DataRoot, Json, Root
from .output import columns, print_json, tell

if TYPE_CHECKING:
    from ..board.rerunning.chosen import Choice
    from ..board.rerunning.rerun import Task
    from ..submission.evidence import RerunCell, RerunEvidence

Commit: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="SHA",
        help="The first commit on the board's main branch after the submission, all 40 digits. It draws the cells.",
    ),
]
Places: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="[METHOD.]NAME=V",
        help="The place of pretrained files here: weights, words or tower. Repeatable.",
    ),
]
Device: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help="cpu, cuda or cuda:1; default: as in the results, if it is here.")
]
Threads: TypeAlias = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="CPU threads; default: as in the results, at most all cores.")
]
Workers: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Threads that read images; default: one per core, 2 to 16. No score changes."
    ),
]


def rerun(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package, as it was merged.")],
    commit: Commit,
    cells: Annotated[
        int, typer.Option(min=CELLS, metavar="N", help="The cells of each row that are trained again.")
    ] = CELLS,
    places: Places = None,
    again: Annotated[bool, typer.Option("--again", help="Re-run a package that was re-run before.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Run the code of the package without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the code and the cells; run nothing.")] = False,
    device: Device = None,
    threads: Threads = None,
    workers: Workers = None,
    data_root: DataRoot = None,
    root: Root = STORE,
    as_json: Json = False,
) -> None:
    """Train cells of a merged package again, and keep the evidence for its trust.

    At least three cells of each row are drawn by the package and a commit that
    nobody knew when it was made. Their scores are compared with the submitted
    ones. Each method has to pass 'pmll-bench check', and to do on an unpublished
    draw of shapes what it does on the known one.

    This runs the code of the package on this machine, as this user. It is no
    sandbox: read the code first, or use a machine without anything to lose.
    Exits with status 4 if anything differs; that is evidence, too, and is kept.

    \b
    Examples:
      pmll-bench board rerun my.zip --commit $(git rev-parse HEAD) --dry-run
      pmll-bench board rerun my.zip --commit $(git rev-parse HEAD) --cells 5
    """
    from ..board.rerunning import machine
    from ..board.rerunning.kept import check_place, keep
    from ..board.rerunning.rerun import rerun as run_again
    from ..board.rerunning.rerun import task_of
    from ..board.rerunning.training import How
    from ..running.progress import listening
    from ..running.stopping import stop_on_signals
    from ..store.store import Store
    from ..submission.check import check, require_passed

    store, here = Store.open(root, create=False), machine.Places.of(data_root, places or ())
    report = check(package, data_root)
    require_passed(package, report)
    check_place(store, report.package, commit, again=again)
    task = task_of(package, report.package, commit, cells)
    _tell(task)
    if dry_run:
        return
    _confirm(task, yes=yes)
    with listening(len(task.choice.cells), as_json=False) as listener, stop_on_signals(listener.note) as stop:
        evidence = run_again(task, How(listener, stop, here, device, threads, workers))
    path = keep(store, evidence)
    if as_json:
        print_json("rerun", evidence.model_dump(mode="json", exclude={"schema_"}))
    else:
        _print(evidence, task.choice)
    tell(f"written: {path}")
    if not evidence.agrees:
        raise typer.Exit(Exit.CELLS_FAILED)


def _tell(task: Task) -> None:
    """Say which code would run and which cells are drawn. Raises `ConfigError` if no code can run here."""
    choice = task.choice
    for why in choice.left_out:
        tell(why)
    if not choice.cells:
        raise ConfigError("no row of this package can be re-run", hint="its rows stay re-scored")
    tell(f"package {task.package}")
    for code in choice.code.values():
        where = f"methods/{code.method}.py of the package, SHA-256 {code.digest}" if code.digest else "built in"
        tell(f"code to run: {code.method}, {where}")
    header = ["cell", "row", "data set", "ratio", "mask seed", "seed"]
    fields = ("dataset", "ratio", "mask_seed", "seed")
    drawn = [[name, each.label, *(getattr(each.cell, key) for key in fields)] for name, each in choice.cells.items()]
    tell(columns(header, drawn))


def _confirm(task: Task, *, yes: bool) -> None:
    """Ask on a terminal before code of others runs; elsewhere `--yes` is required."""
    tell("this runs the code above as this user, with all that this user may do: it is no sandbox")
    if yes:
        return
    what = f"the code of {counted(len(task.choice.code), 'method')}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"running {what} needs a confirmation", hint="read it, then add --yes")
    typer.confirm(f"Run {what}?", abort=True, err=True)


def _print(evidence: RerunEvidence, choice: Choice) -> None:
    """The cells, then the checks and the unseen draw of each method; percentages as in tables."""
    header = ["cell", "row", "submitted", "re-run", "tolerance", "outcome"]
    rows = []
    for name, cell in evidence.cells.items():
        again = None if cell.rerun_map is None else 100 * cell.rerun_map
        numbers = [100 * cell.submitted_map, again, 100 * cell.tolerance]
        rows.append([name, choice.cells[name].label, *numbers, _outcome(cell)])
    print(columns(header, rows))
    header = [
        "method",
        "checks",
        "known draw",
        f"draw {next(iter(evidence.unseen.values())).draw}",
        "tolerance",
        "outcome",
    ]
    rows = []
    for method, draw in evidence.unseen.items():
        maps = [None if each is None else 100 * each for each in (draw.known_map, draw.unseen_map)]
        within = draw.error or ("within" if draw.within else "differs")
        rows.append([method, _checks(evidence.checks[method]), *maps, 100 * draw.tolerance, within])
    print(f"\n{columns(header, rows)}")


def _outcome(cell: RerunCell) -> str:
    if cell.error:
        return cell.error
    if cell.same:
        return "equal to the bit"
    return "within" if cell.within else "differs"


def _checks(outcomes: Mapping[str, str]) -> str:
    counts = Counter(outcomes.values())
    return ", ".join(f"{counts[name]} {name}" for name in ("ok", "failed", "skipped") if counts[name])
