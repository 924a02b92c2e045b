"""What a run says while it goes, on a terminal, on a pipe and to a program."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from pmll_bench.plan.planned import Group, cell_name
from pmll_bench.running.listeners import Both, JsonListener
from pmll_bench.running.progress import Pace, PlainListener, RichListener
from pmll_bench.running.stopping import MESSAGE, stop_on_signals
from stored import planned

GROUP = Group((planned(ratio=0.1), planned(ratio=0.5)))


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_cell_is_named_as_a_reader_calls_it() -> None:
    assert cell_name(planned(ratio=0.1)) == "SST voc2007 10% seed 0"
    assert cell_name(planned(ratio=0.125, mask_seed=3)) == "SST voc2007 12.5% seed 0 mask 3"


def test_the_time_left_is_what_the_rest_will_take_at_this_pace() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now = 30.0
    assert pace.left(1, 4) == "1 min 30 s left"
    assert pace.left(0, 4) == pace.left(4, 4) == ""


def test_plain_lines_say_how_a_cell_goes_at_most_every_30_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    listener = PlainListener(2, stream, clock)
    listener.group_started(GROUP)
    for epoch in range(1, 61):
        clock.now += 1
        listener.cell_progress(GROUP.cells[0], epoch, 90, {"bce": 0.25, "reg": 0.5})
    listener.cell_finished(GROUP.cells[0], "done", 90.0)
    assert stream.getvalue().splitlines() == [
        "start  SST voc2007 10% seed 0 and 1 more in lockstep",
        "train  SST voc2007 10% seed 0: epoch 30/90, loss 0.75, 1 min 00 s left",
        "train  SST voc2007 10% seed 0: epoch 60/90, loss 0.75, 30.0 s left",
        "done   SST voc2007 10% seed 0 (1 min 30 s for 2 cells, 1/2)",
    ]


def test_a_terminal_has_a_bar_for_the_grid_and_a_line_for_every_running_cell() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, color_system=None)
    with RichListener(2, console) as listener:
        listener.group_started(GROUP)
        listener.cell_progress(GROUP.cells[0], 3, 20, {"bce": 0.25})
        listener.progress.refresh()
        live = stream.getvalue()
        listener.cell_finished(GROUP.cells[0], "failed", 2.0)
        listener.progress.refresh()
    assert "cell  0/2" in live
    assert "SST voc2007 10% seed 0" in live
    assert "SST voc2007 50% seed 0" in live
    assert re.search(r"epoch +3/20 +loss 0.25", live)
    assert "failed: SST voc2007 10% seed 0 after 2.0 s" in stream.getvalue()
    assert "1 failed" in stream.getvalue()
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")  # the cursor is back


def test_a_program_reads_every_event_as_one_json_line() -> None:
    stream, plain = io.StringIO(), io.StringIO()
    listener = Both(PlainListener(2, plain), JsonListener(stream))
    listener.group_started(GROUP)
    listener.cell_progress(GROUP.cells[0], 1, 2, {"bce": 0.5})
    listener.cell_finished(GROUP.cells[0], "done", 1.23456)
    listener.note("a word")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    first = GROUP.cells[0].cell.id
    assert [event["event"] for event in events] == ["group_started", "cell_progress", "cell_finished", "note"]
    assert events[1] | {"losses": {"bce": 0.5}, "epoch": 1, "epochs": 2, "cell": first} == events[1]
    assert events[2]["state"] == "done"
    assert plain.getvalue().splitlines()[-1] == "a word"


def test_a_reader_who_has_gone_fails_no_cell() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    PlainListener(2, stream).cell_finished(GROUP.cells[0], "done", 1.0)
    with pytest.raises(BrokenPipeError):
        stream.close()


# --- signals


def wait_for(condition: Callable[[], bool]) -> bool:
    """Whether something becomes true within five seconds."""
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_to_stop_and_says_so(number: signal.Signals, code: int) -> None:
    said: list[str] = []
    before = signal.getsignal(number)
    with stop_on_signals(said.append) as stop:
        assert stop.exit_code == 0
        os.kill(os.getpid(), number)
        assert stop.wait(5)
        assert stop.exit_code == code
        assert wait_for(lambda: said == [MESSAGE])
    assert signal.getsignal(number) is before


def test_the_second_signal_stops_at_once() -> None:
    code = """
import os, signal, time
from pmll_bench.running.stopping import stop_on_signals
with stop_on_signals(lambda text: None):
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 130
