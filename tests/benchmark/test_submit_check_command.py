"""`submit check` as a command: what it prints, its exit codes, and the limits of the process that it starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from archives import names
from command_line import Command
from hostile_packages import (
    arrays,
    cell_of,
    changed,
    forged,
    honest,
    many_entries,
    npz,
    with_entry,
    with_scores,
    zipped,
)
from pmll_bench.errors import Exit
from pmll_bench.submission import check as checking
from pmll_bench.submission.check import check
from pmll_bench.submission.package import SUBMISSION, member

RESULT = member(cell_of(honest()), "result.json")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The name of a package in the current folder, which is empty otherwise."""
    monkeypatch.chdir(tmp_path)
    path = Path("my.zip")
    path.write_bytes(zipped(honest()))
    return path


def test_a_good_package_is_printed_with_what_was_recomputed(command: Command, package: Path) -> None:
    answer = command("submit", "check", str(package))
    assert answer.code == Exit.DONE
    assert answer.out.startswith("my.zip: passed, 2 cells, digest ")
    assert f"{cell_of(honest())}  shapes    bce       67.45" in " ".join(answer.out.split(" "))
    assert answer.err == ""


def test_the_exit_codes_are_those_of_the_documentation() -> None:
    assert (int(Exit.REJECTED), int(Exit.INVALID)) == (7, 3)


def test_a_refused_package_ends_with_7_and_a_line_per_problem(command: Command, package: Path) -> None:
    members = changed(honest(), RESULT, metrics__map=0.99, support__test=[1] * 20)
    package.write_bytes(zipped(members))
    answer = command("submit", "check", str(package))
    assert answer.code == Exit.REJECTED
    assert answer.out.startswith("my.zip: refused, ")
    assert f"  {RESULT}, row 1: support.test is 1, recomputed" in answer.out
    assert names(Path()) == {"my.zip"}


def test_fifty_problems_are_printed_and_json_has_all(command: Command, package: Path) -> None:
    package.write_bytes(zipped({**honest(), **{f"{number}.py": b"" for number in range(70)}}))
    answer = command("submit", "check", str(package))
    assert len(answer.out.splitlines()) == 52
    assert "and 20 more problems (--json lists them)" in answer.out
    (document,) = command("submit", "check", str(package), "--json").document["packages"]
    assert document["passed"] is False
    assert len(document["problems"]) == 70
    assert document["problems"][0] == {
        "member": "0.py",
        "what": "is not the name of a member of a package",
        "row": None,
    }


def test_several_packages_are_all_checked_before_the_verdict(command: Command, package: Path) -> None:
    Path("evil.zip").write_bytes(b"PK")
    answer = command("submit", "check", "evil.zip", str(package), "--json")
    assert answer.code == Exit.REJECTED
    assert [each["passed"] for each in answer.document["packages"]] == [False, True]


def test_json_of_a_good_package_has_the_evidence(command: Command, package: Path) -> None:
    (document,) = command("submit", "check", str(package), "--json").document["packages"]
    cell = document["cells"][cell_of(honest())]
    assert document["passed"] is True
    assert cell["map"] == pytest.approx(0.6745, abs=1e-4)
    assert len(cell["mask"]) == len(cell["scores"]) == len(document["package"]) == 64


def test_a_missing_data_set_is_no_verdict(command: Command, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PMLL_DATA", raising=False)
    package.write_bytes(zipped(forged(honest(), dataset="voc2007", options={})))
    answer = command("submit", "check", str(package))
    assert answer.code == Exit.INVALID
    assert "no data folder given for voc2007" in answer.err
    without = command("submit", "check", str(package), "--without-data")
    assert without.code == Exit.DONE
    assert "not checked: the numbers were not compared with the data sets" in without.err


def test_without_the_data_set_arrays_are_checked_all_the_same(command: Command, package: Path) -> None:
    scores = arrays()["scores"].copy()
    scores[3, 1] = float("nan")
    package.write_bytes(zipped(with_scores(npz(**{**arrays(), "scores": scores}))))
    answer = command("submit", "check", str(package), "--without-data")
    assert answer.code == Exit.REJECTED
    assert "row 3: the score of class 1 is nan" in answer.out


def test_somebody_elses_data_set_needs_its_label_file_and_is_no_path(command: Command, package: Path) -> None:
    Path("labels.csv").write_text("path,split,cat\n")
    package.write_bytes(zipped(forged(honest(), dataset="labels.csv", options={})))
    answer = command("submit", "check", str(package))
    assert answer.code == Exit.INVALID
    assert "labels.csv is somebody's own data set" in answer.err


def test_a_warning_does_not_refuse(command: Command, package: Path) -> None:
    package.write_bytes(zipped(changed(honest(), RESULT, oracle={"metrics": {"map": 0.9}, "epoch": 3})))
    answer = command("submit", "check", str(package))
    assert answer.code == Exit.DONE
    assert answer.err.startswith(f"warning: {RESULT}: the metrics of the best epoch")


def test_a_folder_is_refused(command: Command, package: Path) -> None:
    Path("folder.zip").mkdir()
    answer = command("submit", "check", "folder.zip")
    assert (answer.code, "is a folder, not a file" in answer.out) == (Exit.REJECTED, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(command: Command, package: Path) -> None:
    os.mkfifo("pipe.zip")
    answer = command("submit", "check", "pipe.zip")
    assert (answer.code, "is a pipe or a device, not a file" in answer.out) == (Exit.REJECTED, True)


def test_a_file_that_is_not_there_is_no_verdict(command: Command, package: Path) -> None:
    answer = command("submit", "check", "other.zip")
    assert (answer.code, "no such package" in answer.err) == (Exit.INVALID, True)


def test_names_from_a_package_cannot_steer_the_terminal(command: Command, package: Path) -> None:
    package.write_bytes(with_entry(lambda _: None, b"", "\x1b[2J\u202eevil.py"))
    answer = command("submit", "check", str(package))
    assert "\x1b" not in answer.out
    assert "\u202e" not in answer.out
    assert r"\x1b[2J\u202eevil.py: is not the name of a member" in answer.out


def test_a_module_of_the_current_folder_is_never_imported(command: Command, package: Path) -> None:
    for name in ("numpy", "pydantic", "json", "pmll_bench", "sitecustomize", "mine"):
        Path(f"{name}.py").write_text("from pathlib import Path\nPath('imported.txt').write_text('evil')\n")
    assert command("submit", "check", str(package)).code == Exit.DONE
    assert not Path("imported.txt").exists()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"the check was killed by signal 9 (SIGKILL)"),
        ("", "the check gave no answer"),
        ("print('{\"package\": 5}')", "the check gave no answer"),
        ("raise SystemExit('broken')", "the check broke off: broken"),
        ("while True: pass", "needs more than 1 seconds of CPU time to be checked"),
    ],
    ids=["killed", "silent", "babbling", "broken", "endless"],
)
def test_a_process_that_gives_no_answer_refuses_the_package(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    """`script` is what the process does after it has set its limits."""
    folder = tmp_path / "modules"
    folder.mkdir()
    start = "import sys\nfrom pmll_bench.submission.checking.limits import set_limits\nset_limits(int(sys.argv[2]))\n"
    (folder / "stand_in.py").write_text(start + script)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(checking, "CHILD", "stand_in")
    monkeypatch.setattr(checking, "SECONDS", 1)
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # it could not write its data
    report = check(package)
    assert [each.what for each in report.problems] == [reason]
    assert report.evidence is None


def peak(path: Path) -> tuple[str, int]:
    """The answer of the process that checks a package, and its largest resident set in bytes."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom pmll_bench.submission.checking.child import main\n"
        "main(sys.argv[1:])\nprint(*Path('/proc/self/status').read_text().split())\n"
    )
    command = [sys.executable, "-c", script, str(path.absolute()), "300"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | checking.ONE_THREAD)
    answer, status = done.stdout.splitlines()
    (kibibytes,) = re.findall(r"VmHWM: (\d+) kB", status)
    return answer, int(kibibytes) * 1024


def million_cells() -> bytes:
    return many_entries(10**6)


def large_scores() -> bytes:
    """A package whose scores have all the bytes that are allowed."""
    names_of = arrays() | {"ids": b"\x93NUMPY" + bytes(63_000_000)}
    return zipped(with_scores(npz(**names_of)), zipfile.ZIP_STORED)


def wide_json() -> bytes:
    """A submission of a megabyte with as many objects as fit."""
    text = honest()[SUBMISSION].decode().strip()[:-1] + ', "x": [' + ",".join(["{}"] * 330_000) + "]}"
    return zipped({**honest(), SUBMISSION: text.encode()}, zipfile.ZIP_STORED)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory that a process has used from /proc")
@pytest.mark.parametrize(
    "build", [lambda: many_entries(10**6), large_scores, wide_json], ids=["cells", "scores", "json"]
)
def test_no_package_costs_a_gibibyte_of_memory(package: Path, build: object) -> None:
    assert callable(build)
    package.write_bytes(build())
    answer, memory = peak(package)
    assert '"problems":[{' in answer
    assert memory < 1 << 29
    assert names(Path()) == {"my.zip"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits, and say so")
def test_more_than_a_gibibyte_of_memory_and_any_file_are_refused(package: Path) -> None:
    script = (
        "from pathlib import Path\nfrom pmll_bench.submission.checking.limits import set_limits\n"
        "assert set_limits(60) == ()\n"
        "try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    print('refused')\n"
        "try:\n    Path('evil.txt').write_text('x')\nexcept OSError as error:\n    print(error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["refused", "File too large"], done.stderr


def test_checks_run_side_by_side(package: Path) -> None:
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(check(package).passed)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True, True]
