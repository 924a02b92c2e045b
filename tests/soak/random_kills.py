"""Kills everything that works on a store, again and again, also inside writes, and checks that nothing is lost.

    nox -s kills                        # one minute
    nox -s kills -- --kills 200         # minutes
    nox -s kills -- --kills 50 --seed 7

Victims are runs in one process, cluster jobs, submissions, `status`, `prune --yes`, the local pool and its slots. Up to
two work on the store at once. Most are forks of this process, which has loaded the libraries already. A victim dies at
a random moment or inside its k-th write, which then leaves a half-written file. After a few kills the grid is completed
by one ordinary run, which starts at once, and compared with an unbroken one.

Ends with 0 if every cell has one result that never changed once it was published, with the scores, metrics, history and
pseudo-labels of the unbroken run, and if `prune` leaves the files of the winning attempts and no other.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from noted_slurm import COMMANDS, Cluster
from pmll_bench.cli import main as command_line
from pmll_bench.launch.slurm.job.starting import planned_code
from pmll_bench.launch.slurm.job.worker import RunGroup
from pmll_bench.plan.grid import groups
from pmll_bench.plan.planned import Group
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.running import groups as loaded_before_forks  # noqa: F401
from pmll_bench.running.cell_run import CellRun
from pmll_bench.store.orphans import orphans
from pmll_bench.store.source_code import SourceCode
from pmll_bench.store.store import Store
from pmll_errors import counted
from soak.kill_nine import differences

GRID = ("--methods", "bce", "linear-probe", "--ratios", "0.1", "0.5", "0.9", "--seeds", "0", "1", "--subset", "60")
PER_STORE = 5  # kills before a grid is completed and compared
LATEST_WRITE = 60  # the last write at which a victim may die
LONGEST = 3.0  # seconds until a victim that dies at some moment is killed
WRITES = ("fsync", "link", "replace", "rename", "unlink", "mkdir")
TWO_AT_ONCE = 0.3
IN_SECONDS = ("pool", "slot")  # their processes import the libraries first
VICTIMS = {"run": 6, "job": 4, "submission": 2, "status": 1, "prune": 1, "pool": 1, "slot": 1}
"""Kinds of victims, and how often each is chosen."""


def dies_at_write(number: int, rest: float) -> None:
    """Let this process kill itself at its `number`-th call that touches the disk.

    A file that is being synced keeps only the part `rest` of its content, as after a kill in the middle of a write.
    """
    left = number

    def deadly(function: Callable[..., Any], is_sync: bool) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                if is_sync:
                    with suppress(OSError):  # a folder has no length
                        os.ftruncate(arguments[0], int(os.fstat(arguments[0]).st_size * rest))
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for name in WRITES:
        setattr(os, name, deadly(getattr(os, name), name == "fsync"))


def fork(work: Callable[[], object], log: Path) -> int:
    """Do `work` in a fork of this process, in a process group of its own; returns its id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(1, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        work()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        os._exit(status)


def bench(*argv: str) -> None:
    """Run a command line in this process."""
    sys.argv = ["pmll-bench", *argv]
    command_line(argv)


@dataclass
class Broken:
    """A store whose users are killed."""

    root: Path
    moments: random.Random
    log: Path
    published: dict[str, str] = field(default_factory=dict)  # digests of the results, by folder
    kills: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def run(self, *options: str) -> None:
        bench("run", "--root", str(self.root), "--threads", "1", *GRID, *options)

    def job(self, group: Group) -> None:
        store = Store(self.root)
        options = {"device": "cpu", "submission": "0" * 16, **planned_code(SourceCode.here())}
        RunGroup()(str(self.root), [store.folder(planned.cell).name for planned in group.cells], options)

    def work(self, kind: str) -> Callable[[], object]:
        """What a victim does."""
        records = [folder.record() for folder in Store(self.root).folders()]
        found = groups([record.planned() for record in records if record is not None])
        if kind == "job" and found:
            group = self.moments.choice(found)
            return lambda: self.job(group)
        others: dict[str, Callable[[], object]] = {
            "submission": lambda: self.run("--launcher", "slurm"),
            "status": lambda: bench("status", "--root", str(self.root)),
            "prune": lambda: bench("prune", "--yes", "--root", str(self.root)),
            "pool": lambda: self.run("--launcher", "local", "--slots", "2"),
            "slot": lambda: self.run("--launcher", "local", "--slots", "2"),
        }
        return others.get(kind, self.run)

    def kill_some(self) -> None:
        """Start a victim and kill it; at times another run works on the store meanwhile and is killed next."""
        other = fork(self.work("run"), self.log) if self.moments.random() < TWO_AT_ONCE else None
        self.kill_one()
        if other is not None and killed(other):
            self.kills["run, beside another process"] += 1
            self.look()

    def kill_one(self) -> None:
        """Start a victim and kill it."""
        kind = self.moments.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        number, rest = self.moments.randint(1, LATEST_WRITE), self.moments.random()
        at_write = kind not in IN_SECONDS and self.moments.random() < 0.6
        seconds = self.moments.uniform(0.0, LONGEST) + (4.0 if kind in IN_SECONDS else 0.0)
        work = self.work(kind)

        def live() -> None:
            if at_write:
                dies_at_write(number, rest)
            work()

        victim = fork(live, self.log)
        end = time.monotonic() + (10 * LONGEST if at_write else seconds)
        while time.monotonic() < end and not has_ended(victim):
            time.sleep(0.01)
        if kind == "slot" and (slots := children(victim)):
            os.kill(self.moments.choice(slots), signal.SIGKILL)
            time.sleep(LONGEST * self.moments.random())
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGSTOP)  # it starts no further slot
        slots = children(victim)
        died = killed(victim)
        for slot in slots:  # they notice that their parent is gone
            until_gone(slot)
        if died:
            self.kills[f"{kind}, in a write" if at_write else kind] += 1
        self.look()

    def look(self) -> None:
        """A published result never changes and never disappears."""
        now = {
            folder.name: hashlib.sha256((folder.path / "result.json").read_bytes()).hexdigest()
            for folder in Store(self.root).folders()
            if folder.result() is not None
        }
        self.problems += [f"{name}: another result" for name, was in self.published.items() if now.get(name) != was]
        self.published = now


def has_ended(process: int) -> bool:
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def killed(process: int) -> bool:
    """Kill a child if it still runs; whether it died of SIGKILL."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def children(process: int) -> list[int]:
    """The ids of the children of a process."""
    with suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def until_gone(process: int) -> None:
    while Path(f"/proc/{process}").exists():
        time.sleep(0.05)


@contextmanager
def slurm_stand_in(folder: Path) -> Iterator[None]:
    """Slurm's commands as scripts that accept jobs and run none."""
    folder.mkdir()
    cluster, path = Cluster(folder), os.environ["PATH"]
    for name, script in COMMANDS.items():
        cluster.command(name, script)
    cluster.alive()
    os.environ["PATH"] = f"{folder}{os.pathsep}{path}"
    try:
        yield
    finally:
        os.environ["PATH"] = path


def completed(root: Path, log: Path) -> Store:
    """The store after one ordinary run of the grid."""
    run = fork(lambda: bench("run", "--root", str(root), "--threads", "1", *GRID), log)
    _, status = os.waitpid(run, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        end = "".join(log.read_text().splitlines(keepends=True)[-50:])
        sys.exit(f"the run that completes the grid failed. The end of {log}:\n{end}")
    return Store.open(root, create=False)


def left_after_prune(store: Store, log: Path) -> list[str]:
    """What is wrong with the files that `prune --yes` leaves in a store of finished cells, an hour later."""
    then = time.time() - 3600
    for path in store.root.rglob("*"):
        os.utime(path, (then, then), follow_symlinks=False)
    _, status = os.waitpid(fork(lambda: bench("prune", "--yes", "--root", str(store.root)), log), 0)
    problems = [] if status == 0 else [f"prune failed; see {log}"]
    problems += [f"prune does not know {path}" for path in orphans(store)]
    for folder in store.folders():
        result = folder.result()
        won = [] if result is None else [result.attempt]
        if [attempt.number for attempt in folder.attempts()] != won:
            problems.append(f"{folder.name}: other attempts than the winning one are left")
        wrong = ("checkpoint-", ".tmp-", ".damaged-", "lease")
        problems += [f"{path} is left" for path in folder.path.rglob("*") if any(each in path.name for each in wrong)]
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no victim after this time")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    CellRun.save_due = lambda self: True  # type: ignore[method-assign]  # save at every step: more writes to die in
    plan(Request(subset=60))  # load the data set before the forks
    moments, started = random.Random(asked.seed), time.monotonic()
    kills: Counter[str] = Counter()
    problems: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="random-kills-"))
    with slurm_stand_in(folder / "slurm"):
        unbroken = completed(folder / "unbroken", folder / "log.txt")
        stores = 0
        while kills.total() < asked.kills and time.monotonic() - started < asked.seconds:
            stores += 1
            store = Broken(folder / f"broken-{stores}", moments, folder / "log.txt")
            while store.kills.total() < PER_STORE and kills.total() + store.kills.total() < asked.kills:
                if time.monotonic() - started > asked.seconds:
                    break
                store.kill_some()
            broken = completed(store.root, folder / "log.txt")
            store.look()
            problems += [*store.problems, *differences(broken, unbroken)]
            problems += left_after_prune(broken, folder / "log.txt")
            kills += store.kills
            print(f"{kills.total()} kills, {counted(stores, 'store')}, {counted(len(problems), 'problem')}", flush=True)
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(kills.items())))
    print("\n".join(problems) or "nothing lost, nothing published twice, every byte equal, every file known")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
