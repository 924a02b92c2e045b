"""Official GloVe files: read in the data folder or downloaded once, verified; only the needed words are cached."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import Command
from layouts import write_image
from loopback import Files, serving
from pmll_bench.prepare import word_vectors as word_files
from pmll_bench.prepare.word_vectors import ALWAYS, ARCHIVES, SIZES, cache_vectors, missing
from pmll_datasets.cub import _natural, _released
from pmll_datasets.errors import DataError
from pmll_datasets.nuswide import CLASSES as NUS
from pmll_datasets.shapes import CLASSES as SHAPES
from pmll_datasets.sources import Archive
from pmll_datasets.voc import CLASSES as VOC
from pmll_datasets.voc import NATURAL_NAMES
from pmll_methods.method import MethodError
from pmll_methods.towers import glove
from pmll_methods.towers.weights import words_identity
from pmll_methods.towers.words import word_vectors

TEXT = b"we 1 1 1\npotted 0 2 4\nplant 4 2 0\ncat 3 0 1\nboat 7 7 7\ncrane 5 5 5\nnever asked for 9 9 9\n"
MEMBER = "glove.840B.300d.txt"


def zipped(text: bytes = TEXT) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("glove.840B.50d.txt", b"cat 1\n")
        archive.writestr(MEMBER, text)
    return held.getvalue()


ZIP = zipped()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pmll-bench" / "words"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """Stanford's server, on loopback, with a small GloVe file."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({"/glove.840B.300d.zip": ZIP}) as files:
        digest = f"sha256:{hashlib.sha256(ZIP).hexdigest()}"
        archive = Archive(f"{files.url}/glove.840B.300d.zip", len(ZIP), digest, MEMBER)
        monkeypatch.setitem(ARCHIVES, "glove", archive)
        monkeypatch.setitem(SIZES, "glove", len(TEXT))
        yield files


def test_it_is_downloaded_once_and_only_the_needed_words_are_kept(server: Files, cache: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    assert missing("glove", ["potted plant"])
    cache_vectors("glove", ["potted plant", "unheard-of"], progress=lambda *call: seen.append(call))
    cache_vectors("glove", ["Cat", "unheard-of"])
    assert server.asked == ["GET /glove.840B.300d.zip"]
    assert seen[0] == ("glove.840B.300d.zip", len(ZIP), len(ZIP))
    assert seen[-1] == (MEMBER, len(TEXT), len(TEXT))
    assert [path.name for path in cache.iterdir()] == ["glove.840B.300d.npz"]
    assert glove.read_kept("glove").vectors.keys() == {"potted", "plant", "cat", "boat"}  # of built-in data sets: boat
    assert word_vectors("glove", ["potted plant", "cat"]).tolist() == [[2, 2, 2], [3, 0, 1]]


def test_words_that_are_needed_later_are_added(server: Files) -> None:
    cache_vectors("glove", ["potted plant"])
    cache_vectors("glove", ["crane (bird)"])
    assert glove.read_kept("glove").vectors.keys() == {"potted", "plant", "cat", "boat", "crane"}
    assert "bird" in glove.read_kept("glove").absent


@pytest.mark.parametrize("name", ["glove.840B.300d.zip", MEMBER, "glove/glove.840B.300d.zip"])
def test_the_whole_file_is_found_in_the_data_folder_and_left_there(name: str, server: Files, tmp_path: Path) -> None:
    path = tmp_path / "data" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(TEXT if path.suffix == ".txt" else ZIP)
    cache_vectors("glove", ["potted plant"], tmp_path / "data")
    assert not server.asked
    assert path.is_file()
    assert word_vectors("glove", ["potted plant"]).tolist() == [[2, 2, 2]]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (MEMBER, TEXT + b"own 1 2 3\n", "bytes, but the official file has"),
        ("glove.840B.300d.zip", zipped(TEXT + b"own 1 2 3\n"), "wrong checksum of glove.840B.300d.zip: sha256"),
    ],
)
def test_another_file_of_the_same_name_is_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        cache_vectors("glove", ["cat"], tmp_path)
    assert f"--set words={tmp_path / name}" in str(caught.value.hint)


def test_what_the_server_sends_is_checked(server: Files, cache: Path) -> None:
    server.content = {"/glove.840B.300d.zip": ZIP[:-1] + b"!"}
    with pytest.raises(DataError, match="sha256"):
        cache_vectors("glove", ["cat"])
    assert not glove.read_kept("glove").vectors
    assert not list(cache.glob("*"))


def test_a_damaged_cache_is_made_again(server: Files, cache: Path) -> None:
    cache_vectors("glove", ["cat"])
    (cache / "glove.840B.300d.npz").write_bytes(b"PK\x03\x04 cut off")
    cache_vectors("glove", ["cat"])
    assert len(server.asked) == 2
    assert word_vectors("glove", ["cat"]).tolist() == [[3, 0, 1]]


def test_a_method_without_them_says_how_to_get_them() -> None:
    with pytest.raises(MethodError, match=r"glove\.840B\.300d are not available for: cat") as caught:
        word_vectors("glove", ["cat"])
    for way in ("pmll-bench data fetch glove", "--set words=FILE", "--set words=one-hot"):
        assert way in str(caught.value.hint)


@pytest.mark.usefixtures("server")
def test_a_word_that_glove_lacks_is_named() -> None:
    cache_vectors("glove", ["dog"])
    with pytest.raises(MethodError, match="no vector for: dog"):
        word_vectors("glove", ["dog"])


def test_official_files_are_identified_by_name() -> None:
    assert [words_identity(name) for name in ("glove", "glove-6b")] == ["glove.840B.300d", "glove.6B.300d"]


def test_the_names_of_all_built_in_data_sets_are_kept_whichever_was_asked_for(shared: Path) -> None:
    lists = shared / "data" / "labels" / "classnames"
    coco, released = ((lists / f"{name}.txt").read_text().splitlines() for name in ("coco-dualcoop", "cub312-scpnet"))
    attributes = [f"has_{second}::{first}" for first, second in (name.split(" ", 1) for name in released)]
    names = [*VOC, *NATURAL_NAMES.values(), *NUS, *SHAPES, *coco, *released, *map(_natural, attributes)]
    assert glove.words_of(names) <= glove.words_of(ALWAYS.read_text("utf-8").split())
    assert _released("has_bill_shape::curved_(up_or_down)") in released


def test_the_command_keeps_the_words_of_a_users_own_classes(command: Command, server: Files, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,split,crane (bird)\na.png,train,1\nb.png,test,1\nc.png,test,-1\n")
    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / name)
    answer = command("data", "fetch", "glove", str(table))
    assert answer.code == 0
    assert answer.out.strip().endswith("glove.840B.300d.npz")
    assert "crane" in glove.read_kept("glove").vectors
    assert server.asked == ["GET /glove.840B.300d.zip"]


@pytest.mark.usefixtures("server")
def test_a_full_disk_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(word_files, "write_whole", full)
    with pytest.raises(DataError, match="could not be cached: No space left"):
        cache_vectors("glove", ["cat"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dining table", ["dining", "table"]),
        ("diningtable", ["dining", "table"]),
        ("potted_plant", ["potted", "plant"]),
        ("crane (bird)", ["crane", "bird"]),
        ("C++", ["c"]),
    ],
)
def test_the_words_of_a_name(name: str, words: list[str]) -> None:
    assert glove.words_of([name]) == set(words)


def test_a_word_with_a_hyphen_is_read_as_its_parts_where_it_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("t-shirt 8 8\nwell 0 2\nread 2 0\n")
    assert glove.file_vectors(path, ["t-shirt", "well-read"]).tolist() == [[8, 8], [1, 1]]
