"""`run --log`: TensorBoard and Weights & Biases show what the log of a cell records, and never end a cell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import stored
from command_line import Command
from noted_slurm import Cluster
from pmll_bench.errors import ConfigError
from pmll_bench.launch.slurm.job.worker import execution_of
from pmll_bench.running import tracking
from pmll_bench.running.execution import Execution
from pmll_bench.running.tracking import TRACKERS, Known, Watch, check_trackers
from pmll_bench.store.store import Store

SMALL = ["--subset", "40", "--ratios", "0.5", "--set", "recipe.epochs=2", "--device", "cpu", "--threads", "1"]


def scalars(folder: Path) -> dict[str, list[Any]]:
    """The values of a TensorBoard run by name: steps and values."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    names = found.Tags()["scalars"]
    return {name: [(each.step, each.value) for each in found.Scalars(name)] for name in names}


def text_of(folder: Path) -> str:
    """What a TensorBoard run says of its cell."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    (text,) = found.Tensors("cell/text_summary")
    return str(text.tensor_proto.string_val[0].decode())


def test_tensorboard_shows_the_losses_and_the_metrics_of_a_cell(command: Command) -> None:
    pytest.importorskip("tensorboard")
    answer = command("run", "--methods", "bce", *SMALL, "--log", "tensorboard", "--set", "recipe.selection=best-test")
    assert answer.code == 0
    store = Store(Path("runs"))
    (folder,) = store.folders()
    (run,) = (Path("runs") / "tensorboard").iterdir()
    found, result = scalars(run), folder.result()
    assert result is not None
    assert run.name.endswith(folder.id)
    events = [event for event in folder.attempts()[0].events() if event["event"] == "epoch"]
    assert found["loss/bce"] == [(event["epoch"], pytest.approx(event["bce"])) for event in events]
    assert [step for step, _ in found["selection/map"]] == [1, 2]
    assert found["test/map"] == [(2, pytest.approx(result.metrics["map"]))]
    assert result.oracle is not None
    assert found["oracle/map"] == [(2, pytest.approx(result.oracle.metrics["map"]))]
    identity = json.loads(text_of(run).partition("```json\n")[2].removesuffix("\n```"))
    assert (identity["cell_id"], identity["ratio"], identity["method"]) == (folder.id, 0.5, "bce")
    assert identity["recipe"]["epochs"] == 2
    assert "tensorboard" not in command("prune").out + command("prune").err


def test_another_attempt_continues_a_run_and_replaces_what_it_trains_again(tmp_path: Path) -> None:
    """The first attempt logs three epochs, but its last saved state is that of the first."""
    pytest.importorskip("tensorboard")
    planned = stored.planned()
    for first, value in ((1, 0.5), (2, 0.25)):
        watch = Watch(planned, tmp_path, ("tensorboard",), pytest.fail)
        for epoch in (first, first + 1, first + 2):
            watch({"event": "restore", "step": 10})
            watch({"event": "epoch", "epoch": epoch, "epochs": 4, "bce": value})
        watch.end(None)
    (run,) = (tmp_path / "tensorboard").iterdir()
    assert scalars(run)["loss/bce"] == [(1, 0.5), (2, 0.25), (3, 0.25), (4, 0.25)]


def test_wandb_writes_offline_one_run_per_cell_with_its_identity(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    script = f"""
import json
from pathlib import Path
from wandb.proto import wandb_internal_pb2
from pmll_bench.cli import main
try:
    main(["run", "--methods", "bce", *{SMALL!r}, "--log", "wandb"])
except SystemExit as exit:
    assert not exit.code, exit.code
(file,) = Path("runs/wandb").glob("offline-run-*/*.wandb")
content, place, config, rows, summary, whole = file.read_bytes(), 7, {{}}, [], {{}}, b""
while place < len(content):  # LevelDB's log: blocks of 32 KiB, parts with their length and kind (1 whole, 4 last)
    if 32768 - place % 32768 < 7:
        place += 32768 - place % 32768
        continue
    size, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
    whole += content[place + 7 : place + 7 + size]
    place += 7 + size
    if kind not in (1, 4):
        continue
    record = wandb_internal_pb2.Record()
    record.ParseFromString(whole)
    whole = b""
    if record.HasField("run"):
        config |= {{each.key: json.loads(each.value_json) for each in record.run.config.update}}
        config["run id"], config["run name"] = record.run.run_id, record.run.display_name
    if record.HasField("history"):
        rows.append({{each.key or each.nested_key[0]: json.loads(each.value_json) for each in record.history.item}})
    if record.HasField("summary"):
        summary |= {{each.key or each.nested_key[0]: json.loads(each.value_json) for each in record.summary.update}}
Path("found.json").write_text(json.dumps([config, rows, summary]))
"""
    environment = {**os.environ, "WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    config, rows, summary = json.loads(Path("found.json").read_text())
    (folder,) = Store(Path("runs")).folders()
    result, (attempt,) = folder.result(), folder.attempts()
    assert result is not None
    assert config["run id"] == config["cell_id"] == folder.id
    assert config["run name"] == "bce shapes 50% seed 0"
    assert config["recipe"]["epochs"] == 2
    events = [event for event in attempt.events() if event["event"] == "epoch"]
    logged = [(row["epoch"], row["loss/bce"]) for row in rows]
    assert logged == [(event["epoch"], event["bce"]) for event in events]
    assert summary["test/map"] == result.metrics["map"]


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A tracker that notes what it is told and fails when it is asked to."""
    state = SimpleNamespace(fails="", told=[], started=Counter())

    class Fragile:
        def log(self, epoch: int, values: Mapping[str, float]) -> None:
            if state.fails == "log":
                raise OSError("no network")
            state.told += [f"{name} {epoch}" for name in values]

        def end(self, result: Any) -> None:
            if state.fails == "end":
                raise RuntimeError("gone\nfor good")
            state.told.append("end" if result is None else "result")

    def start(planned: Any, root: Path, epoch: int | None) -> Fragile:
        state.started[planned.cell.ratio] += 1
        if state.fails == "start":
            raise ConnectionError("no server")
        return Fragile()

    module = ModuleType("pmll_bench.running.trackers.fragile")
    module.start = start  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(tracking, "TRACKERS", {"fragile": Known("fragile", "json", "for tests")})
    return state


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("start", ["no longer logged by fragile: ConnectionError: no server"]),
        ("log", ["no longer logged by fragile: OSError: no network"] * 2),
        ("end", ["no longer logged by fragile: RuntimeError: gone"] * 2),
    ],
)
def test_a_tracker_that_fails_ends_no_cell_and_is_said_once(
    fragile: SimpleNamespace, command: Command, fails: str, said: list[str]
) -> None:
    """Two cells train in lockstep. A tracker that cannot start is tried once, not by every cell."""
    fragile.fails = fails
    answer = command("run", "--methods", "bce", *SMALL, "--ratios", "0.9", "--log", "fragile")
    assert answer.code == 0
    notes = [line.partition(": ")[2] for line in answer.err.splitlines() if "fragile" in line]
    assert notes == said
    assert sum(fragile.started.values()) == (1 if fails == "start" else 2)
    assert "result" not in fragile.told


def test_a_tracker_is_told_losses_pseudo_labels_and_the_result(fragile: SimpleNamespace, command: Command) -> None:
    several = ["--regime", "single-positive", *SMALL[:2], *SMALL[4:]]
    assert command("run", "--methods", "role", *several, "--log", "fragile").code == 0
    assert fragile.told[-1] == "result"
    for epoch in (1, 2):
        assert f"loss/role {epoch}" in fragile.told
        assert f"pseudo-labels/estimates/precision {epoch}" in fragile.told
        assert f"pseudo-labels/expected_positives/value {epoch}" in fragile.told


def test_a_tracker_of_a_cell_that_fails_is_ended(fragile: SimpleNamespace, command: Command, tmp_path: Path) -> None:
    file = tmp_path / "dry.py"
    lines = ("def fit(self, train, run):", "    run.report(1, 2, {'focal': 0.5})", "    raise ValueError('dry')")
    file.write_text("\n    ".join(("class Dry:", *lines, "predict = fit\n")))
    assert command("run", "--methods", str(file), *SMALL[:4], "--log", "fragile").code == 4
    assert fragile.told == ["loss/focal 1", "end"]


def test_a_tracker_that_is_not_installed_is_refused_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    for name in TRACKERS:
        with pytest.raises(ConfigError, match=rf'{name} is not installed.*pip install "pmll-bench\[{name}\]"'):
            check_trackers([name])


def test_an_unknown_tracker_starts_nothing(command: Command) -> None:
    answer = command("run", *SMALL, "--log", "tensorbord")
    assert answer.code == 3
    assert "did you mean 'tensorboard'?" in answer.err
    assert not Path("runs").exists()


def test_the_trackers_reach_slots_and_jobs(cluster: Cluster, command: Command, grid: list[str]) -> None:
    """What a slot is sent is JSON, and what a job is told is in the record of its submission."""
    pytest.importorskip("tensorboard")
    sent = json.loads(json.dumps(asdict(Execution(log=("tensorboard", "wandb")))))
    assert list(Execution(**sent).log) == ["tensorboard", "wandb"]
    assert command(*grid, "--launcher", "slurm", "--log", "tensorboard").code == 0
    (record, *_) = sorted(Path("runs/slurm").glob("*.json"))
    options = json.loads(record.read_text())["options"]
    assert execution_of({**options, "device": "cpu"}).log == ("tensorboard",)
    assert execution_of({"device": "cpu"}).log == ()
