"""`prune` removes what nobody needs, nothing else, and a packed cell is read like any other."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import mounts
from command_line import Answer, Command
from noted_slurm import Cluster
from pmll_bench.errors import FileError
from pmll_bench.launch.slurm.queue.scheduler import user
from pmll_bench.plan.planned import Planned
from pmll_bench.store.attempt import Attempt
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.document import write_record
from pmll_bench.store.failure import Explanation
from pmll_bench.store.lease import DURATION, Lease
from pmll_bench.store.prune import find, prune
from pmll_bench.store.records import QueueRecord, SubmissionRecord, SubmittedJob
from pmll_bench.store.result import TriedRate, TriedRates
from pmll_bench.store.store import Store
from pmll_bench.store.waste import KINDS
from store_processes import die_at
from stored import CLASSES, SCORES, finish, planned, write

BROKEN = Explanation("RuntimeError: boom", "mine.py:3", "", "trace")
Snapshot = dict[str, bytes]


def never(record: SubmissionRecord) -> bool:
    return False


def always(record: SubmissionRecord) -> bool:
    return True


def snapshot(root: Path) -> Snapshot:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def age(*paths: Path, seconds: float = DURATION + 60) -> None:
    """Make files look as if they had been written long ago."""
    for path in paths:
        os.utime(path, (time.time() - seconds,) * 2)


def wasteful(store: Store, item: Planned) -> CellFolder:
    """A finished cell with all that its attempts may leave behind; the third one made its result."""
    folder = store.folder(item.cell)
    failed, killed = folder.begin(item, {}), folder.begin(item, {})
    failed.end("failed", BROKEN)
    killed.event({"event": "epoch", "epoch": 1})
    age(killed.path / "attempt.json", killed.path / "events.jsonl", killed.path, seconds=2 * 3600)
    attempt, _ = finish(store, item)
    folder.queue(QueueRecord(job="101", attempt=2))
    folder.keep_tried_rates(TriedRates(rates=(TriedRate(rate=0.1, map=0.5),)))
    tried = CellFolder(folder.path / "tries" / "0.1").begin(item, {})
    for each in (attempt, tried):
        each.save_checkpoint(9, write)
    half, damaged = attempt.path / ".tmp-scores.npz-aa", attempt.path / "checkpoint-00000005.pt.damaged-1"
    for path in (half, damaged):
        path.write_bytes(b"half")
    age(half)
    return folder


def by_kind(answer: Answer, store: Store) -> dict[str, set[str]]:
    """The paths that a command lists, by kind, without the part that the cells of a test have in common."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for each in json.loads(answer.out)["waste"]:
        found[each["kind"]].add(each["path"].removeprefix("cells/voc2007/sst/"))
    return {kind: paths for kind, paths in found.items() if paths}


# What is removed


def test_a_dry_run_lists_everything_by_kind_and_changes_nothing(command: Command, store: Store) -> None:
    folder = wasteful(store, planned())
    before = snapshot(store.root)
    answer = command("prune", "--root", str(store.root), "--json")
    assert answer.code == 0
    assert by_kind(answer, store) == {
        "attempts": {f"{folder.id}/attempts/0001", f"{folder.id}/attempts/0002"},
        "checkpoints": {f"{folder.id}/attempts/0003/checkpoint-00000009.pt"},
        "tries": {f"{folder.id}/tries"},
        "temporary": {f"{folder.id}/attempts/0003/.tmp-scores.npz-aa"},
        "damaged": {f"{folder.id}/attempts/0003/checkpoint-00000005.pt.damaged-1"},
    }
    sizes = {each["kind"]: (each["files"], each["size"]) for each in json.loads(answer.out)["waste"]}
    assert sizes["damaged"] == (1, 4)
    text = command("prune", "--root", str(store.root))
    assert "another attempt made the result" in text.out
    assert "nothing was removed; --yes does it" in text.err
    assert snapshot(store.root) == before


def test_with_yes_the_result_and_the_records_of_its_attempt_remain(command: Command, store: Store) -> None:
    folder = wasteful(store, planned())
    result, scores = folder.result(), folder.scores().scores
    answer = command("prune", "--root", str(store.root), "--yes")
    assert answer.code == 0
    left = {name.removeprefix(f"cells/voc2007/sst/{folder.id}/") for name in snapshot(store.root)}
    attempt = {f"attempts/0003/{name}" for name in ("attempt.json", "end.json", "result.json", "scores.npz")}
    assert left == {"cell.json", "queue.json", "result.json", "tries.json", "store.json", *attempt}
    assert folder.result() == result
    assert (folder.scores().scores == scores).all()
    assert folder.state().name == "done"
    again = command("prune", "--root", str(store.root), "--yes")
    assert (again.code, again.out, again.err) == (0, "", "nothing to prune\n")


def test_running_queued_and_resumable_cells_are_left_alone(command: Command, store: Store) -> None:
    running, queued, stopped, lost = (store.folder(planned(seed=seed).cell) for seed in range(4))
    for seed, folder in enumerate((running, queued, stopped, lost)):
        attempt = folder.begin(planned(seed=seed), {})
        attempt.save_checkpoint(3, write)
        (attempt.path / "checkpoint-00000001.pt.damaged-1").write_bytes(b"")
    running.attempts()[0].end("failed", BROKEN)
    queued.attempts()[0].end("failed", BROKEN)
    queued.queue(QueueRecord(job="101", attempt=1))
    stopped.attempts()[0].end("interrupted", BROKEN)
    with Lease(running.lease):
        before = snapshot(store.root)
        answer = command("prune", "--root", str(store.root), "--yes", "--json")
        assert set(by_kind(answer, store)) == {"damaged"}
        gone = before.keys() - snapshot(store.root).keys()
    assert gone == {f"cells/{folder.name}/attempts/0001/checkpoint-00000001.pt.damaged-1" for folder in (stopped, lost)}


def test_a_cell_that_failed_for_good_loses_its_checkpoints_and_says_so(command: Command, store: Store) -> None:
    cells = {}
    for seed, cause in enumerate(("error", "oom")):
        folder = store.folder(planned(seed=seed).cell)
        attempt = folder.begin(planned(seed=seed), {})
        attempt.save_checkpoint(3, write)
        attempt.end("failed", BROKEN, cause)  # type: ignore[arg-type]
        cells[cause] = folder
    answer = command("prune", "--root", str(store.root), "--yes")
    assert "the cell has failed; another attempt starts at the beginning" in answer.out
    assert cells["error"].checkpoints() == []
    assert len(cells["oom"].checkpoints()) == 1  # it goes on with more memory
    assert cells["error"].state().name == "failed"


def test_an_attempt_without_an_end_that_changed_an_hour_ago_may_still_run(store: Store) -> None:
    item = planned()
    late = store.folder(item.cell).begin(item, {})
    finish(store, item)
    assert prune(store, None, never).waste == []
    age(*late.path.iterdir(), late.path, seconds=2 * 3600)
    (waste,) = prune(store, None, never).waste
    assert (waste.kind, waste.path, waste.files) == ("attempts", late.path, 1)
    assert not late.path.exists()


def test_only_the_given_cells_are_pruned(command: Command, store: Store) -> None:
    first, second = wasteful(store, planned()), wasteful(store, planned(seed=1))
    (store.root / "notes.txt").write_text("mine")
    answer = command("prune", first.id, "--root", str(store.root), "--yes", "--json")
    assert {each["cell"] for each in json.loads(answer.out)["waste"]} == {first.id}
    assert json.loads(answer.out)["orphans"] == []
    assert len(second.attempts()) == 3
    assert command("prune", "--methods", "nobody", "--root", str(store.root)).code == 2
    command("prune", "--methods", "sst", "--root", str(store.root), "--yes")
    assert len(second.attempts()) == 1


def test_unknown_files_are_listed_and_never_removed(command: Command, store: Store) -> None:
    folder = wasteful(store, planned())
    mine = [store.root / "notes.txt", folder.path / "weights.bin", store.root / "slurm" / "77_0" / "77_0_log.out"]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        age(path, seconds=10 * 86400)
    answer = command("prune", "--root", str(store.root), "--yes")
    assert all(path.read_text() == "mine" for path in mine)
    for name in ("notes.txt", "weights.bin", "slurm/77_0"):
        assert name in answer.out


def test_copies_of_method_files_that_no_cell_uses_are_removed(store: Store) -> None:
    finish(store, planned(revision="1+abc"))
    used, unused, new = (store.root / "methods" / f"{digest}.py" for digest in ("abc", "def", "fed"))
    used.parent.mkdir()
    for path in (used, unused, new):
        path.write_text("class Mine: ...")
    age(used, unused)
    prune(store, None, never)
    assert [path.exists() for path in (used, unused, new)] == [True, False, True]


# Cluster jobs


def submitted(store: Store, main: str, cells: list[Planned], cluster: str = "noted", **beside: str) -> None:
    """A submission of an array with a job for each cell, its folders and its record."""
    slurm = store.root / "slurm"
    jobs = tuple(SubmittedJob(job=f"{main}_{n}", cells=(store.folder(each.cell).name,)) for n, each in enumerate(cells))
    for name in (main, *(job.job for job in jobs)):
        (slurm / name).mkdir(parents=True)
        (slurm / name / f"{name}_submitted.pkl").write_bytes(b"pickle")
    record = SubmissionRecord(cluster=cluster, user=user(), jobs=jobs, settings={}, command=()).model_copy(
        update=beside
    )
    write_record(slurm / f"{main}.json", record)


def test_files_of_jobs_go_once_all_their_cells_are_finished_and_no_job_is_alive(store: Store) -> None:
    cells = [planned(seed=seed) for seed in range(3)]
    submitted(store, "101", cells[:2])
    submitted(store, "102", cells[2:])
    finish(store, cells[0])
    finish(store, cells[2])
    before = snapshot(store.root)
    prune(store, None, always)
    assert snapshot(store.root) == before
    prune(store, None, never)
    slurm = store.root / "slurm"
    assert sorted(path.name for path in slurm.iterdir()) == ["101", "101.json", "101_0", "101_1"]
    finish(store, cells[1])
    prune(store, None, never)
    assert list(slurm.iterdir()) == []


def test_submissions_that_share_a_smoke_check_are_over_together(store: Store) -> None:
    cells = [planned(seed=seed) for seed in range(2)]
    for main, each in zip(("101", "102"), cells, strict=True):
        submitted(store, main, [each], smoke="901", holds="abc")
    (store.root / "slurm" / "901").mkdir()
    (store.root / "slurm" / "held" / "abc").mkdir(parents=True)
    finish(store, cells[0])
    prune(store, None, never)
    assert sorted(path.name for path in (store.root / "slurm").iterdir()) == ["102", "102.json", "102_0", "901", "held"]
    finish(store, cells[1])
    prune(store, None, never)
    assert [path.name for path in (store.root / "slurm").iterdir()] == ["held"]


def test_the_small_jobs_and_the_notes_of_a_submission_are_known_and_go_with_it(store: Store) -> None:
    submitted(store, "101", [planned()], smoke="901", follow_up="801", holds="abc")
    slurm = store.root / "slurm"
    row = slurm / "held" / "abc" / "lakes-bce-01234567"
    for folder, name in ((slurm / "901", "901_0_log.out"), (slurm / "801", "801_0_log.out"), (row, "sound")):
        folder.mkdir(parents=True)
        (folder / name).touch()
    (row / planned().cell.id).touch()
    assert find(store, None, always).orphans == []
    finish(store, planned())
    assert prune(store, None, never).orphans == []
    assert [path.name for path in slurm.iterdir()] == ["held"]


@pytest.mark.parametrize(
    ("cluster_name", "listed", "kept"),
    [("noted", ("101_0",), True), ("noted", ("801",), True), ("noted", ("999",), False), ("another", (), True)],
    ids=["listed", "followed", "no longer listed", "of another cluster"],
)
def test_slurm_is_asked_whether_a_job_is_alive(
    cluster_name: str, listed: tuple[str, ...], kept: bool, command: Command, cluster: Cluster, store: Store
) -> None:
    submitted(store, "101", [planned()], cluster=cluster_name, follow_up="801")
    finish(store, planned())
    cluster.alive(*listed)
    assert command("prune", "--root", str(store.root), "--yes").code == 0
    assert (store.root / "slurm" / "101.json").exists() is kept


def test_without_slurm_a_job_is_over_if_it_made_its_results_long_ago(command: Command, store: Store) -> None:
    submitted(store, "101", [planned()])
    folder = store.folder(planned().cell)
    attempt, _ = finish(store, planned())
    command("prune", "--root", str(store.root), "--yes")
    assert (store.root / "slurm" / "101.json").exists()  # another run made its result: the job may wait
    record = attempt.began()
    assert record is not None
    write_record(attempt.path / "attempt.json", record.model_copy(update={"job": "101_0"}))
    command("prune", "--root", str(store.root), "--yes")
    assert (store.root / "slurm" / "101.json").exists()  # it may just be ending
    age(folder.path / "result.json", seconds=2 * 3600)
    command("prune", "--root", str(store.root), "--yes")
    assert not (store.root / "slurm" / "101.json").exists()


# Packed cells


def test_a_packed_cell_has_three_files_and_is_read_as_before(command: Command, store: Store) -> None:
    folder = wasteful(store, planned())
    attempt = Attempt(folder.path, 3)
    attempt.event({"event": "epoch", "epoch": 2})
    result, scores, rates, queued = folder.result(), folder.scores(), folder.tried_rates(), folder.queued()
    began, ended = attempt.began(), attempt.ended()
    events, shown = list(attempt.events()), command("logs", folder.id, "--root", str(store.root), "--json").out
    answer = command("prune", "--root", str(store.root), "--pack", "--yes")
    assert "1 finished cell packed: 7 files in 1 zip" in answer.out
    assert sorted(path.name for path in folder.path.iterdir()) == ["cell.json", "packed.zip", "result.json"]
    assert {member.compress_type for member in zipfile.ZipFile(folder.path / "packed.zip").infolist()} == {0}
    assert (folder.result(), folder.tried_rates(), folder.queued()) == (result, rates, queued)
    packed = folder.scores()
    assert (packed.scores.tobytes(), packed.ids, packed.classes) == (SCORES.tobytes(), scores.ids, CLASSES)
    assert folder.attempts() == (attempt,)
    assert (attempt.began(), attempt.ended(), list(attempt.events())) == (began, ended, events)
    assert folder.state().name == "done"
    stories = json.loads(command("logs", folder.id, "--root", str(store.root), "--json").out)["attempts"]
    assert stories == json.loads(shown)["attempts"][2:]
    assert command("prune", "--root", str(store.root), "--pack", "--yes").err == "nothing to prune\n"


def test_commands_answer_alike_before_and_after_packing(command: Command, grid: list[str]) -> None:
    assert command(*grid).code == 0
    ids = [folder.id for folder in Store.open(Path("runs")).folders()]
    asked = (["table", "--format", "csv"], ["status", "--json"], ["score", *ids, "--json"], [*grid, "--dry-run"])
    before = [command(*argv) for argv in asked]
    assert command("prune", "--pack", "--yes").code == 0
    assert all(len(list(folder.path.iterdir())) == 3 for folder in Store.open(Path("runs")).folders())
    assert [command(*argv) for argv in asked] == before
    assert json.loads(before[2].out)["cells"][0]["agrees"]
    packed = snapshot(Path("runs/cells"))
    assert command(*grid).code == 0
    assert snapshot(Path("runs/cells")) == packed  # nothing was trained again


def test_a_new_attempt_at_a_packed_cell_has_a_new_number_and_is_packed_as_well(store: Store) -> None:
    finish(store, planned())
    prune(store, None, never, packing=True)
    folder = store.folder(planned().cell)
    (folder.path / "result.json").write_bytes(b"damaged")
    attempt, won = finish(store, planned())
    assert (attempt.number, won) == (2, True)
    assert [each.number for each in folder.attempts()] == [1, 2]
    prune(store, None, never, packing=True)
    assert len(list(folder.path.iterdir())) == 3
    assert folder.scores().scores.tobytes() == SCORES.tobytes()
    assert [each.number for each in folder.attempts()] == [1, 2]


def test_cells_that_are_not_finished_are_not_packed(store: Store) -> None:
    folder = store.folder(planned().cell)
    folder.begin(planned(), {}).end("interrupted", BROKEN)
    before = snapshot(store.root)
    assert prune(store, None, never, packing=True).packed == 0
    assert snapshot(store.root) == before


def test_a_cell_whose_attempt_has_not_recorded_its_end_is_not_packed(store: Store) -> None:
    attempt, _ = finish(store, planned())
    (attempt.path / "end.json").unlink()  # between the result and the end
    assert prune(store, None, never, packing=True).packed == 0
    attempt.end("done")
    with Lease(CellFolder(attempt.cell).lease):
        assert prune(store, None, never, packing=True).packed == 0
    assert prune(store, None, never, packing=True).packed == 1


def test_damage_to_a_packed_cell_is_noticed(store: Store) -> None:
    finish(store, planned())
    prune(store, None, never, packing=True)
    folder = store.folder(planned().cell)
    path = folder.path / "packed.zip"
    content = bytearray(path.read_bytes())
    content[content.index(SCORES.tobytes()[:8])] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match="packed files are damaged"):
        folder.scores()


def test_the_same_files_are_packed_to_the_same_bytes_and_a_store_has_fewer_entries(store: Store) -> None:
    for seed in range(3):
        finish(store, planned(seed=seed))
    before = find(store, None, never, packing=True)
    assert (before.packed, before.packed_files, before.entries[0]) == (3, 12, before.entries[1])
    done = prune(store, None, never, packing=True)
    assert done.entries[0] - done.entries[1] == 3 * (4 + 2 - 1)  # files and folders gone, a zip made


# A file system that holds no more files


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[Path]:
    yield from mounts.small_disk(tmp_path / "disk", "size=2m,nr_inodes=80")


def test_where_no_file_can_be_created_any_more_prune_makes_room_and_packs(few_files: Path) -> None:
    store = Store.open(few_files / "runs")
    wasteful(store, planned())
    for seed in (1, 2):
        finish(store, planned(seed=seed))
    with suppress(OSError):
        for number in itertools.count():
            (few_files / f"{number}").touch()
    done = prune(store, None, never, packing=True)
    assert done.packed == 3
    assert done.entries[0] - done.entries[1] > 20
    assert all(folder.scores().scores.tobytes() == SCORES.tobytes() for folder in store.folders())


# Kills


def kills(store: Store, work: Callable[[], object]) -> Iterator[int]:
    """Do the work in a process that is killed at its n-th call that touches the disk, for each n."""
    number = 0
    while True:
        number += 1
        child = os.fork()
        if child == 0:
            die_at(number)
            work()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        yield number
        if not os.WIFSIGNALED(status):
            return
        assert os.WTERMSIG(status) == signal.SIGKILL


def test_a_kill_at_any_step_of_prune_loses_nothing(store: Store) -> None:
    item = planned()
    folder = wasteful(store, item)
    submitted(store, "101", [item])
    expected = folder.result(), folder.scores().scores.tobytes(), folder.tried_rates(), folder.queued()
    record = Attempt(folder.path, 3).began()
    for _ in kills(store, lambda: prune(store, None, never, packing=True)):
        found = folder.result(), folder.scores().scores.tobytes(), folder.tried_rates(), folder.queued()
        assert found == expected
        assert Attempt(folder.path, 3).began() == record
        assert folder.state().name == "done"
        folder.lease.unlink(missing_ok=True)  # of the killed process
    for path in [*store.root.rglob(".tmp-*"), *store.root.rglob("lease.break.*")]:
        age(path)
    done = prune(store, None, never, packing=True)
    assert done.orphans == []
    left = {path.name for path in store.root.rglob("*") if path.is_file() and path.name != "index.jsonl"}
    assert left == {"store.json", "cell.json", "packed.zip", "result.json"}
