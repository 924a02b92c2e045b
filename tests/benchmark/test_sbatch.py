"""The settings of jobs: what sbatch is told, and which settings are refused, each with its place and a hint."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pmll_bench.errors import ConfigError
from pmll_bench.launch.slurm.submission.sbatch import UNLIMITED, batch_of, check, parse_time
from pmll_bench.launch.slurm.submission.sbatch_options import KNOWN, OUR_NAMES, SET_BY_US
from pmll_bench.plan.job_settings import from_mapping


def refused(settings: dict[str, str]) -> list[tuple[str, str | None, str | None]]:
    with pytest.raises(ConfigError) as caught:
        check([from_mapping(settings)], ["scpnet", "sst"])
    return [(problem.what, problem.where, problem.hint) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("10:30", 11),
        ("90:00", 90),
        ("00:03:01", 4),
        ("1:30:00", 90),
        ("1-00:00:00", 1440),
        ("1-12", 2160),
        ("1-12:30", 2190),
        ("UNLIMITED", UNLIMITED),
        ("infinite", UNLIMITED),
    ],
)
def test_a_time_limit_is_read_as_sbatch_reads_it(text: str, minutes: int) -> None:
    assert parse_time(text) == minutes


@pytest.mark.parametrize("text", ["2h", "", "1-", "-5", "1:2:3:4", "1-1:2:3:4", "10.5"])
def test_a_time_limit_that_sbatch_cannot_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="invalid time"):
        parse_time(text)


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    [(what, where, hint)] = refused({"partitions": "gpu"})
    assert what == "unknown setting of jobs 'partitions'"
    assert where == "--slurm partitions"
    assert hint == "did you mean 'partition'?"


def test_all_problems_are_reported_at_once() -> None:
    found = refused({"array": "0-3", "open_mode": "truncate", "mem": "8G\n#SBATCH --uid=0", "constraint": "--wrap=x"})
    assert [where for _, where, _ in found] == [f"--slurm {key}" for key in ("array", "open_mode", "mem", "constraint")]
    assert found[0][0] == "'array' is set by the launcher"
    assert "control character" in found[2][0]
    assert "would be read as an option" in found[3][0]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"time": "2"}, "a time limit of 2 min is too short"),
        ({"cpus": "many"}, "invalid number 'many'"),
        ({"parallel": "0"}, "invalid number '0'"),
        ({"scpnet.parallel": "2"}, "is for all jobs of a submission"),
        ({"partition": ""}, "'partition' needs a value"),
        ({"requeue": "maybe"}, "invalid value 'maybe'"),
        ({"scpnte.mem": "8G"}, "'scpnte' is neither a method nor a row"),
    ],
)
def test_a_setting_without_sense_is_refused(settings: dict[str, str], what: str) -> None:
    [(found, _, _)] = refused(settings)
    assert what in found


def test_settings_of_methods_and_of_what_is_trained_are_accepted() -> None:
    check([from_mapping({"scpnet.mem": "64G", "trunk.time": "1-0", "frozen.gpus": "1", "gres_flags": "x"})], ["scpnet"])


def test_our_names_become_those_of_sbatch_and_switches_have_no_value() -> None:
    batch = batch_of({"gpus": "a100:1", "cpus": "4", "exclusive": "", "contiguous": "yes", "hold": "no"})
    assert batch.options["gpus-per-node"] == "a100:1"
    assert batch.options["cpus-per-task"] == "4"
    assert batch.options["exclusive"] is None
    assert batch.options["contiguous"] is None
    assert "hold" not in batch.options
    assert "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK" in batch.setup


def test_a_site_without_requeue_can_be_told_so() -> None:
    assert "requeue" in batch_of({}).options
    batch = batch_of({"requeue": "no"})
    assert "no-requeue" in batch.options
    assert "requeue" not in batch.options


def test_our_dependencies_are_added_to_those_of_the_user() -> None:
    batch = batch_of({"dependency": "afterok:7"}).after("afterok:12", "").after("afterany:13")
    assert batch.head()["dependency"] == "afterok:7,afterok:12,afterany:13"
    assert batch.head()["kill-on-invalid-dep"] == "yes"
    assert "dependency" not in batch_of({}).head()


def test_threads_that_are_asked_for_win_over_the_allocation() -> None:
    assert batch_of({"cpus": "8"}, threads=2).setup[0] == "export OMP_NUM_THREADS=2"


@pytest.mark.parametrize(
    ("setup", "step", "code", "printed"),
    [
        ("false\ntouch reached", "true", 1, "setup failed: false"),
        ("A=1\nsh -c 'exit 7'", "true", 7, "setup failed: sh -c 'exit 7'"),
        ("A=1", "sh -c 'exit 9'", 9, ""),  # the exit code of the job itself
        ("A=1", 'test "$A" = 1', 0, ""),
    ],
)
def test_setup_stops_at_the_first_line_that_fails(
    tmp_path: Path, setup: str, step: str, code: int, printed: str
) -> None:
    script = "\n".join([*batch_of({"setup": setup}).setup, step])
    run = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == code
    assert printed in run.stderr
    assert ("setup failed" in run.stderr) == bool(printed)
    assert not (tmp_path / "reached").exists()


@pytest.mark.skipif(shutil.which("sbatch") is None, reason="compares with the options of an installed sbatch")
def test_every_option_of_the_installed_sbatch_is_known_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "slurm.conf"
    configuration.write_text("ClusterName=x\nSlurmctldHost=localhost\nNodeName=n1\nPartitionName=p Nodes=n1\n")
    monkeypatch.setenv("SLURM_CONF", str(configuration))
    described = subprocess.run(["sbatch", "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"^ {1,6}(?:-\w, |-\w  )?--([a-z-]+)", described, flags=re.MULTILINE))
    assert len(options) > 80
    assert options - {"help", "usage", "version", "ignore-pbs"} <= KNOWN | set(OUR_NAMES.values()) | {
        *SET_BY_US.split()
    }
