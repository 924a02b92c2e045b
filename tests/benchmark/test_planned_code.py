"""Jobs run the code that was planned: what was edited meanwhile is refused before anything is read or trained."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from submitit.core.utils import DelayedSubmission

from command_line import Command, method_file
from noted_slurm import Cluster, submission
from pmll_bench.errors import ConfigError
from pmll_bench.launch.slurm.job.worker import RunGroup
from pmll_bench.launch.slurm.submission.submit import submit
from pmll_bench.plan.planned import Planned
from pmll_bench.plan.planning import Plan
from pmll_bench.running.method_files import keep_method
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.source_code import PACKAGES, UNUSED, SourceCode, code_digest
from pmll_bench.store.store import Store
from small_grids import small_grid

RUN_JOB = "import sys; from submitit.core.utils import DelayedSubmission; DelayedSubmission.load(sys.argv[1]).result()"
DIGEST = "from pmll_bench.store.source_code import code_digest; print(code_digest())"


class Installation:
    """A copy of the code, and Python with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for package in PACKAGES:
            (source,) = sys.modules[package].__path__
            shutil.copytree(source, folder / package, ignore=shutil.ignore_patterns("__pycache__"))

    def edit(self, file: str) -> None:
        with (self.folder / file).open("a") as opened:
            opened.write("\n")

    def python(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        tests = str(Path(__file__).parents[1])
        environment = os.environ | {
            "PYTHONPATH": f"{self.folder}:{tests}",
            "SUBMITIT_EXECUTOR": "slurm",
            "SLURM_JOB_ID": "101",
        }
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("installation"))


@pytest.fixture
def grid(tmp_path: Path) -> Plan:
    return small_grid(tmp_path)


def cell(store: Store, item: Planned) -> CellFolder:
    return store.folder(item.cell)


def arguments(store: Store, job: str) -> tuple[str, tuple[str, ...], dict[str, str | None]]:
    """What a job is called with."""
    given: tuple[str, tuple[str, ...], dict[str, str | None]] = DelayedSubmission.load(submission(store, job)).args
    return given


def test_the_digest_covers_what_changes_numbers_and_nothing_else(installation: Installation) -> None:
    def digest() -> str:
        return installation.python(DIGEST).stdout.strip()

    assert digest() == code_digest()  # wherever the code lies
    for file in ("pmll_bench/cli/run.py", "pmll_bench/report/tables/table.py", "pmll_datasets/shapes_data/CARD.md"):
        installation.edit(file)
    (installation.folder / "pmll_methods" / "__pycache__").mkdir(exist_ok=True)
    (installation.folder / "pmll_methods" / "__pycache__" / "bce.cpython-311.pyc").write_bytes(b"x")
    (installation.folder / "pmll_methods" / ".#bce.py").symlink_to("of-an-editor")
    assert digest() == code_digest()
    seen = {digest()}
    for file in ("pmll_methods/losses/bce.py", "pmll_datasets/views.py", "pmll_bench/running/fitting.py"):
        installation.edit(file)
        seen.add(digest())
    shutil.copy(installation.folder / "pmll_methods/bce.py", installation.folder / "pmll_methods/bce2.py")
    seen.add(digest())
    assert len(seen) == 5


def test_no_job_imports_what_the_digest_leaves_out(installation: Installation) -> None:
    code = (
        "import sys, pmll_bench.launch.slurm.job.worker, pmll_bench.launch.local.slot\n"
        "import pmll_bench.running.groups, pmll_bench.running.progress\n"
        "print(*sys.modules)"
    )
    imported = {name.split(".")[1] for name in installation.python(code).stdout.split() if "pmll_bench." in name}
    assert "running" in imported
    assert not imported & set(UNUSED)


def test_a_job_runs_the_planned_code_and_refuses_other_code(
    cluster: Cluster, store: Store, grid: Plan, tmp_path: Path
) -> None:
    code = Installation(tmp_path / "code")
    submit(grid.groups, store, {})
    first, second, *_ = (cell(store, each) for each in grid.cells)
    assert code.python(RUN_JOB, str(submission(store, "101_0"))).returncode == 0
    assert first.state().name == "done"

    code.edit("pmll_methods/losses/bce.py")
    job = code.python(RUN_JOB, str(submission(store, "101_1")))
    assert job.returncode != 0
    assert "torch" not in job.stderr  # it was refused before the slow imports
    planned = SourceCode.here().name
    state = second.state()
    assert state.name == "failed"
    assert f"ConfigError: the code has changed since the cells were planned: then {planned}, now " in state.message
    assert f"({tmp_path / 'code' / 'pmll_bench'}); run the same command again" in state.message
    assert "\n" not in state.message
    (attempt,) = second.attempts()
    end = attempt.ended()
    assert end is not None
    assert end.why == "error"


def test_a_submission_records_the_code_that_was_planned(cluster: Cluster, store: Store, grid: Plan) -> None:
    submit(grid.groups[:2], store, {})
    record = json.loads((store.root / "slurm" / "101.json").read_text())
    assert record["code"] == SourceCode.here().model_dump()
    assert record["code"]["digest"] == code_digest()


def test_a_job_that_is_queued_again_compares_as_well(
    cluster: Cluster, store: Store, grid: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(grid.groups[:1], store, {})
    again = RunGroup().checkpoint(*arguments(store, "101"))
    monkeypatch.setattr("pmll_bench.store.source_code.code_digest", lambda: "other")
    with pytest.raises(Exception, match="the code has changed since the cells were planned"):
        again.result()
    assert cell(store, grid.cells[0]).state().name == "failed"


def test_the_same_command_with_the_new_code_completes_the_grid(
    cluster: Cluster, store: Store, grid: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(grid.groups[:1], store, {})
    with monkeypatch.context() as edited:
        edited.setattr("pmll_bench.store.source_code.code_digest", lambda: "other")
        with pytest.raises(Exception, match="the code has changed"):
            RunGroup()(*arguments(store, "101"))
        submit(grid.groups[:1], store, {})
        RunGroup()(*arguments(store, "102"))
    assert cell(store, grid.cells[0]).state().name == "done"


def test_a_changed_method_file_is_found_before_the_data_set_is_read(
    cluster: Cluster, store: Store, grid: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(grid.groups[:1], store, {})
    keep_method(store, grid.cells[0])
    shutil.rmtree(store.root / "methods")
    with (tmp_path / "mine.py").open("a") as file:
        file.write("\n# edited\n")
    opened: list[object] = []
    monkeypatch.setattr("pmll_bench.running.groups.open_dataset", opened.append)
    RunGroup()(*arguments(store, "101"))
    assert "the method has changed since it was planned: source" in cell(store, grid.cells[0]).state().message
    assert opened == []


# --- slots


DIES_ONCE = """
        if run.seed == 0 and not os.path.exists("died"):
            open("died", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        while not os.path.exists("compared"):
            pass"""


def _run(folder: Path, slots: str) -> list[str]:
    mine = method_file(folder, fit=DIES_ONCE)
    ratios = ["--ratios", "0.5", "--seeds", "0,1,2", "--subset", "60", "--threads", "1", "--device", "cpu"]
    return ["run", "--methods", mine, *ratios, "--launcher", "local", "--slots", slots]


def test_after_an_edit_no_slot_starts_again_and_the_others_finish_the_grid(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmll_bench.launch.local.pool.check_unchanged", _changed)
    answer = command(*_run(tmp_path, "2"), "--json")
    outcome = json.loads(answer.out.splitlines()[-1])
    assert "is not started again: the code has changed" in answer.err
    assert (len(outcome["lost"]), len(outcome["done"])) == (0, 3)  # another slot tried the lost cell again


def test_after_an_edit_the_run_ends_with_its_last_slot_and_the_same_command_completes_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as edited:
        edited.setattr("pmll_bench.launch.local.pool.check_unchanged", _changed)
        answer = command(*_run(tmp_path, "1"))
    assert answer.code == 3
    assert "the code has changed since the cells were planned" in answer.err
    assert command(*_run(tmp_path, "1")).code == 0


def _changed(planned: str, name: str) -> None:
    Path("compared").touch()
    raise ConfigError(f"the code has changed since the cells were planned: then {name}, now other files")


def test_the_name_of_the_code_says_what_is_known_of_it() -> None:
    full = SourceCode(version="0.1.0", commit="0123456789abcdef0123-dirty", digest="d")
    assert full.name == "version 0.1.0, commit 0123456789ab-dirty"
    assert SourceCode(version=None, commit=None, digest="d").name == "version unknown"
