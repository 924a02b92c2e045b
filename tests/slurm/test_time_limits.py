"""Jobs that reach their time limit. Slurm looks at limits every half minute, so this test takes minutes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from real_slurm import Results, as_inline, submit, the_cell, wrong
from timeline import Watch

pytestmark = pytest.mark.slurm

FAULTS = {"saves": ("hold",), "saves-nothing": ("hold", "saveless"), "hears-nothing": ("hold", "deaf")}
TITLES = {
    "saves": "time limit, with progress",
    "saves-nothing": "time limit, without progress",
    "hears-nothing": "time limit, and the method does not listen",
}


def test_jobs_that_reach_their_time_limit(
    watch: Watch, expected: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that saves goes on; one that saves nothing is given up after two rounds; one that hears nothing is killed."""

    def change(root: str, *faults: str) -> None:
        monkeypatch.setenv("FAULTS", str(tmp_path / f"{root}.faults"))
        wrong(*faults)

    said = {root: watch(title, root) for root, title in TITLES.items()}
    for root, faults in FAULTS.items():
        change(root, *faults)
        submit(root=root, slurm=["time=3"])  # the shortest: a job is asked to save 90 s before
        said[root].event("submitted with time=3")
    pending = {
        "saves": ("queued|running", ""),  # in its second round
        "saves-nothing": ("failed", "time limit 2 times"),
        "hears-nothing": ("interrupted", "time limit"),
    }
    left, end = dict(said), time.monotonic() + 400
    while left:
        for root, (state, reason) in list(pending.items()):
            if said[root].poll(state, reason) and the_cell(root).newest and the_cell(root).attempts()[0].ended():
                del pending[root]
                change(root)
                if root != "saves":
                    submit(root=root)
                    said[root].event("the same command")
        left = {root: timeline for root, timeline in left.items() if not timeline.poll("done")}
        assert time.monotonic() < end, {root: timeline.rows for root, timeline in left.items()}
        time.sleep(1)
    for root in said:
        assert as_inline(expected, root=root)
    assert set(said["saves"].states) <= {"queued", "running", "done"}
    assert the_cell("saves").newest == 2
    assert the_cell("saves-nothing").newest == 3
