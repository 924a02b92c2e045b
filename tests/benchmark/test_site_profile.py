"""Settings of jobs: from the site's profile, the grid file or the command line, for all jobs or for some."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Command
from noted_slurm import Cluster
from pmll_bench.launch.slurm.submission.arrays import arrays_of
from pmll_bench.launch.slurm.submission.site_profile import profile_path
from pmll_bench.plan.grid import by_method, groups
from pmll_bench.plan.job_settings import Layers, from_mapping, in_force
from pmll_bench.plan.planned import Group
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import MethodRow, Request


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the profile, in a folder of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    path = tmp_path / "configuration" / "pmll-bench" / "slurm.yaml"
    assert path == profile_path()
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def rows() -> dict[str, Group]:
    """A group of each row, as for jobs: two on a trained trunk, two on frozen towers."""
    asked = (MethodRow("bce"), MethodRow("bce", "fixed", ("train_from=none",)), MethodRow("sst"), MethodRow("dualcoop"))
    planned = plan(Request(methods=asked, ratios=(0.5,), subset=60))
    return {each.cells[0].label: each for each in by_method(planned.groups)}


def memory(layers: Layers, group: Group) -> str:
    return in_force(layers, group.cells[0])["mem"].value


def test_what_a_row_trains_follows_from_its_settings(rows: dict[str, Group]) -> None:
    trains = {label: group.cells[0].trains for label, group in rows.items()}
    assert trains == {"bce": "trunk", "fixed": "frozen", "sst": "trunk", "dualcoop": "frozen"}


def test_the_nearest_setting_of_a_layer_wins(rows: dict[str, Group]) -> None:
    layer = from_mapping({"sst.mem": "3G", "fixed.mem": "4G", "mem": "1G", "trunk.mem": "2G", "bce.mem": "5G"})
    assert {label: memory([layer], group) for label, group in rows.items()} == {
        "bce": "5G",
        "fixed": "4G",
        "sst": "3G",
        "dualcoop": "1G",
    }


def test_a_later_layer_wins_even_if_an_earlier_one_is_nearer(rows: dict[str, Group]) -> None:
    layers = [from_mapping({"sst.mem": "64G", "mem": "1G"}), from_mapping({"trunk.mem": "2G"})]
    assert memory(layers, rows["sst"]) == "2G"
    assert memory(layers, rows["dualcoop"]) == "1G"


def test_a_setting_replaces_an_earlier_one_under_another_name(rows: dict[str, Group]) -> None:
    layers = [from_mapping({"gpus-per-node": "1", "mem": "8G"}), from_mapping({"gpus": "2", "mem_per_cpu": "4G"})]
    found = in_force(layers, rows["bce"].cells[0])
    assert {key: each.value for key, each in found.items()} == {"gpus": "2", "mem-per-cpu": "4G"}


def test_jobs_with_other_resources_are_arrays_of_their_own(rows: dict[str, Group]) -> None:
    arrays = arrays_of(rows.values(), [from_mapping({"mem": "8G", "trunk.mem": "32G"})], largest=9, parallel=9)
    found = {array.settings["mem"]: {group.cells[0].label for group in array.groups} for array in arrays}
    assert found == {"8G": {"fixed", "dualcoop"}, "32G": {"bce", "sst"}}
    assert len(arrays) == 2


def test_a_method_that_is_not_ours_trains_nothing_that_is_known(rows: dict[str, Group]) -> None:
    unknown = groups([replace(rows["bce"].cells[0], trains="")])[0]
    assert memory([from_mapping({"mem": "1G", "trunk.mem": "2G", "frozen.mem": "3G"})], unknown) == "1G"


def test_the_command_line_wins_over_the_grid_file_and_that_over_the_profile(
    command: Command, cluster: Cluster, profile: Path, tmp_path: Path
) -> None:
    profile.write_text("partition: short\nqos: normal\naccount: vision\nsetup:\n- module load cuda\n")
    (tmp_path / "grid.yaml").write_text(
        "methods: [linear-probe]\nratios: [0.5]\nsubset: 40\nslurm: {qos: high, partition: gpu}\n"
    )
    answer = command("run", "--config", "grid.yaml", "--launcher", "slurm", "--slurm", "partition=long")
    assert answer.code == 0, answer.err
    script = cluster.script(101)
    assert "--partition=long\n" in script
    assert "--qos=high\n" in script
    assert "--account=vision\n" in script
    assert "module load cuda\n" in script


def test_a_mistake_in_the_profile_is_refused_with_its_line(command: Command, cluster: Cluster, profile: Path) -> None:
    profile.write_text("partition: gpu\nmemory: 8G\n")
    answer = command("run", "--methods", "linear-probe", "--subset", "40", "--launcher", "slurm")
    assert answer.code == 3
    assert f"where: {profile}:2:1, memory" in answer.err
    assert not (cluster.folder / "101.sh").exists()


def test_the_profile_is_not_read_without_jobs(command: Command, profile: Path) -> None:
    profile.write_text("no: [mapping")
    assert command("run", "--methods", "linear-probe", "--subset", "40", "--dry-run").code == 0
