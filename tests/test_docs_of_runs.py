"""The pages about Slurm, several GPUs and the store, compared with the commands and the code that they describe."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from doc_pages import ROOT, spans, table, text_of
from pmll_bench.cli import main
from pmll_bench.errors import Exit
from pmll_bench.launch import retries
from pmll_bench.launch.slurm.submission import follow_up, gate, sbatch
from pmll_bench.launch.slurm.submission.sbatch_options import KNOWN
from pmll_bench.launch.slurm.submission.submit import LARGEST_ARRAY
from pmll_bench.plan.job_settings import setting
from pmll_bench.running import breaker
from pmll_bench.store import lease
from pmll_bench.store.orphans import KNOWN as FILES
from pmll_bench.store.records import Cause
from pmll_bench.store.status import STATES

SLURM, GPUS, STORE = PAGES = ("run-on-slurm.md", "several-gpus.md", "what-is-in-a-store.md")
QUICK = ["--subset", "40", "--ratios", "0.5", "--threads", "1", "--device", "cpu", "--set", "recipe.epochs=1"]


def test_every_setting_of_jobs_on_the_pages_is_known() -> None:
    given = re.findall(r"--slurm (?!KEY)([\w.-]+)=", "".join(map(text_of, PAGES)))
    listed = [name for row in table(SLURM, "key", "meaning") for name in spans(row[0])]
    unknown = {name for name in (*given, *listed) if setting(name, "", "").key not in KNOWN}
    assert unknown == {"partitions"}  # the mistake that the page shows


def test_the_table_of_causes_is_what_is_tried_again() -> None:
    rows = {spans(row[0])[0]: row[2] for row in table(SLURM, "cause")}
    assert {*rows} == {*get_args(Cause)}
    for cause in get_args(Cause):
        tries = tries_again(cause, more_memory=False)
        if rows[cause] == "always":
            assert tries == 50
        elif found := re.match(r"(\d+) times", rows[cause]):
            assert tries == int(found[1])
        elif rows[cause].startswith("never"):
            assert tries == 0
        elif rows[cause].startswith("once, and only with"):
            assert (tries, tries_again(cause, more_memory=True)) == (0, 1)
        else:
            assert rows[cause] == "until it is reached twice in a row without a new checkpoint"
            assert tries == retries.ROUNDS - 1


def tries_again(cause: Cause, *, more_memory: bool) -> int:
    """How often a cell is tried again whose attempts all end for one cause, without a new checkpoint; 50 for always."""
    ends: list[retries.Try] = []
    while len(ends) < 50:
        ends.append(retries.Try(cause, 0, 0))
        if not retries.judge(ends, more_memory=more_memory).again:
            return len(ends) - 1
    return 50


def test_the_defaults_are_those_of_the_code_and_of_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row[0]: [int(number) for number in re.findall(r"\d+", row[1])] for row in table(SLURM, "limit")}
    assert rows == {
        "time limit of a job": [sbatch.MINUTES],
        "jobs of a submission that run at a time": [sbatch.PARALLEL],
        "jobs in an array": [LARGEST_ARRAY],
        "warning before the time limit": [sbatch.WARNED],
        "time limit of a smoke check": [gate.START, gate.EACH_ROW],
        "starts of a smoke check after a preemption": [gate.RESTARTS],
        "follow-up job": [int(re.sub(r"\D", "", value)) for value in follow_up.SMALL.values()],
        "tries again after `lost` and `node`": [*{*retries.MOST.values()}],
        "time limits reached in a row without a new checkpoint": [retries.ROUNDS],
        "failures alike that stop a row": [breaker.FIRST],
        "silence after which the cells of a machine are taken over": [int(lease.DURATION)],
    }
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = " ".join(re.sub(r"[│\n]", " ", capsys.readouterr().out).split())
    assert f"(minutes; default: {sbatch.MINUTES})" in shown
    assert f"default: {sbatch.PARALLEL})" in shown


def test_what_status_is_said_to_say_is_in_the_code() -> None:
    """Each text in the first column, without the state before it and without what the jobs say themselves."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "benchmark" / "pmll_bench").rglob("*.py"))
    rows = table(SLURM, "`status` says")
    assert len(rows) > 10
    for text in (text for row in rows for text in spans(row[0])):
        state, _, rest = text.partition(": ")
        assert state in STATES
        for part in re.split(r"…|\(.*?\)|\d+ times|: ", rest):
            assert part.strip() in source or part in ("ModuleNotFoundError", "module load cuda"), text


def test_the_grid_file_of_the_page_is_read_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    block = next(each for each in re.findall(r"```yaml\n(.*?)```", text_of(SLURM), re.DOTALL) if "methods:" in each)
    Path("grid.yaml").write_text(block, encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        main(["run", "--config", "grid.yaml", "--dry-run"])
    assert not end.value.code
    assert "12 cells in 5 groups" in "".join(capsys.readouterr())
    assert "12 cells in 5 groups" in text_of(SLURM)


@pytest.mark.parametrize("page", PAGES)
def test_the_exit_codes_exist(page: str) -> None:
    named = {int(code) for code in re.findall(r"exit code (\d+)", text_of(page))}
    if page == SLURM:
        named |= {int(row[0]) for row in table(page, "code")}
    assert named <= {int(code) for code in Exit}


def test_refused_gpus_are_answered_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    blocks = "".join(re.findall(r"^```console\n(.*?)^```", text_of(GPUS), re.DOTALL | re.MULTILINE))
    shown = re.findall(r"^\$ pmll-bench (.*--gpus.*)\n((?:(?!\$ ).*\n)*)", blocks, re.MULTILINE)
    assert len(shown) == 3
    for command, answer in shown:
        with pytest.raises(SystemExit):
            main(shlex.split(command))
        assert capsys.readouterr().err == answer, command


def test_the_table_of_files_has_every_file_of_a_store_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for row in table(STORE, "file") for name in spans(row[0])]
    examples = {
        "DATASET": "lakes", "METHOD": "bce", "CELL": "0123456789abcdef", "RATE": "0.01", "DIGEST": "0123abcd",
        "SUBMISSION": "89ab", "ROW": "lakes-bce-01234567", "JOB": "12", "…": "log.out",
        "SCORES": "ab" * 32, "PACKAGE": "cd" * 32,
    }  # fmt: skip
    for name in names:
        example = re.sub("|".join(examples), lambda found: examples[found[0]], name)
        assert FILES.fullmatch(example.replace("tries/0.01/attempts/0001/log.out", "tries/0.01/attempts/0001/end.json"))
    monkeypatch.chdir(tmp_path)
    Path("focal.py").write_text(
        re.findall(r"```python focal.py\n(.*?)```", text_of("add-a-method.md"), re.DOTALL)[0], encoding="utf-8"
    )
    with pytest.raises(SystemExit):
        main(["run", "--methods", "focal.py", "bce", *QUICK])
    with pytest.raises(SystemExit):
        main(["status"])
    patterns = [re.escape(name) for name in names]
    known = re.compile("|".join(re.sub(r"DATASET|METHOD|CELL|DIGEST|0001", "[^/]+", name) for name in patterns))
    found = [path.relative_to("runs").as_posix() for path in Path("runs").rglob("*") if path.is_file()]
    assert any(name.startswith("methods/") for name in found)
    assert [name for name in found if not known.fullmatch(name)] == []


def test_the_states_and_their_order_are_those_of_the_code() -> None:
    assert [spans(row[0])[0] for row in table(STORE, "state")] == [*STATES]
