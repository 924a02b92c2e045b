"""The protocol of a run against known outcomes: what is trained on, which epoch counts, and what is published."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmll_bench.errors import StoreError
from pmll_bench.metrics import evaluate
from pmll_bench.plan.planned import Group, Planned
from pmll_bench.plan.planning import open_dataset, plan
from pmll_bench.plan.request import Request
from pmll_bench.running import groups as groups_module
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.outcome import Outcome
from pmll_bench.running.rescore import rescore
from pmll_bench.running.selection import held_out
from pmll_bench.running.train_set import train_set
from pmll_bench.store.attempt import Attempt
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.lease import Lease
from pmll_bench.store.result import Result
from pmll_bench.store.store import Store
from pmll_datasets.dataset import Dataset, Labels
from pmll_datasets.regimes import mask_digest

SHARE = 0.3
BEST_VAL = ("recipe.selection=best-val", f"recipe.validation={SHARE}")
RATES = ("recipe.rates=0.0011,0.0022,0.0033", f"recipe.validation={SHARE}")
BEST_TEST = ("recipe.selection=best-test",)
SCRIPTED = """
import json, os
from functools import partial
from pathlib import Path
import numpy as np
from pmll_methods.method import Stopped

class Scripted:
    def fit(self, train, run):
        self.epochs = json.loads(Path(os.environ["SCRIPT"]).read_text())
        self.last = {0.0011: 1, 0.0022: 2, 0.0033: 3}.get(run.recipe.lr, len(self.epochs))
        seen = {"ids": train.ids, "labels": train.labels.tolist()}
        with Path(os.environ["SEEN"]).open("a") as file:
            file.write(json.dumps(seen) + "\\n")
        scores = np.array([self.epochs[0][image] for image in train.ids])
        run.record("pseudo", np.arange(len(train)), np.sign(scores - 100).astype(np.int8))
        state = run.restore() or {"done": 0}
        for number in range(state["done"] + 1, len(self.epochs) + 1):
            if run.should_stop():
                run.save({"done": number - 1}, number - 1)
                raise Stopped
            run.report(number, len(self.epochs), {"loss": 1.0 / number})
            run.after_epoch(number, partial(self.scores, number))

    def scores(self, number, images):
        return np.array([self.epochs[number - 1][image] for image in images.ids], dtype=np.float32)

    def predict(self, images, run):
        return self.scores(self.last, images)
"""


class Scripted:
    """Cells of a method whose scores after each epoch, or at each rate, are given, and what became of them.

    Scores are labels or their negatives, raised by 100 times the epoch: that changes no ranking and says which epoch
    they are from.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "scripted.py"
        self.file.write_text(SCRIPTED)

    def plan(self, *sets: str, ratios: Sequence[float] = (0.5,)) -> tuple[Group, ...]:
        request = Request(methods=(str(self.file),), ratios=tuple(ratios), subset=48, sets=sets, track="smoke")
        return tuple(plan(request).groups)

    def planned(self, *sets: str, ratio: float = 0.5) -> Planned:
        (group,) = self.plan(*sets, ratios=(ratio,))
        (planned,) = group.cells
        return planned

    def write(self, data: Dataset, *epochs: tuple[Labels, Labels]) -> None:
        """The scores of training and test images after each epoch."""
        script = []
        for number, (train, test) in enumerate(epochs, start=1):
            rows = {**dict(zip(data.train.ids, train, strict=True)), **dict(zip(data.test.ids, test, strict=True))}
            script.append({image: (row + 100.0 * number).tolist() for image, row in rows.items()})
        (self.folder / "script.json").write_text(json.dumps(script))

    def run(self, groups: Sequence[Group], **changes: Any) -> Outcome:
        given = {"listener": Silent(), "stop": threading.Event(), **changes}
        return run_groups(groups, self.store, Execution(workers=0), **given)

    @property
    def store(self) -> Store:
        return Store.open(self.folder / "store")

    @property
    def seen(self) -> list[Mapping[str, Any]]:
        """The training sets that the method was given, in order."""
        return [json.loads(line) for line in (self.folder / "seen.jsonl").read_text().splitlines()]

    def result(self) -> tuple[Result, int]:
        """The only result, and the epoch that its scores are from."""
        (result,) = self.store.results()
        epochs = np.unique(np.round(self.store.scores(result.cell_id).scores / 100))
        assert len(epochs) == 1
        return result, int(epochs[0])


class Log(Silent):
    """Keeps what happens, in order; `at` is called with each line."""

    def __init__(self, at: Callable[[str], None] = lambda line: None) -> None:
        self.lines: list[str] = []
        self.at = at

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.at(line)

    def group_started(self, group: Group) -> None:
        self.add(f"group {' '.join(f'{planned.cell.ratio:g}' for planned in group.cells)}")

    def cell_progress(self, planned: Planned, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        self.add(f"epoch {epoch}/{epochs} of {planned.cell.ratio:g}")

    def cell_finished(self, planned: Planned, state: str, seconds: float) -> None:
        self.add(f"{state} {planned.cell.ratio:g}")


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.setenv("SCRIPT", str(tmp_path / "script.json"))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.jsonl"))
    return Scripted(tmp_path)


def known_right(data: Dataset, visible: Labels) -> Labels:
    """Training scores that rank the known labels perfectly and the hidden ones in reverse."""
    return np.where(visible != 0, data.train.labels, -data.train.labels)


def test_best_val_publishes_the_first_of_the_epochs_that_rank_the_known_held_out_labels_best(
    scripted: Scripted,
) -> None:
    planned = scripted.planned(*BEST_VAL, ratio=0.2)  # by complete labels, most of them hidden, another epoch is best
    data = open_dataset(planned)
    right = known_right(data, train_set(data, planned, 0).labels)
    test = data.test.labels
    scripted.write(data, (-right, test), (right, -test), (right, test), (-right, test))
    scripted.run([Group((planned,))])
    result, epoch = scripted.result()
    assert epoch == 2
    assert result.selection == "best-val"
    assert result.metrics["map"] == evaluate((-test).astype(np.float32), test).values["map"] < 1
    assert result.oracle is None


def test_best_val_judges_by_held_out_images_alone(scripted: Scripted) -> None:
    planned = scripted.planned(*BEST_VAL)
    data = open_dataset(planned)
    train, test = train_set(data, planned, 0), data.test.labels
    validation = held_out(train.ids, SHARE)[:, None]
    right = known_right(data, train.labels)
    scripted.write(data, (np.where(validation, -right, right), test), (np.where(validation, right, -right), -test))
    scripted.run([Group((planned,))])
    assert scripted.result()[1] == 2


def test_best_val_trains_on_what_it_does_not_hold_out(scripted: Scripted) -> None:
    planned = scripted.planned(*BEST_VAL)
    data = open_dataset(planned)
    scripted.write(data, (data.train.labels, data.test.labels))
    scripted.run([Group((planned,))])
    train = train_set(data, planned, 0)
    rows = ~held_out(train.ids, SHARE)
    assert 20 < rows.sum() < len(train)
    (seen,) = scripted.seen
    assert tuple(seen["ids"]) == train.take(rows).ids
    assert seen["labels"] == train.labels[rows].tolist()
    result, _ = scripted.result()
    assert result.support.known == tuple((train.labels[rows] > 0).sum(axis=0))
    assert result.mask_digest == mask_digest(train.labels[rows] != 0)


@pytest.mark.parametrize("sets", [(), BEST_TEST, (f"recipe.validation={SHARE}",)], ids=["last", "best-test", "share"])
def test_without_best_val_all_images_are_trained_on(sets: tuple[str, ...], scripted: Scripted) -> None:
    planned = scripted.planned(*sets)
    data = open_dataset(planned)
    scripted.write(data, (data.train.labels, data.test.labels))
    scripted.run([Group((planned,))])
    train = train_set(data, planned, 0)
    assert [(tuple(seen["ids"]), seen["labels"]) for seen in scripted.seen] == [(train.ids, train.labels.tolist())]
    result, _ = scripted.result()
    assert result.support.known == tuple((train.labels > 0).sum(axis=0))
    assert result.support.train == tuple((data.train.labels > 0).sum(axis=0))
    assert result.support.test == tuple((data.test.labels > 0).sum(axis=0))


def test_last_publishes_the_last_epoch_however_bad(scripted: Scripted) -> None:
    planned = scripted.planned()
    data = open_dataset(planned)
    train, test = data.train.labels, data.test.labels
    scripted.write(data, (train, test), (-train, -test))
    scripted.run([Group((planned,))])
    result, epoch = scripted.result()
    assert (epoch, result.epochs_run, result.oracle) == (2, 2, None)
    assert result.history == ({"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5})


def test_best_test_publishes_the_last_epoch_and_names_the_first_of_the_best_as_oracle(scripted: Scripted) -> None:
    planned = scripted.planned(*BEST_TEST)
    data = open_dataset(planned)
    train, test = data.train.labels, data.test.labels
    scripted.write(data, (train, -test), (-train, test), (train, test), (train, -test))
    scripted.run([Group((planned,))])
    result, epoch = scripted.result()
    assert epoch == 4
    assert result.metrics["map"] == evaluate((-test).astype(np.float32), test).values["map"]
    assert result.oracle is not None
    assert (result.oracle.epoch, result.oracle.metrics["map"]) == (2, 1.0)


@pytest.mark.parametrize(("quarters", "best"), [((2, 4, 3), 2), ((4, 2, 3), 1), ((2, 3, 4), 3)])
def test_best_val_remembers_the_best_epoch_over_stops(quarters: tuple[int, ...], best: int, scripted: Scripted) -> None:
    planned = scripted.planned(*BEST_VAL)
    data = open_dataset(planned)
    right = known_right(data, train_set(data, planned, 0).labels)
    quarter = np.arange(len(right))[:, None] % 4
    scripted.write(data, *((np.where(quarter < number, right, -right), data.test.labels) for number in quarters))
    for epoch in (1, 2):
        stop = threading.Event()

        def at(line: str, last: str = f"epoch {epoch}/3 of 0.5", flag: threading.Event = stop) -> None:
            if line == last:
                flag.set()

        assert scripted.run([Group((planned,))], listener=Log(at), stop=stop).interrupted
    scripted.run([Group((planned,))])
    assert scripted.result()[1] == best


@pytest.mark.parametrize("sets", [(), BEST_VAL], ids=["last", "best-val"])
@pytest.mark.parametrize("right", [True, False])
def test_pseudo_labels_are_compared_with_the_hidden_labels_of_the_images_that_are_trained_on(
    right: bool, sets: tuple[str, ...], scripted: Scripted
) -> None:
    planned = scripted.planned(*sets)
    data = open_dataset(planned)
    scripted.write(data, (data.train.labels if right else -data.train.labels, data.test.labels))
    scripted.run([Group((planned,))])
    result, _ = scripted.result()
    found = result.pseudo_labels["pseudo"]
    assert (found["precision"], found["recall"]) == ((1.0, 1.0) if right else (0.0, 0.0))


def test_the_first_of_the_rates_that_rank_the_known_held_out_labels_best_is_published(scripted: Scripted) -> None:
    planned = scripted.planned(*RATES, ratio=0.2)  # by complete labels, most of them hidden, another rate is best
    data = open_dataset(planned)
    train, test = train_set(data, planned, 0), data.test.labels
    validation = held_out(train.ids, SHARE)
    right = np.where(validation[:, None], known_right(data, train.labels), -data.train.labels)
    scripted.write(data, (-right, test), (right, -test), (right, test))  # the scores at each rate
    scripted.run([Group((planned,))])
    result, rate = scripted.result()
    assert rate == 2
    assert result.tried_rates is not None
    first, *others = [tried.map for tried in result.tried_rates.rates]
    assert first is not None
    assert first < 1
    assert others == [1.0, 1.0]
    kept = train.take(~validation)
    *tried, chosen = [tuple(seen["ids"]) for seen in scripted.seen]
    assert (tried, chosen) == ([kept.ids] * 3, train.ids)
    assert result.support.known == tuple((train.labels > 0).sum(axis=0))


def test_rates_are_tried_once_however_often_a_run_is_stopped(scripted: Scripted) -> None:
    planned = scripted.planned(*RATES)
    data = open_dataset(planned)
    scripted.write(data, *[(data.train.labels, data.test.labels)] * 3)
    stop = threading.Event()

    def in_the_fourth_training(line: str) -> None:
        if line.startswith("epoch") and len(scripted.seen) == 4:
            stop.set()

    log = Log(in_the_fourth_training)
    assert scripted.run([Group((planned,))], listener=log, stop=stop).interrupted
    assert scripted.run([Group((planned,))]).done
    assert len(scripted.seen) == 3 + 2
    assert not list(scripted.store.root.rglob("checkpoint-*"))


def test_a_score_agrees_with_its_result_until_either_is_changed(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = scripted.planned()
    data = open_dataset(planned)
    scripted.write(data, (data.train.labels, data.test.labels))
    scripted.run([Group((planned,))])
    folder = scripted.store.folder(planned.cell)
    again = rescore(folder)
    assert again.agrees
    assert again.stored["map"] == again.now["map"] == 1.0
    assert not replace(again, now={**again.now, "map": 0.999}).agrees
    other = replace(data, test=data.test.take(np.arange(len(data.test))[::-1]))
    monkeypatch.setattr("pmll_bench.store.scored_data.open_dataset", lambda planned: other)
    with pytest.raises(StoreError, match="other images or classes"):
        rescore(folder)


class TakesOver(Silent):
    """Gives each cell's lease to another machine as soon as it has trained an epoch."""

    def __init__(self, folder_of: Callable[[Planned], CellFolder]) -> None:
        self.folder_of = folder_of
        self.leases: dict[Path, Lease] = {}
        self.notes: list[str] = []

    def cell_progress(self, planned: Planned, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        path = self.folder_of(planned).lease
        foreign = path.with_suffix(".foreign")
        foreign.write_text("filelock/2\npid=1\nhost=node17\nmode=lease\ntoken=aa\nduration=300.0\n")
        foreign.replace(path)
        until = time.monotonic() + 20
        while self.leases[path].lost is None and time.monotonic() < until:
            time.sleep(0.01)

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_run_that_lost_its_lease_publishes_nothing(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = scripted.planned()
    data = open_dataset(planned)
    scripted.write(data, (data.train.labels, data.test.labels))
    taken = TakesOver(lambda each: scripted.store.folder(each.cell))

    def lease(path: Path) -> Lease:
        taken.leases[path] = Lease(path, heartbeat=0.02)
        return taken.leases[path]

    monkeypatch.setattr(groups_module, "Lease", lease)
    outcome = scripted.run([Group((planned,))], listener=taken)
    folder = scripted.store.folder(planned.cell)
    assert outcome == Outcome(interrupted=[planned.cell.id])
    assert folder.result() is None
    assert not list(folder.path.rglob("result.json"))
    (attempt,) = folder.attempts()
    end = attempt.ended()
    assert end is not None
    assert (end.kind, end.message.startswith("LeaseLost: another run took over this cell")) == ("interrupted", True)
    assert any("another run took over this cell" in note for note in taken.notes)


def three_groups(scripted: Scripted) -> tuple[Group, ...]:
    groups = scripted.plan(ratios=(0.2, 0.5, 0.8))
    assert [len(group.cells) for group in groups] == [1, 1, 1]
    data = open_dataset(groups[0].cells[0])
    scripted.write(data, (data.train.labels, data.test.labels), (data.train.labels, data.test.labels))
    return groups


def lines(*ratios: str) -> list[str]:
    return [
        line
        for ratio in ratios
        for line in (f"group {ratio}", f"epoch 1/2 of {ratio}", f"epoch 2/2 of {ratio}", f"done {ratio}")
    ]


def test_groups_are_carried_out_one_after_the_other_in_the_order_of_the_plan(scripted: Scripted) -> None:
    groups, log = three_groups(scripted), Log()
    outcome = scripted.run(groups[::-1], listener=log)
    assert log.lines == lines("0.8", "0.5", "0.2")
    assert outcome.done == [group.cells[0].cell.id for group in groups[::-1]]


def test_a_stop_ends_the_cell_under_way_and_begins_no_other_group(scripted: Scripted) -> None:
    groups, stop = three_groups(scripted), threading.Event()
    log = Log(lambda line: stop.set() if line == "epoch 1/2 of 0.5" else None)
    outcome = scripted.run(groups, listener=log, stop=stop)
    assert log.lines == [*lines("0.2"), "group 0.5", "epoch 1/2 of 0.5", "interrupted 0.5"]
    first, second, third = (group.cells[0] for group in groups)
    assert outcome == Outcome(done=[first.cell.id], interrupted=[second.cell.id])
    assert [scripted.store.folder(each.cell).state().name for each in (first, second, third)] == [
        "done",
        "interrupted",
        "planned",
    ]
    again = Log()
    scripted.run(groups, listener=again)
    assert again.lines == ["group 0.5", "epoch 2/2 of 0.5", "done 0.5", *lines("0.8")]
    result = scripted.store.folder(second.cell).result()
    assert result is not None
    assert (result.attempt, [entry["epoch"] for entry in result.history]) == (2, [1, 2])


def test_ctrl_c_interrupts_the_cell_under_way_and_ends_the_run(scripted: Scripted) -> None:
    def interrupt(line: str) -> None:
        if line == "epoch 1/2 of 0.5":
            raise KeyboardInterrupt

    groups, log = three_groups(scripted), Log(interrupt)
    with pytest.raises(KeyboardInterrupt):
        scripted.run(groups, listener=log)
    assert log.lines == [*lines("0.2"), "group 0.5", "epoch 1/2 of 0.5", "interrupted 0.5"]


def test_a_store_that_cannot_be_written_ends_the_run_and_fails_no_cell(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(Attempt, "write_scores", full)
    groups, log = three_groups(scripted), Log()
    with pytest.raises(StoreError, match="no space left"):
        scripted.run(groups, listener=log)
    assert log.lines == [*lines("0.2")[:-1], "lost 0.2"]
    end = scripted.store.folder(groups[0].cells[0].cell).attempts()[-1].ended()
    assert end is not None
    assert (end.kind, end.cause, end.message) == ("lost", "node", "no space left")


def test_a_full_disk_ends_the_run_even_where_predict_swallows_the_error(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("no space left")

    saves = ["def predict(self, images, run):", "try:", "    run.save({})", "except Exception:", "    pass"]
    scripted.file.write_text(SCRIPTED.replace(saves[0], "\n        ".join(saves)))
    monkeypatch.setattr(Attempt, "save_checkpoint", full)
    with pytest.raises(StoreError, match="no space left"):
        scripted.run(three_groups(scripted))
    assert list(scripted.store.results()) == []


def test_a_cell_that_another_run_finishes_in_the_meantime_is_not_run_again(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = scripted.planned()
    data = open_dataset(planned)
    scripted.write(data, (data.train.labels, data.test.labels))

    def late(path: Path) -> Lease:
        monkeypatch.setattr(groups_module, "Lease", Lease)
        scripted.run([Group((planned,))])  # the other run, just before this one takes the lease
        return Lease(path)

    monkeypatch.setattr(groups_module, "Lease", late)
    log = Log()
    assert scripted.run([Group((planned,))], listener=log) == Outcome()
    assert log.lines == []
    assert len(scripted.store.folder(planned.cell).attempts()) == 1


def test_a_cell_that_another_run_holds_is_not_begun(scripted: Scripted) -> None:
    planned = scripted.planned()
    folder = scripted.store.folder(planned.cell)
    with Lease(folder.lease):
        outcome = scripted.run([Group((planned,))])
    assert outcome == Outcome(held=[planned.cell.id])
    assert folder.attempts() == ()


def test_the_time_of_a_group_is_recorded_with_the_number_of_cells_that_share_it(scripted: Scripted) -> None:
    cells = tuple(planned for group in three_groups(scripted) for planned in group.cells)
    slow = Log(lambda line: time.sleep(0.05) if line.startswith("epoch") else None)
    started = time.monotonic()
    scripted.run([Group(cells)], listener=slow)
    took = time.monotonic() - started
    seconds = [result.seconds for result in scripted.store.results()]
    assert [each.shared_with for each in seconds] == [3, 3, 3]
    assert len({(each.train, each.predict) for each in seconds}) == 1
    assert 6 * 0.05 <= seconds[0].train < took
    assert 0 < seconds[0].predict < took - seconds[0].train
