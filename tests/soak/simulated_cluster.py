"""Simulates weeks of a busy cluster in minutes: only the clock, the training and the scheduler are made up.

    PYTHONPATH=tests python tests/soak/simulated_cluster.py --seed 0 --folder /dev/shm/empty

The cells come from the planner; requests, attempts, checkpoints, results, leases and the limits of retries are those of
real runs, in real files. GPUs are preempted, jobs are killed without a trace, nodes are lost, and some of their
processes go on later, unaware that their jobs have started elsewhere. It ends with 0 when every cell has a result that
was published once.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pmll_bench.launch.retries import may_go_on
from pmll_bench.plan.grid import expand, groups, longest_first
from pmll_bench.plan.planned import DataFacts, Group, MethodFacts, Planned
from pmll_bench.plan.request import Request
from pmll_bench.store.attempt import Attempt
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.lease import DURATION, HEARTBEAT, Lease, LeaseHeld
from pmll_bench.store.records import QueueRecord
from pmll_bench.store.store import Store
from pmll_methods.recipe import Recipe
from stored import CLASSES, IDS, SCORES, result

HOUR, MINUTE = 3600.0, 60.0
STEPS = 10_000  # of each group
ROUNDS = 20  # how often a user submits the cells again that are not tried again by themselves


@dataclass(frozen=True)
class Cluster:
    """The machines and their faults; times in hours, each the mean of an exponential distribution unless stated."""

    gpus: int = 64
    per_node: int = 8
    preempted: float = 2.0  # until a job has to leave its GPU ...
    away: float = 1 / 6  # ... which is then used by others, exactly
    killed: float = 0.1  # the share of the preempted jobs that are killed before they can save and record their end
    lost: float = 200.0  # until a node is lost ...
    repaired: float = 1.0  # ... and comes back, exactly
    suspended: float = 0.3  # the share of its processes that go on after half an hour, when their jobs run elsewhere
    stragglers: float = 0.05  # the share of the starts on a GPU that is three times as slow
    started: float = 1 / 60  # that a start takes, exactly
    save_every: float = 0.5  # between checkpoints, exactly
    mean_hours: float = 6.0  # of a group without interruptions


@dataclass
class Report:
    """What happened."""

    needed: float = 0.0  # GPU hours of training, if nothing is repeated
    trained: float = 0.0
    ideal: float = 0.0  # hours: the needed ones, on all GPUs
    submissions: int = 1
    ended: list[float] = field(default_factory=list)  # when each group ended, in hours
    counts: Counter[str] = field(default_factory=Counter)
    published: Counter[str] = field(default_factory=Counter)  # how often the result of each cell was published

    @property
    def makespan(self) -> float:
        """When the last group ended, in hours."""
        return max(self.ended, default=0.0)

    @property
    def repeated(self) -> float:
        """The share of the training that was done again."""
        return self.trained / self.needed - 1


def made_up_grid(seeds: int, ratios: Sequence[float], methods: int = 10) -> tuple[Group, ...]:
    """Groups of cells on a small and a large data set; each has a method, a seed and all ratios."""
    data = [
        DataFacts(name="voc2007", options={}, fingerprint="a" * 64, train=5011, test=4952, classes=20),
        DataFacts(name="coco2014", options={}, fingerprint="b" * 64, train=82081, test=40137, classes=80),
    ]
    rows = [
        MethodFacts(
            name=f"method-{number}",
            label=f"method-{number}",
            revision=1,
            regimes=("partial",),
            target=f"method-{number}",
            settings={},
            changed={},
            recipe=Recipe(resolution=224, batch=32, epochs=10 + 5 * number, lr=1e-4),
            grouped=True,
        )
        for number in range(methods)
    ]
    request = Request(methods=tuple(row.name for row in rows), ratios=tuple(ratios), seeds=tuple(range(seeds)))
    return tuple(longest_first(groups(expand(request, data, {each.name: rows for each in data}))))


@dataclass
class Job:
    """A group in the queue of the scheduler, or on a GPU."""

    id: str
    group: Group
    hours: float


@dataclass
class Run:
    """A process that runs a job: the attempts and leases of its cells, and how far it is."""

    job: Job
    gpu: int
    speed: float
    cells: list[tuple[Planned, CellFolder, Attempt, Lease]]
    done: float  # share of the training
    since: float  # when it was as far
    over: bool = False
    alone: bool = False  # the scheduler has given up on its node


@dataclass
class Simulation:
    """The queue, the GPUs and the clock."""

    store: Store
    cluster: Cluster
    chance: random.Random
    now: float = 0.0  # seconds
    report: Report = field(default_factory=Report)
    waiting: list[tuple[int, Job]] = field(
        default_factory=list
    )  # a heap: a job keeps its place when it is queued again
    free: list[int] = field(default_factory=list)
    running: dict[int, Run] = field(default_factory=dict)
    starting: int = 0  # jobs that wait on their GPU for a lease
    alone: int = 0  # processes that go on unawares
    silent: dict[Path, tuple[float, Lease]] = field(default_factory=dict)  # leases that are not renewed since a time
    begun: list[Lease] = field(default_factory=list)  # kept, because a lease that is collected is released
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    order: itertools.count[int] = field(default_factory=itertools.count)

    def run(self, grid: Sequence[Group]) -> Report:
        """Run all cells of a grid."""
        of_all = sum(each.cost for group in grid for each in group.cells) / len(grid)
        jobs = []
        for number, group in enumerate(grid):
            cost = sum(each.cost for each in group.cells) / of_all
            hours = self.cluster.mean_hours * cost * self.chance.lognormvariate(0, 0.2)
            jobs.append(Job(str(number), group, hours))
        self.report.needed = sum(job.hours for job in jobs)
        self.report.ideal = self.report.needed / self.cluster.gpus
        self.free = list(range(self.cluster.gpus))
        for node in range(self.cluster.gpus // self.cluster.per_node):
            self.later(self.draw(self.cluster.lost), partial(self.lose, node))
        self.submit(jobs)
        while self.advance(jobs):
            pass
        return self.report

    def submit(self, jobs: Sequence[Job]) -> None:
        """Submit jobs as a user does: earlier attempts no longer count."""
        for job in jobs:
            for planned in job.group.cells:
                folder = self.store.folder(planned.cell)
                folder.write_request(planned)
                folder.queue(QueueRecord(job=job.id, attempt=folder.newest, since=folder.newest))
            self.queue(job)

    def queue(self, job: Job) -> None:
        """Let a job wait at its place of submission, also if it ran before; Slurm keeps the priority of such jobs."""
        heapq.heappush(self.waiting, (int(job.id), job))

    def advance(self, jobs: Sequence[Job]) -> bool:
        """Start what can start and handle the next event; False if all is done."""
        while self.waiting and self.free:
            self.start(heapq.heappop(self.waiting)[1], self.free.pop())
        if not (self.waiting or self.running or self.starting or self.alone):
            left = [job for job in jobs if self.unfinished(job)]
            if not left or self.report.submissions == ROUNDS:
                return False
            self.report.submissions += 1
            self.submit(left)
            return True
        self.now, _, event = heapq.heappop(self.events)
        event()
        return True

    def draw(self, hours: float) -> float:
        return self.chance.expovariate(1 / hours)

    def later(self, hours: float, event: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + hours * HOUR, next(self.order), event))

    def unfinished(self, job: Job) -> list[CellFolder]:
        folders = [self.store.folder(planned.cell) for planned in job.group.cells]
        return [folder for folder in folders if folder.result() is None]

    # What a job does

    def start(self, job: Job, gpu: int, tried: float = 0.0) -> None:
        """Begin an attempt at the cells that no other process holds; try again while others seem to hold them all."""
        cells, held = [], False
        for planned in job.group.cells:
            folder = self.store.folder(planned.cell)
            if folder.result() is not None:
                continue
            lease = self.lease(folder)
            if lease is None:
                held = True
            else:
                cells.append((planned, folder, folder.begin(planned, {}, job.id), lease))
        self.report.counts["attempts"] += len(cells)
        if not cells and held and tried < DURATION + HEARTBEAT:
            self.report.counts["waits for a lease"] += not tried
            self.starting += not tried
            self.later(HEARTBEAT / HOUR, lambda: self.start(job, gpu, tried + HEARTBEAT))
            return
        self.starting -= bool(tried)
        if not cells:
            self.free.append(gpu)
            self.report.counts["jobs that left their cells to another process"] += held
            return
        slow = self.chance.random() < self.cluster.stragglers
        self.report.counts["starts"] += 1
        self.report.counts["starts on a slow GPU"] += slow
        steps = set.intersection(*({step for step, _ in folder.checkpoints()} for _, folder, _, _ in cells))
        run = Run(job, gpu, 1 / 3 if slow else 1.0, cells, max(steps, default=0) / STEPS, self.now)
        run.since += self.cluster.started * HOUR
        self.running[gpu] = run
        self.later(self.draw(self.cluster.preempted), lambda: self.preempt(run))
        self.go_on(run)

    def lease(self, folder: CellFolder) -> Lease | None:
        """The lease of a cell; None if another process holds it. Its age is that of the simulated time."""
        path, lease = folder.lease, Lease(folder.lease)
        if path.exists():
            since, _ = self.silent.get(path, (self.now, None))
            beat = time.time() - (self.now - since)
            os.utime(path, (beat, beat))
        try:
            lease.__enter__()
        except LeaseHeld:
            return None
        self.report.counts["leases taken over"] += path in self.silent
        self.silent.pop(path, None)
        self.begun.append(lease)
        return lease

    def go_on(self, run: Run) -> None:
        """Train to the next checkpoint, or to the end."""
        left = (1 - run.done) * run.job.hours / run.speed
        pause = (run.since - self.now) / HOUR
        if left <= self.cluster.save_every:
            self.later(pause + left, lambda: self.finish(run))
        else:
            self.later(pause + self.cluster.save_every, lambda: self.save(run))

    def train(self, run: Run) -> None:
        """Count the training up to now."""
        hours = max(0.0, self.now - run.since) / HOUR * run.speed
        self.report.trained += hours
        run.done, run.since = min(1.0, run.done + hours / run.job.hours), max(self.now, run.since)

    def save(self, run: Run) -> None:
        if not run.over:
            self.train(run)
            self.checkpoint(run)
            self.go_on(run)

    def checkpoint(self, run: Run) -> None:
        for _, folder, attempt, _ in run.cells:
            if folder.result() is None:
                attempt.save_checkpoint(int(run.done * STEPS), lambda file: file.write(b"state"))

    def finish(self, run: Run) -> None:
        """Publish the results of a job, as every process does that believes it may."""
        if run.over:
            return
        self.train(run)
        for planned, _, attempt, _ in run.cells:
            scores = attempt.write_scores(SCORES, IDS, CLASSES)
            won = attempt.commit(result(planned, attempt.number, scores))
            self.report.published[planned.cell.id] += won
            self.report.counts["results that came too late"] += not won
            attempt.end("done")
        self.report.ended.append(self.now / HOUR)
        self.leave(run, 0.0)

    # What befalls it

    def preempt(self, run: Run) -> None:
        """The job leaves its GPU: after it has saved, or killed without a trace."""
        if run.over or run.alone:
            return
        self.report.counts["preemptions"] += 1
        self.train(run)
        if self.chance.random() < self.cluster.killed:
            self.report.counts["jobs killed without a trace"] += 1
            self.die(run)
            self.give_back(run.gpu, self.cluster.away)
        else:
            self.checkpoint(run)
            for _, _, attempt, _ in run.cells:
                attempt.end("interrupted", cause="preempted")
            self.leave(run, self.cluster.away)
        self.again(run.job)

    def lose(self, node: int) -> None:
        """A node is lost with all its jobs, which start elsewhere; some of its processes go on later."""
        if not self.waiting and not self.running:
            return
        self.report.counts["nodes lost"] += 1
        for gpu in range(node * self.cluster.per_node, (node + 1) * self.cluster.per_node):
            if gpu in self.free:
                self.free.remove(gpu)
            elif (run := self.running.pop(gpu, None)) is None:
                continue  # with others, or waiting for a lease
            else:
                self.train(run)
                if self.chance.random() < self.cluster.suspended:
                    self.suspend(run)
                else:
                    self.die(run)
                self.again(run.job)
            self.give_back(gpu, self.cluster.repaired)
        self.later(self.cluster.repaired + self.draw(self.cluster.lost), lambda: self.lose(node))

    def suspend(self, run: Run) -> None:
        """A process stops for half an hour and then goes on, although its job runs elsewhere."""
        self.report.counts["processes that went on unawares"] += 1
        run.over, self.alone = True, self.alone + 1
        woken = Run(run.job, -1, run.speed, run.cells, run.done, self.now + HOUR / 2, alone=True)
        for _, folder, _, lease in run.cells:
            self.silent[folder.lease] = self.now, lease
        self.later(0.5, lambda: self.wake(woken))

    def wake(self, run: Run) -> None:
        """The process goes on with those of its cells that no other one has taken over, as it notices at a step."""
        kept = [cell for cell in run.cells if self.silent.get(cell[1].lease, (0.0, None))[1] is cell[3]]
        for cell in run.cells:
            if cell in kept:
                del self.silent[cell[1].lease]
            else:
                self.report.counts["cells that a process found taken over"] += 1
                cell[2].end("interrupted", cause="node")
                cell[3].__exit__(None, None, None)
        run.cells = kept
        if kept:
            self.go_on(run)
        else:
            self.leave(run, 0.0)

    def die(self, run: Run) -> None:
        """The process of a run is gone; its leases stay."""
        run.over = True
        self.running.pop(run.gpu, None)
        for _, folder, _, lease in run.cells:
            self.silent[folder.lease] = self.now, lease

    def leave(self, run: Run, away: float) -> None:
        """The process ends and gives its leases and its GPU back."""
        run.over = True
        for _, _, _, lease in run.cells:
            lease.__exit__(None, None, None)
        if run.alone:
            self.alone -= 1
        else:
            self.running.pop(run.gpu)
            self.give_back(run.gpu, away)

    def give_back(self, gpu: int, away: float) -> None:
        self.later(away, lambda: self.free.append(gpu))

    def again(self, job: Job) -> None:
        """Queue the job again if one of its cells may be tried again without being asked for."""
        left = self.unfinished(job)
        if any(may_go_on(folder).again for folder in left):
            self.queue(job)
        elif left:
            self.report.counts["jobs that were given up"] += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=50, help="training seeds of the grid: 20 groups each")
    parser.add_argument("--folder", type=Path, required=True, help="where the store goes; in memory, it is fast")
    asked = parser.parse_args()
    grid = made_up_grid(asked.seeds, ratios=(0.1, 0.5, 0.9))
    started, store = time.process_time(), Store.open(asked.folder)
    report = Simulation(store, Cluster(), random.Random(asked.seed)).run(grid)
    cells = [planned.cell.id for group in grid for planned in group.cells]
    print(f"{len(grid)} groups, {len(cells)} cells, {report.needed:.0f} GPU hours; {report.submissions} submissions")
    for name, number in sorted(report.counts.items()):
        print(f"{name}: {number}")
    print(f"makespan {report.makespan:.1f} h, {report.makespan / report.ideal:.2f} of the ideal; ", end="")
    print(f"nine tenths of the groups ended after {sorted(report.ended)[len(report.ended) * 9 // 10]:.1f} h; ", end="")
    print(f"{report.repeated:.1%} of the training repeated; simulated in {time.process_time() - started:.0f} CPU s")
    wrong = [cell for cell in cells if report.published[cell] != 1]
    print(
        f"{len(wrong)} cells without a result, or with more than one: {' '.join(wrong)}" if wrong else "no cell is lost"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
