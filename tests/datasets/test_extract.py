"""Unpacking: completely or not at all, and never outside the folder."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from archives import names, tar_of
from pmll_datasets import fetch
from pmll_datasets.errors import DataError


def test_archives_share_a_folder_and_the_proof_is_moved_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    replace_file = Path.replace

    def spy(self: Path, target: Path) -> Path:
        moved.append(target.relative_to(tmp_path).as_posix())
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", spy)
    for name, proof in (("one", "Main/trainval.txt"), ("two", "Main/test.txt")):
        path = tmp_path / f"{name}.tar"
        path.write_bytes(tar_of({proof: b"list", **{f"JPEGImages/{name}{i}.jpg": b"image" for i in range(5)}}))
        moved.clear()
        fetch.extract(path, tmp_path, proof)
        assert moved[-1] == proof
        assert len(moved) == 6
    assert len(names(tmp_path)) == 2 + 2 * 6
    assert not list(tmp_path.glob(".*"))


def test_a_rerun_ignores_what_a_killed_run_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "images.tar"
    path.write_bytes(tar_of({"list.txt": b"000005"}))
    stale = tmp_path / ".images.tar.extracting" / "half.jpg"
    stale.parent.mkdir()
    stale.write_bytes(b"hal")
    fetch.extract(path, tmp_path, "list.txt")
    assert names(tmp_path) == {"images.tar", "list.txt"}


def unsafe_tar(folder: Path, name: str, kind: bytes = tarfile.REGTYPE) -> Path:
    path = folder / "bad.tar"
    with tarfile.open(path, "w") as tarred:
        tarred.addfile(tarfile.TarInfo("list.txt"))
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "list.txt"
        tarred.addfile(member)
    return path


def unsafe_zip(folder: Path, name: str, mode: int = stat.S_IFREG) -> Path:
    path = folder / "bad.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("list.txt", "")
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (mode | 0o644) << 16
        zipped.writestr(entry, "list.txt")
    return path


@pytest.mark.parametrize("name", ["/etc/owned", "../owned", "a/../../owned", "a\\..\\owned", "C:/owned"])
@pytest.mark.parametrize("pack", [unsafe_tar, unsafe_zip])
def test_an_archive_with_a_path_outside_the_folder_is_not_unpacked(
    tmp_path: Path, pack: Callable[[Path, str], Path], name: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = pack(folder, name)
    with pytest.raises(DataError, match="a path outside its folder"):
        fetch.extract(path, folder, "list.txt")
    assert names(tmp_path) == {f"data/{path.name}"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_tar_file_with_links_or_devices_is_not_unpacked(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(DataError, match="link"):
        fetch.extract(unsafe_tar(tmp_path, "link", kind), tmp_path, "list.txt")
    assert names(tmp_path) == {"bad.tar"}


def test_a_zip_file_with_a_link_is_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="link"):
        fetch.extract(unsafe_zip(tmp_path, "link", stat.S_IFLNK), tmp_path, "list.txt")
    assert names(tmp_path) == {"bad.zip"}


@pytest.mark.parametrize("name", ["images.zip", "images.tar"])
def test_a_damaged_archive_is_named_and_not_unpacked(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("list.txt", "0" * 1000)
        path.write_bytes(path.read_bytes().replace(b"0000", b"0001", 1))
    else:
        path.write_bytes(b"no archive at all")
    with pytest.raises(DataError, match="damaged") as raised:
        fetch.extract(path, tmp_path, "list.txt")
    assert raised.value.where == str(path)
    assert names(tmp_path) == {name}


def test_an_archive_without_its_proof_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.tar"
    path.write_bytes(tar_of({"other.txt": b""}))
    with pytest.raises(DataError, match=r"does not contain list\.txt"):
        fetch.extract(path, tmp_path, "list.txt")
    assert names(tmp_path) == {"other.tar"}
