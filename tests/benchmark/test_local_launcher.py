"""`run --launcher local` with real processes: the bits of a run in this process, and whatever may end one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import SMALL, Command, method_file
from pmll_bench.errors import StoreError
from pmll_bench.launch.local import slots_here
from pmll_bench.launch.slot import as_error, as_plain
from pmll_bench.store.store import Store
from pmll_methods.method import MethodError

LOCAL = ["--launcher", "local", "--slots", "2"]
PATIENT = """
def learn(run):
    state = run.restore()
    if state is not None:
        print("goes on from step", state["step"], flush=True)
    elif run.seed < 2:
        while not run.should_stop():
            time.sleep(0.01)
        run.save({"step": 7}, 7)
        raise Stopped
"""


def patient_method(folder: Path) -> str:
    """A method file that, with the seeds 0 and 1, learns until it is stopped, and is done when it is restored."""
    path = Path(method_file(folder, fit="learn(run)"))
    path.write_text(f"import time\n{path.read_text()}{PATIENT}")
    return str(path)


def started(grid: list[str]) -> subprocess.Popen[str]:
    """A run in slots as a terminal starts it: in a process group of its own."""
    command = [sys.executable, "-m", "pmll_bench", *grid, *LOCAL]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, process_group=0)


def wait_for(condition: Callable[[], object]) -> None:
    """Return when something has become true; the tests' own time limit ends what never does."""
    while not condition():
        time.sleep(0.05)


def lives(process: int) -> bool:
    """Whether a process is there and more than an entry that nobody has asked for yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# --- what comes of it


def test_slots_give_the_bits_and_the_events_of_a_run_in_this_process(command: Command) -> None:
    from soak.kill_nine import differences

    grid = ["run", "--methods", "bce", "--ratios", "0.2", "0.8", "--seeds", "0,1", *SMALL, "--set", "recipe.epochs=1"]
    slots, inline = (command(*grid, "--json", *more) for more in ((*LOCAL, "--root", "slots"), ("--root", "inline")))
    assert slots.code == 0, slots.err
    assert "2 slots with 1 thread each" in slots.err
    stores = [Store.open(Path(root)) for root in ("slots", "inline")]
    assert len(list(stores[0].results())) == 4
    assert differences(*stores) == []
    commands = {json.loads(path.read_text())["command"][0] for path in Path().rglob("attempt.json")}
    assert commands == {sys.argv[0]}  # what the user typed
    events, expected = ([json.loads(line) for line in answer.out.splitlines()] for answer in (slots, inline))
    for name, told in (("group_started", "cells"), ("cell_progress", "losses"), ("cell_finished", "state")):
        said, meant = ([line for line in lines if line.get("event") == name] for lines in (events, expected))
        assert sorted(str((line.get("cell"), line[told])) for line in said) == sorted(
            str((line.get("cell"), line[told])) for line in meant
        )
    assert sorted(events[-1]["done"]) == sorted(expected[-1]["done"])
    again = command(*grid, *LOCAL, "--root", "slots")
    assert "nothing to do: all 4 cells are done" in again.err
    assert "slots: " not in again.err


def test_a_cell_that_fails_stops_no_other_and_what_methods_print_is_passed_on(command: Command, tmp_path: Path) -> None:
    mine = method_file(tmp_path, fit='print("the lake is", "dry" if run.seed else "full"); 1 / (1 - run.seed)')
    answer = command("run", "--methods", mine, "--ratios", "0.5", "--seeds", "0,1", *SMALL, *LOCAL)
    assert answer.code == 4
    assert "1 cell failed: ZeroDivisionError: division by zero" in answer.err
    assert {"the lake is full", "the lake is dry"} <= set(answer.err.splitlines())
    assert "mine" in answer.out
    assert "lake" not in answer.out


def test_a_slot_that_dies_costs_its_own_group_and_another_takes_its_place(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies = 'if run.seed < 2 and not os.environ.get("SAFE"): os.kill(os.getpid(), signal.SIGKILL)'
    grid = ["run", "--methods", method_file(tmp_path, fit=dies), "--ratios", "0.5", "--seeds", "0,1,2", *SMALL]
    answer = command(*grid, *LOCAL, "--json")
    assert answer.code == 4
    outcome = json.loads(answer.out.splitlines()[-1])
    assert (len(outcome["lost"]), len(outcome["done"])) == (2, 1)
    assert "died (Killed; out of memory?) while it ran mine shapes 50% seed 0" in answer.err
    assert "2 cells lost: attempt 1 ended without recording a result (killed?)" in answer.err
    monkeypatch.setenv("SAFE", "1")
    assert command(*grid).code == 0
    assert command("status", "--check").code == 0


def test_a_full_disk_stops_all_slots_with_the_error_of_a_run_in_this_process(command: Command, tmp_path: Path) -> None:
    full = "from pmll_bench.errors import StoreError; raise StoreError('no space left', where='x', hint='free some')"
    grid = ["run", "--methods", method_file(tmp_path, fit=full), "--ratios", "0.5", "--seeds", "0,1,2", *SMALL]
    answer = command(*grid, *LOCAL)
    assert answer.code == 6
    assert answer.err.endswith("error: no space left\n  where: x\n  hint:  free some\n")
    assert "died" not in answer.err
    assert len(list(Path("runs").rglob("attempt.json"))) < 3


# --- stopping


@pytest.mark.parametrize(
    ("stop", "number", "code"),
    [(os.kill, signal.SIGKILL, -9), (os.killpg, signal.SIGINT, 130), (os.kill, signal.SIGTERM, 143)],
    ids=["the parent is killed", "Ctrl-C in a terminal", "the parent is told to end"],
)
def test_slots_save_and_end_with_their_parent_and_the_next_run_goes_on_from_there(
    stop: Callable[[int, int], None], number: int, code: int, command: Command, tmp_path: Path
) -> None:
    grid = ["run", "--methods", patient_method(tmp_path), "--ratios", "0.5", "--seeds", "0,1,2", *SMALL]
    parent = started(grid)
    wait_for(lambda: len(list(Path("runs").rglob("events.jsonl"))) == 2)
    slots = [json.loads(path.read_text())["pid"] for path in Path("runs").rglob("attempt.json")]
    assert all(map(lives, slots))
    assert parent.pid not in slots
    stop(parent.pid, number)
    said = parent.communicate()[1]
    assert parent.returncode == code
    assert ("the same command continues from here" in said) == (code > 0)
    assert "died" not in said
    wait_for(lambda: not any(map(lives, slots)))
    states = [cell["state"] for cell in command(*grid, "--dry-run", "--json").document["cells"]]
    assert states == ["interrupted", "interrupted", "planned"]
    goes_on = command(*grid)
    assert goes_on.code == 0
    assert goes_on.out.count("goes on from step 7") == 2


def test_a_second_ctrl_c_ends_the_slots_at_once(command: Command, tmp_path: Path) -> None:
    deaf = method_file(tmp_path, fit='open("slot", "w").write(str(os.getpid())); __import__("time").sleep(1000)')
    parent = started(["run", "--methods", deaf, "--ratios", "0.5", *SMALL])
    wait_for(lambda: Path("slot").exists() and Path("slot").read_text())
    assert parent.stderr is not None
    with parent.stderr as said:
        parent.send_signal(signal.SIGINT)
        wait_for(lambda: "press Ctrl-C again" in said.readline())
        parent.send_signal(signal.SIGINT)
        assert parent.wait() == 130
    wait_for(lambda: not lives(int(Path("slot").read_text())))


# --- which slots, and what is refused


@pytest.mark.parametrize(
    ("asked", "machine", "expected"),
    [
        ((None, None, None), (2, 0), [("cpu", 1)] * 2),
        ((None, None, None), (64, 0), [("cpu", 8)] * 8),
        ((None, None, 2), (6, 0), [("cpu", 2)] * 3),
        ((None, None, 4), (2, 0), [("cpu", 4)]),
        ((3, None, None), (2, 0), [("cpu", 1)] * 3),
        ((None, None, None), (16, 2), [("cuda:0", 8), ("cuda:1", 8)]),
        ((3, "cuda", None), (16, 2), [("cuda:0", 5), ("cuda:1", 5), ("cuda:0", 5)]),
        ((None, "cuda:1", None), (16, 2), [("cuda:1", 16)]),
        ((2, "cuda:1", 3), (16, 2), [("cuda:1", 3)] * 2),
        ((None, "cpu", None), (4, 2), [("cpu", 1)] * 4),
    ],
)
def test_slots_share_out_what_the_machine_has(
    asked: tuple[int | None, str | None, int | None],
    machine: tuple[int, int],
    expected: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cores, gpus = machine
    monkeypatch.setattr("pmll_bench.launch.local.cores", lambda: cores)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert [(slot.device, slot.threads) for slot in slots_here(*asked)] == expected


@pytest.mark.parametrize("launcher", [[], ["--launcher", "inline"], ["--launcher", "slurm"]])
@pytest.mark.parametrize("asked", [["run"], ["ablate", "dualcoop-contexts"]])
def test_slots_without_the_local_launcher_are_a_usage_error(
    command: Command, asked: list[str], launcher: list[str]
) -> None:
    answer = command(*asked, "--slots", "2", *launcher)
    assert answer.code == 2
    assert "add --launcher local" in answer.err


def test_no_slots_are_a_usage_error(command: Command) -> None:
    assert command("run", "--launcher", "local", "--slots", "0").code == 2


@pytest.mark.parametrize("kind", [StoreError, MethodError])
def test_an_error_of_a_slot_is_raised_as_what_it_was(kind: type[StoreError] | type[MethodError]) -> None:
    error = as_error(json.loads(json.dumps(as_plain(kind("dry", where="lake", hint="rain")))))
    assert isinstance(error, kind)
    assert (error.what, error.where, error.hint) == ("dry", "lake", "rain")


def test_an_unexpected_error_of_a_slot_brings_its_traceback() -> None:
    error = as_error(as_plain(KeyError("lake")))
    assert str(error) == "KeyError: 'lake'"
    assert "KeyError: 'lake'" in error.__notes__[0]
