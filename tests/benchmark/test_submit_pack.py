"""`submit pack`: what a package has, what it never has, and what it says about itself."""

from __future__ import annotations

import errno
import hashlib
import importlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from command_line import SMALL, Command, method_file
from doc_pages import blocks, check_workflow
from made_up_results import RATIOS
from own_data import own_data
from pmll_bench.plan.planned import Where
from pmll_bench.store.document import write_record
from pmll_bench.store.pack import pack as pack_cell
from pmll_bench.store.store import Store
from pmll_bench.submission import archive, choosing, packing
from pmll_bench.submission.check import Report, check
from pmll_bench.submission.package import MEMBER, Submission
from scored_results import finish, noisy

AUTHOR = ("--author", "A. Author")
PACK = ("submit", "pack", *AUTHOR, "-o", "my.zip")


@pytest.fixture
def full(store: Store) -> Store:
    """A store with the full grid of one method."""
    for ratio in RATIOS:
        for seed in range(3):
            finish(store, "bce", noisy(ratio, seed), ratio=ratio, mask_seed=seed, seed=seed)
    return store


@pytest.fixture
def small(store: Store) -> Store:
    """A store with two cells of one method."""
    for seed in range(2):
        finish(store, "bce", noisy(1.0, seed), mask_seed=seed, seed=seed)
    return store


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages are not checked in a process of their own, except in the tests that ask for it."""
    if "checked" not in request.fixturenames:

        def passed(path: Path, **_: object) -> Report:
            return Report(hashlib.sha256(path.read_bytes()).hexdigest(), None, (), (), None)

        monkeypatch.setattr(packing, "check", passed)


@pytest.fixture
def checked() -> None:
    """Packages are checked before they are written, as for users."""


def members(path: str = "my.zip") -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_a_package_has_the_cells_with_their_scores_and_says_who_made_them(command: Command, small: Store) -> None:
    about = ("--paper", "On Lakes", "--contact", "a@example.org", "--code-url", "https://example.org", "--notes", "x")
    answer = command(*PACK, *about, "--extra-data", "none", "--json")
    assert answer.code == 0, answer.err
    found = members()
    assert list(found) == sorted(found)
    assert all(MEMBER.fullmatch(name) for name in found)
    assert len(found) == 2 + 3 * 2
    submission = Submission.model_validate_json(found["submission.json"])
    assert submission.authors == ("A. Author",)
    assert (submission.paper, submission.contact, submission.code) == (
        "On Lakes",
        "a@example.org",
        "https://example.org",
    )
    assert (submission.extra_data, submission.notes) == ("none", "x")
    for folder in small.folders():
        result = folder.result()
        assert result is not None
        scores = found[f"cells/{folder.id}/scores.npz"]
        assert scores == (folder.path / result.scores.file).read_bytes()
        assert hashlib.sha256(scores).hexdigest() == submission.cells[folder.id].scores
        assert json.loads(found[f"cells/{folder.id}/result.json"]) == json.loads(result.as_bytes())
    assert answer.document["digest"] == hashlib.sha256(Path("my.zip").read_bytes()).hexdigest()
    assert sorted(answer.document["cells"]) == sorted(submission.cells)


@pytest.mark.usefixtures("checked")
def test_a_package_passes_its_check_with_the_data_sets(command: Command, grid: list[str]) -> None:
    assert command(*grid).code == 0
    answer = command(*PACK, "--with-code", "mine.py", "--json")
    assert answer.code == 0, answer.err
    report = check(Path("my.zip"))
    assert report.problems == ()
    assert report.package == answer.document["digest"]
    assert report.evidence is not None
    assert sorted(report.evidence.cells) == sorted(answer.document["cells"])


@pytest.mark.usefixtures("checked")
def test_what_the_check_would_refuse_is_not_written(command: Command, small: Store) -> None:
    before = sorted(path.name for path in Path().iterdir())
    answer = command(*PACK, "--code-url", "javascript:alert(1)")
    assert answer.code == 7
    assert "my.zip, submission.json" in answer.err
    assert "code is not a link" in answer.err
    assert sorted(path.name for path in Path().iterdir()) == before


def test_equal_content_gives_equal_bytes_on_another_day(
    command: Command, small: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(*PACK).code == 0
    first = Path("my.zip").read_bytes()
    monkeypatch.setattr("time.time", lambda: 4e9)
    monkeypatch.setattr("pmll_bench.store.document.now", lambda: "2096-10-02T07:06:40Z")
    for path in Path("runs").rglob("*"):
        os.utime(path, (3e9, 3e9))
    small.root.rename("elsewhere")
    assert command(*PACK, "--root", "elsewhere").code == 0
    assert Path("my.zip").read_bytes() == first


def test_packed_cells_give_the_same_package(command: Command, small: Store) -> None:
    assert command(*PACK).code == 0
    first = Path("my.zip").read_bytes()
    for folder in small.folders():
        assert pack_cell(folder.path)
    assert command(*PACK).code == 0
    assert Path("my.zip").read_bytes() == first


def test_scores_are_read_one_by_one_and_only_when_they_are_written(
    command: Command, small: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: set[str] = set()
    most = []

    class Scores(bytes):
        def __del__(self) -> None:
            alive.discard(self[:200].hex())

    whole = choosing.PackableCell.scores

    def read(each: choosing.PackableCell) -> bytes:
        content = Scores(whole(each))
        alive.add(content[:200].hex())
        most.append(len(alive))
        return content

    monkeypatch.setattr(choosing.PackableCell, "scores", read)
    finish(small, "bce", noisy(1.0, 2), mask_seed=2, seed=2)
    assert command(*PACK).code == 0
    assert most == [1, 1, 1]


def test_no_member_names_a_place_on_the_machine(command: Command, small: Store, tmp_path: Path) -> None:
    folder = next(small.folders())
    record, result = folder.record(), folder.result()
    assert record is not None
    assert result is not None
    settings = {"tower": f"local-dir:{tmp_path}/clip", "weights": str(tmp_path / "w.pt"), "words": "~/glove.txt"}
    where = Where(str(tmp_path), str(tmp_path / "bce.py"))
    write_record(folder.path / "cell.json", record.model_copy(update={"where": where, "settings": settings}))
    write_record(folder.path / "result.json", result.model_copy(update={"settings": settings}))
    assert command(*PACK).code == 0
    found = members()
    assert not [name for name, content in found.items() if str(tmp_path).encode() in content or b"~/" in content]
    cell = json.loads(found[f"cells/{folder.id}/cell.json"])
    assert cell["where"] == {"root": None, "target": "bce.py", "mask": None}
    assert cell["settings"] == {"tower": "local-dir:clip", "weights": "w.pt", "words": "glove.txt"}


def test_a_cell_whose_identity_names_a_place_is_left_out(command: Command, store: Store) -> None:
    finish(store, "bce", noisy(1.0, 0))
    path = finish(store, "bce", noisy(1.0, 1), settings={"vectors": "/home/me/secret.npy"}, mask_seed=1)
    answer = command(*PACK)
    assert answer.code == 0
    assert f"{path.name}" in answer.err
    assert "a place on this machine" in answer.err
    assert b"secret" not in Path("my.zip").read_bytes()


def test_results_under_a_mask_from_a_file_are_refused(command: Command, grid: list[str]) -> None:
    assert command("data", "mask", "shapes", "--ratios", "0.5", "--out", "mask.npz").code == 0
    run = [*grid[: grid.index("--ratios")], "--ratios", "0.5", "--mask", "mask.npz", *SMALL]
    assert command(*run).code == 0
    answer = command(*PACK)
    assert answer.code == 3
    assert "the mask is a file of yours" in answer.err
    assert not Path("my.zip").exists()


def test_results_on_ones_own_images_are_refused(command: Command, tmp_path: Path) -> None:
    data = own_data(tmp_path, ["1,-1", "-1,1", "1,1", "-1,-1"])
    run = ("run", "--methods", method_file(tmp_path), "--datasets", data, "--ratios", "0.5", "--threads", "1")
    assert command(*run).code == 0
    answer = command(*PACK)
    assert answer.code == 3
    assert "images are your own" in answer.err


def test_outdated_and_damaged_cells_are_left_out_with_the_reason(command: Command, small: Store) -> None:
    finish(small, "linear-probe", noisy(1.0, 0), revision=0)
    path = finish(small, "asl", noisy(1.0, 0))
    np.savez(path / "attempts/0001/scores.npz", scores=np.zeros(3))
    gone = finish(small, "asl", noisy(1.0, 0), mask_seed=1)
    (gone / "cell.json").unlink()
    answer = command(*PACK, "--json")
    assert answer.code == 0
    states = {each["label"]: (each["state"], each["message"]) for each in answer.document["others"]}
    assert states["linear-probe"] == ("outdated", "made with revision 0")
    assert {each["message"] for each in answer.document["others"] if each["id"] == path.name} == {
        "the scores file has changed since the result was made"
    }
    assert gone.name not in answer.document["cells"]
    assert {each["name"] for each in answer.document["rows"]} == {"bce"}


def test_only_chosen_methods_and_data_sets_are_packed(command: Command, small: Store) -> None:
    finish(small, "asl", noisy(1.0, 0))
    assert command(*PACK, "--methods", "asl", "--datasets", "shapes", "--json").document["rows"][0]["name"] == "asl"
    answer = command(*PACK, "--methods", "asll")
    assert answer.code == 2
    assert "did you mean 'asl'?" in answer.err


def test_a_full_grid_lacks_nothing(command: Command, full: Store) -> None:
    answer = command(*PACK)
    assert "27 of 27" in answer.out
    assert "only full grids" not in answer.err


def test_what_is_missing_from_a_full_grid_is_named(command: Command, full: Store) -> None:
    for folder in list(full.folders()):
        record = folder.record()
        assert record is not None
        if (record.cell.ratio, record.cell.mask_seed) in {(0.2, 1), (0.7, 1), (0.9, 0), (0.9, 2)}:
            shutil.rmtree(folder.path)
    answer = command(*PACK)
    assert "23 of 27  mask 1 at 20% 70%; masks 0 2 at 90%" in answer.out
    assert "a board ranks only full grids" in answer.err


def test_fewer_than_three_masks_are_no_full_grid(command: Command, small: Store) -> None:
    row = command(*PACK, "--json").document["rows"][0]
    assert (row["present"], row["expected"], row["more"], row["complete"]) == (2, 27, 1, False)
    assert row["missing"] == [{"ratios": list(RATIOS[1:]), "seeds": [0, 1]}]


@pytest.mark.parametrize(
    ("regime", "mask", "deterministic", "expected"),
    [("full", "none", True, 1), ("full", "none", False, 3), ("single-positive", "counter/1", True, 3)],
)
def test_regimes_without_a_ratio_need_masks_or_seeds(
    command: Command, store: Store, regime: str, mask: str, deterministic: bool, expected: int
) -> None:
    finish(store, "bce", noisy(1.0, 0), ratio=1.0, regime=regime, mask=mask, deterministic=deterministic)
    (row,) = command(*PACK, "--json").document["rows"]
    assert (row["present"], row["expected"]) == (1, expected)


def test_the_unfinished_cells_of_the_store_are_counted_by_state(command: Command, small: Store) -> None:
    (next(small.folders()).path / "result.json").unlink()
    assert "1 unfinished cell: 1 lost" in command(*PACK).err


def test_the_code_of_ones_own_method_is_packed_if_it_made_the_cells(
    command: Command, grid: list[str], tmp_path: Path
) -> None:
    assert command(*grid).code == 0
    answer = command(*PACK)
    assert answer.code == 0
    assert "the code of mine is not in the package" in answer.err
    answer = command(*PACK, "--with-code", "mine.py")
    assert "the code of mine" not in answer.err
    assert "code of mine" in answer.out
    found = members()
    assert found["methods/mine.py"] == Path("mine.py").read_bytes()
    submission = Submission.model_validate_json(found["submission.json"])
    assert submission.methods == {"mine": hashlib.sha256(found["methods/mine.py"]).hexdigest()}
    cell = json.loads(found[f"cells/{next(iter(submission.cells))}/cell.json"])
    assert cell["where"] == {"root": None, "target": "mine.py", "mask": None}
    assert str(tmp_path).encode() not in Path("my.zip").read_bytes()


def test_code_that_did_not_make_the_cells_is_refused(command: Command, grid: list[str], tmp_path: Path) -> None:
    assert command(*grid).code == 0
    kept = hashlib.sha256(Path("mine.py").read_bytes()).hexdigest()
    method_file(tmp_path, fit="pass  # edited")
    answer = command(*PACK, "--with-code", "mine.py")
    assert answer.code == 3
    assert "no chosen cell was made with this file" in answer.err
    assert f"methods/{kept}.py (mine)" in answer.err
    assert not Path("my.zip").exists()
    assert command(*PACK, "--with-code", f"runs/methods/{kept}.py").code == 0


def test_one_version_of_a_method_s_file_is_packed(command: Command, grid: list[str], tmp_path: Path) -> None:
    assert command(*grid).code == 0
    method_file(tmp_path, fit="pass  # edited")
    assert command(*grid).code == 0
    answer = command(*PACK)
    assert answer.code == 3
    assert "2 versions of its file" in answer.err
    answer = command(*PACK, "--with-code", "mine.py", "--json")
    assert answer.code == 0
    assert len(answer.document["cells"]) == 4
    (other,) = [path for path in Path("runs/methods").iterdir() if path.read_bytes() != Path("mine.py").read_bytes()]
    answer = command(*PACK, "--with-code", "mine.py", str(other))
    assert answer.code == 3
    assert "several files of one method" in answer.err
    answer = command(*PACK, "--with-code", "mine.py", "--json")
    assert {each["message"] for each in answer.document["others"]} == {"made with another version of the method's file"}


def test_a_method_of_several_files_is_refused(command: Command, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("X = 1\n")
    path = Path(method_file(tmp_path))
    path.write_text(f"import helper\n{path.read_text()}")
    assert command("run", "--methods", "mine.py", "--ratios", "0.5", *SMALL).code == 0
    answer = command(*PACK, "--with-code", "mine.py")
    assert answer.code == 3
    assert "helper.py" in answer.err


def test_two_variants_under_one_label_are_refused(command: Command, small: Store) -> None:
    finish(small, "bce", noisy(1.0, 0), settings={"lr": 0.5})
    answer = command(*PACK)
    assert answer.code == 3
    assert "one label for different settings" in answer.err


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["submit", "pack", "-o", "my.zip"], 2, "--author"),
        (["submit", "pack", *AUTHOR], 2, "--output"),
        (["submit", "pack", "--author", " ", "-o", "my.zip"], 3, "an author has no name"),
        ([*PACK, "--notes", "x" * 2001], 3, "notes"),
        ([*PACK, "--root", "nowhere"], 6, "there is no store"),
        ([*PACK, "--with-code", "nothing.py"], 3, "no such file"),
        (["submit", "pack", *AUTHOR, "-o", "missing/my.zip"], 2, "no such folder"),
        (["submit", "pack", *AUTHOR, "-o", "my_method.py"], 2, ".zip"),
        (["submit", "pack", *AUTHOR, "-o", "folder.zip"], 2, "no package"),
        (["submit", "pack", *AUTHOR, "-o", "other.zip"], 2, "no package"),
    ],
)
def test_bad_input_is_one_clear_error(command: Command, small: Store, argv: list[str], code: int, says: str) -> None:
    Path("folder.zip").mkdir()
    with zipfile.ZipFile("other.zip", "w") as file:
        file.writestr("photos/1.png", b"")
    before = Path("other.zip").read_bytes()
    answer = command(*argv)
    assert answer.code == code
    assert says in answer.err
    assert not Path("my.zip").exists()
    assert Path("other.zip").read_bytes() == before


def test_a_store_without_results_has_nothing_to_pack(command: Command, store: Store) -> None:
    answer = command(*PACK)
    assert answer.code == 3
    assert "run 'pmll-bench run' first" in answer.err


@pytest.mark.parametrize(
    ("number", "says"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "access refused"), (errno.EACCES, "refused")]
)
def test_no_package_is_left_behind_if_writing_fails(
    command: Command, small: Store, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def fails(each: object) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(choosing.PackableCell, "scores", fails)
    answer = command(*PACK)
    assert answer.code == 6
    assert says in answer.err
    assert "where: my.zip" in answer.err
    assert not list(Path().glob("*my.zip*"))


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [("MEMBERS", 7, "8 files; a package holds at most 7"), ("PACKAGE_BYTES", 9, "at most 9"), ("TEXT_BYTES", 9, "at")],
)
def test_a_package_that_a_check_would_refuse_is_not_written(
    command: Command, small: Store, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, says: str
) -> None:
    monkeypatch.setattr(archive, limit, value)
    answer = command(*PACK)
    assert answer.code == 3
    assert says in answer.err
    assert "--methods or --datasets" in answer.err
    assert not Path("my.zip").exists()


def test_scores_that_are_too_large_are_left_out(
    command: Command, small: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "SCORES_BYTES", 100)
    assert "take more than 100 bytes" in command(*PACK).err


def test_the_documents_of_a_package_satisfy_their_json_schemas(command: Command, small: Store) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="comes with the extra 'dev'")
    schemas = importlib.import_module("_pages.schemas")
    assert command(*PACK).code == 0
    for name, content in members().items():
        kind = {"submission.json": "package"}.get(name, name.rpartition("/")[2].removesuffix(".json"))
        if name.endswith(".json"):
            jsonschema.validate(json.loads(content), schemas.schema(kind))


def test_the_workflow_of_the_page_is_valid_and_checks_all_packages(tmp_path: Path) -> None:
    (text,) = blocks("submit-a-result.md", "yaml")
    steps = [step["run"] for step in yaml.safe_load(text)["jobs"]["check"]["steps"] if "run" in step]
    assert steps[-1] == "pmll-bench submit check packages/*.zip"
    check_workflow(text, tmp_path / ".github/workflows/packages.yml")
