"""A controller that comes back without its state: only the files know of its jobs."""

from __future__ import annotations

import pytest

from real_slurm import Cluster, Results, submit
from timeline import Watch, again

pytestmark = pytest.mark.slurm


def test_jobs_that_the_controller_has_forgotten(watch: Watch, cluster: Cluster, expected: Results) -> None:
    said = watch("controller back without its state")
    (job,) = submit(slurm=["hold="])
    said.event("submitted with --hold")
    said.until("queued", rf"\b{job}\b")
    cluster.kill_controller()
    cluster.start("--forget")
    said.event("controller back without its state")
    said.until("lost", rf"\b{job}\b")
    again(said, expected)
