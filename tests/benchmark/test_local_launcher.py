"""`run --launcher local` with real processes: the bits of a run in this process, and whatever may end one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command_line import SMALL, Command, method_file
from pmll_bench.errors import StoreError
from pmll_bench.launch.local.slot import as_error, as_plain
from pmll_bench.launch.local.slot_death import cause_of, oom_kills
from pmll_bench.launch.local.slots import slots_here
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


def test_a_slot_that_dies_is_replaced_and_its_cells_are_tried_again_three_times(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies = """
        if (run.seed == 0 or run.seed == 1 and not os.path.exists("once")) and not os.environ.get("SAFE"):
            open("once", "w").close()
            print("the lake rises", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)"""
    grid = ["run", "--methods", method_file(tmp_path, fit=dies), "--ratios", "0.5", "--seeds", "1,0,2", *SMALL]
    answer = command(*grid, *LOCAL[:2], "--slots", "1", "--json")
    assert answer.code == 4
    outcome = json.loads(answer.out.splitlines()[-1])
    assert (len(outcome["lost"]), len(outcome["done"])) == (1, 2)
    assert "died (Killed; out of memory?) while it ran mine shapes 50% seed 1; it is tried again" in answer.err
    folder = Store.open(Path("runs")).find(outcome["lost"][0])
    assert folder.state() == (
        "lost",
        "its slot died (Killed; out of memory?); fewer slots leave more memory to each: --slots",
    )
    ends = [attempt.ended() for attempt in folder.attempts()]
    assert [end and (end.kind, end.why, end.traceback) for end in ends] == [("lost", "lost", "the lake rises")] * 4
    monkeypatch.setenv("SAFE", "1")
    assert command(*grid).code == 0
    assert command("status", "--check").code == 0


def test_a_slot_that_ends_by_itself_isnt_tried_again(command: Command, tmp_path: Path) -> None:
    mine = method_file(tmp_path, fit='print("the lake is empty", flush=True); os._exit(3)')
    answer = command("run", "--methods", mine, "--ratios", "0.5", *SMALL, *LOCAL)
    assert answer.code == 4
    assert "1 cell failed: its slot ended with exit code 3" in answer.err
    (folder,) = Store.open(Path("runs")).folders()
    ends = [attempt.ended() for attempt in folder.attempts()]
    assert [end and end.traceback for end in ends] == ["the lake is empty"]
    assert "what attempt 1 said last:\nthe lake is empty\n" in command("logs", folder.id).out


def test_a_cell_that_a_passing_fault_has_ended_is_tried_again(command: Command, tmp_path: Path) -> None:
    """A file handle that is stale once, as after a restart of a file server."""
    fault = (
        'if not os.path.exists("once"): open("once", "w").close(); raise OSError(__import__("errno").ESTALE, "stale")'
    )
    grid = ["run", "--methods", method_file(tmp_path, fit=fault), "--ratios", "0.5", *SMALL]
    answer = command(*grid, *LOCAL, "--json")
    assert answer.code == 0, answer.err
    outcome = json.loads(answer.out.splitlines()[-1])
    assert (len(outcome["done"]), outcome["lost"]) == (1, [])
    assert "mine shapes 50% seed 0: tried again" in answer.out + answer.err
    (folder,) = Store.open(Path("runs")).folders()
    ends = [attempt.ended() for attempt in folder.attempts()]
    assert [end and end.why for end in ends] == ["node", None]


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A control group with too little memory for a method that is greedy."""
    base = Path("/sys/fs/cgroup")
    base = base / "memory" if (base / "memory").is_dir() else base
    group = base / f"pmll-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if base.name == "memory" else "memory.max"
    try:
        group.mkdir()
        (group / limit).write_text(str(2**30))
    except OSError as error:
        pytest.skip(f"needs a control group of its own: {error}")
    yield group
    wait_for(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


def test_a_slot_that_the_kernel_kills_for_memory_says_so_and_isnt_tried_again(
    command: Command, tmp_path: Path, small_memory: Path
) -> None:
    greedy = method_file(tmp_path, fit="hoard = [bytearray(b'x' * 2**24) for _ in range(1000)]")
    run = ["run", "--methods", greedy, "--ratios", "0.5", *SMALL, *LOCAL]
    inside = f'echo $$ >{small_memory}/cgroup.procs; exec "$@"'
    ended = subprocess.run(
        ["bash", "-c", inside, "bash", sys.executable, "-m", "pmll_bench", *run], capture_output=True, text=True
    )
    assert ended.returncode == 4, ended.stderr
    (folder,) = Store.open(Path("runs")).folders()
    assert folder.state() == ("failed", "killed for memory; fewer slots leave more memory to each: --slots")
    ends = [attempt.ended() for attempt in folder.attempts()]
    assert [end and end.why for end in ends] == ["oom"]


@pytest.mark.parametrize(
    ("membership", "file", "content"),
    [
        ("0::/user/me\n", "user/me/memory.events", "low 0\noom 3\noom_kill 2\n"),
        ("4:memory:/me\n3:cpu:/\n0::/\n", "memory/me/memory.oom_control", "under_oom 0\noom_kill 2\n"),
    ],
    ids=["version 2", "version 1"],
)
def test_the_kernel_tells_how_many_processes_it_has_killed_for_memory(
    tmp_path: Path, membership: str, file: str, content: str
) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert oom_kills(membership, tmp_path) == 2
    assert oom_kills("", tmp_path) >= 0  # the whole machine's


@pytest.mark.parametrize(
    ("code", "killed", "cause"),
    [(-9, True, "oom"), (-9, False, "lost"), (-11, True, "lost"), (-7, False, "lost"), (1, True, "error")],
)
def test_only_a_killed_process_can_have_been_killed_for_memory(code: int, killed: bool, cause: str) -> None:
    assert cause_of(code, killed_for_memory=killed) == cause


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
    said_why: dict[int, str] = {signal.SIGINT: "stopped by Ctrl-C", signal.SIGTERM: "stopped by SIGTERM"}
    for path in Path("runs").rglob("end.json"):
        assert json.loads(path.read_text())["message"] == said_why.get(number, "the run was asked to stop")
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
    monkeypatch.setattr("pmll_bench.launch.local.slots.cores", lambda: cores)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    found = slots_here(*asked)
    assert [(slot.device, slot.threads) for slot in found] == expected
    assert {slot.workers for slot in found} == {max(2, min(16, cores // len(found)))}
    assert {slot.workers for slot in slots_here(*asked, workers=1)} == {1}


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
