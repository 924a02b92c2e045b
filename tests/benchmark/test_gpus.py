"""`run --launcher local --gpus`: each slot sees one GPU alone; what cannot be is refused before anything runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from command_line import SMALL, Command, method_file
from pmll_bench.errors import ConfigError
from pmll_bench.launch.local.gpus import check_present, check_seen, variables
from pmll_bench.launch.local.slots import slots_here

UUID = "GPU-3f2a77a1-5b1c-9d02-8a7e-0c9b3f1d2e4a"
MIG = "MIG-b4b3a1d2-6f0e-5c11-9a44-7e2d1c0b9a8f"
ON_THE_CPU = """
import dataclasses, sys, threading
from pmll_bench.launch.local import gpus as gpu_slots
from pmll_bench.launch.local import slot
from pmll_bench.running import groups

gpu_slots.gpus = lambda: 1
run = groups.run_groups
def on_the_cpu(cells, store, execution, *others):
    print("device", execution.device, file=sys.stderr, flush=True)
    return run(cells, store, dataclasses.replace(execution, device="cpu"), *others)
groups.run_groups = on_the_cpu
slot.main()
"""


@pytest.fixture(autouse=True)
def _as_shells_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs, as far as torch says, whose slots run on the CPU in the end."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("pmll_bench.launch.local.pool.COMMAND", (sys.executable, "-P", "-u", "-c", ON_THE_CPU))


def run(folder: Path, *more: str) -> list[str]:
    """A run of two groups that wait for each other, so that two slots are at work; each says what it sees."""
    seen = (
        "Path(f'{run.seed}.here').touch()\n"
        "        while not (Path('0.here').exists() and Path('1.here').exists()): pass\n"
        "        names = ('CUDA_VISIBLE_DEVICES', 'CUDA_DEVICE_ORDER')\n"
        "        print('sees', *(os.environ.get(name) for name in names), flush=True)"
    )
    mine = Path(method_file(folder, fit=seen))
    mine.write_text(f"from pathlib import Path\n{mine.read_text()}")
    small = [each for each in SMALL if each not in ("--device", "cpu")]
    grid = ["--methods", str(mine), "--ratios", "0.5", "--seeds", "0,1", *small]
    return ["run", *grid, "--launcher", "local", *more]


def told(err: str, *parts: str) -> bool:
    """Whether an error has all these parts, wherever its lines break."""
    text = " ".join(err.split())
    return all(part in text for part in parts)


def sights(err: str) -> list[str]:
    return sorted(line.removeprefix("sees ") for line in err.splitlines() if line.startswith("sees "))


@pytest.mark.usefixtures("two_gpus")
def test_each_slot_sees_one_gpu_alone_and_calls_it_cuda(command: Command, tmp_path: Path) -> None:
    answer = command(*run(tmp_path, "--gpus", "0", "1"))
    assert answer.code == 0, answer.err
    assert sights(answer.err) == ["0 PCI_BUS_ID", "1 PCI_BUS_ID"]
    assert answer.err.count("device cuda\n") == 2
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.usefixtures("two_gpus")
def test_more_slots_share_the_gpus(command: Command, tmp_path: Path) -> None:
    answer = command(*run(tmp_path, "--gpus", "1", "--slots", "2"))
    assert sights(answer.err) == ["1 PCI_BUS_ID", "1 PCI_BUS_ID"]


@pytest.mark.usefixtures("two_gpus")
def test_uuids_of_gpus_and_of_their_parts_are_passed_on(command: Command, tmp_path: Path) -> None:
    answer = command(*run(tmp_path, "--gpus", f"{UUID},{MIG}"))
    assert sights(answer.err) == [f"{UUID} PCI_BUS_ID", f"{MIG} PCI_BUS_ID"]


@pytest.mark.usefixtures("two_gpus")
def test_gpus_are_chosen_among_those_that_the_user_allows(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 3")
    for refused, name in (("0", "GPU 0"), (UUID, UUID)):
        answer = command(*run(tmp_path, "--gpus", refused))
        assert answer.code == 3
        assert told(answer.err, f"error: {name} is not available", "CUDA_VISIBLE_DEVICES allows: 2, 3")
    answer = command(*run(tmp_path, "--gpus", "3", "2"))
    assert sights(answer.err) == ["2 None", "3 None"]  # numbers keep the meaning that they have there


@pytest.mark.usefixtures("two_gpus")
def test_a_number_that_no_gpu_has_is_refused(command: Command, tmp_path: Path) -> None:
    answer = command(*run(tmp_path, "--gpus", "0", "2"))
    assert answer.code == 3
    assert told(answer.err, "GPU 2 is not available where: --gpus", "available: 0, 1")


def test_without_a_gpu_the_error_says_so(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    answer = command(*run(tmp_path, "--gpus", "0"))
    assert answer.code == 3
    assert told(answer.err, "there is no GPU where: --gpus", "leave out --gpus to use the CPU")


def test_a_slot_that_does_not_see_its_gpu_ends_the_run_and_no_cell_fails(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)  # here; the slots ask for themselves
    command_line = [*run(tmp_path, "--gpus", UUID)]
    monkeypatch.setattr(
        "pmll_bench.launch.local.pool.COMMAND",
        (sys.executable, "-P", "-u", "-c", ON_THE_CPU.replace("lambda: 1", "lambda: 0")),
    )
    answer = command(*command_line)
    assert answer.code == 3
    assert told(answer.err, f"error: {UUID} is not available where: --gpus", "see 'nvidia-smi -L'")
    assert "planned" in command("status").out


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--gpus", "0", "--launcher", "inline"], ["for the launcher local, not inline", "add --launcher local"]),
        (["--gpus", "0"], ["--gpus is for the launcher local, not inline", "add --launcher local"]),
        (["--gpus", "0", "--launcher", "slurm"], ["launcher local, not slurm", "for the GPUs of jobs: --slurm gpus=1"]),
        (["--gpus", "0", "--launcher", "local", "--device", "cpu"], ["--gpus and --device cpu exclude each other"]),
        (["--gpus", "0", "0", "--launcher", "local"], ["GPU 0 is given 2 times", "add --slots N"]),
        (["--gpus", "cuda:0", "--launcher", "local"], ["invalid GPU 'cuda:0'", "write numbers or UUIDs"]),
        (["--gpus", "--launcher", "local"], ["--gpus"]),
    ],
)
@pytest.mark.parametrize("asked", [["run"], ["ablate", "dualcoop-contexts"]])
def test_a_wrong_request_is_a_usage_error(
    command: Command, asked: list[str], options: list[str], parts: list[str]
) -> None:
    answer = command(*asked, *options)
    assert answer.code == 2
    assert told(answer.err, *parts)
    assert not Path("runs").exists()


def test_the_cores_are_divided_among_the_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr("pmll_bench.launch.local.slots.cores", lambda: 24)
    slots = slots_here(None, None, None, ("3", "1", "0"))
    assert [(each.gpu, each.device, each.threads) for each in slots] == [
        ("3", "cuda", 8),
        ("1", "cuda", 8),
        ("0", "cuda", 8),
    ]
    spread = slots_here(5, "cuda", 2, ("3", "1"))
    assert [each.gpu for each in spread] == ["3", "1", "3", "1", "3"]


def test_an_order_that_the_user_has_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert variables("1") == {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    assert variables("1") == {"CUDA_VISIBLE_DEVICES": "1"}


def test_a_uuid_is_left_to_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    check_present([UUID, MIG, "0"])
    check_seen(UUID)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(ConfigError, match="is not available"):
        check_seen(UUID)
