"""Images that are replaced under their old names: results of the old images are not used for the new ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import Command, method_file
from layouts import voc_objects, write_voc
from pmll_bench.errors import Exit
from pmll_bench.plan import planning

IMAGES = {"000001": "cat", "000002": "dog", "000003": "cat", "000004": "dog"}


def draw(path: Path, seed: int, side: int = 24) -> None:
    """Another image for each seed, of the same size as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(noise).save(path, "BMP")


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    planning._load.cache_clear()


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    """A user's own data set of four images."""
    rows = ["path,split,cat,dog"]
    for number, split in enumerate(("train", "train", "test", "test")):
        draw(tmp_path / f"{number}.bmp", number)
        rows.append(f"{number}.bmp,{split},{'1,-1' if number % 2 else '-1,1'}")
    (tmp_path / "toys.csv").write_text("\n".join(rows))
    return tmp_path / "toys.csv"


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """A partial copy of VOC 2007 with four images."""
    objects = {each: voc_objects(name) for each, name in IMAGES.items()}
    home = write_voc(tmp_path, {"trainval": [*IMAGES][:2], "test": [*IMAGES][2:]}, objects)
    for number, each in enumerate(IMAGES):
        draw(home / "JPEGImages" / f"{each}.jpg", number)
    return tmp_path


def run_on(command: Command, folder: Path, *data: str) -> tuple[int, str, str]:
    """Run a method that takes no time; planning reads the data set anew, as another process does."""
    planning._load.cache_clear()
    method = method_file(folder)
    return command("run", "--methods", method, "--regime", "full", "--threads", "1", "--device", "cpu", *data)


def test_own_images_that_are_replaced_are_named_and_get_a_number_of_their_own(toys: Path, command: Command) -> None:
    data = ("--datasets", str(toys))
    assert run_on(command, toys.parent, *data)[0] == Exit.DONE
    code, _, err = run_on(command, toys.parent, *data)
    assert (code, "changed since" in err, "done   mine" in err) == (Exit.DONE, False, False)
    draw(toys.parent / "1.bmp", 10)
    code, _, err = run_on(command, toys.parent, *data)
    assert code == Exit.DONE
    assert "toys: 1 image has changed since" in err
    assert "done   mine" in err


def test_verify_names_the_results_that_were_made_from_other_images(toys: Path, command: Command) -> None:
    run_on(command, toys.parent, "--datasets", str(toys))
    assert command("data", "verify", str(toys), "--json").document["results_of_others"] == []
    draw(toys.parent / "3.bmp", 10)
    found = command("data", "verify", str(toys))
    assert found.code == Exit.DONE
    assert "1 result in runs was computed from other images" in found.err
    assert "note: 1 image has changed since" in found.err
    run_on(command, toys.parent, "--datasets", str(toys))
    assert len(command("data", "verify", str(toys), "--json").document["results_of_others"]) == 1


def test_official_images_that_are_replaced_are_refused_until_they_are_verified_anew(
    voc: Path, command: Command
) -> None:
    data = ("--datasets", "voc2007-subset", "--data-root", str(voc))
    assert run_on(command, voc, *data)[0] == Exit.DONE
    changed = voc / "VOCdevkit/VOC2007/JPEGImages/000002.jpg"
    draw(changed, 10, side=30)
    for _ in range(2):
        code, _, err = run_on(command, voc, *data)
        assert code == Exit.INVALID
        assert "voc2007-subset: 1 image has changed since" in err
        assert f"where: {changed}" in err
        assert "pmll-bench data verify voc2007-subset --renew" in err
    found = command("data", "verify", *data[1:])
    assert found.code == Exit.INVALID
    assert "000002: the file has changed since" in found.err
    found = command("data", "verify", *data[1:], "--renew")
    assert found.code == Exit.DONE
    assert "1 result in runs was computed from other images" in found.err
    code, _, err = run_on(command, voc, *data)
    assert code == Exit.DONE
    assert "the images have changed since these cells finished" in err
    (folder,) = Path("runs/cells/voc2007-subset/mine").iterdir()
    assert f"remove its folder, {folder}" in err
    shutil.rmtree(folder)
    assert "done   mine" in run_on(command, voc, *data)[2]
    assert "other images" not in run_on(command, voc, *data)[2]


def test_verify_compares_pixels_with_those_of_last_time(voc: Path, command: Command) -> None:
    data = ("voc2007-subset", "--data-root", str(voc))
    assert command("data", "verify", *data).code == Exit.DONE
    image = voc / "VOCdevkit/VOC2007/JPEGImages/000003.jpg"
    Image.open(image).save(image, "PNG")  # stored anew without loss
    assert command("data", "verify", *data).code == Exit.DONE
    draw(image, 10)
    found = command("data", "verify", *data)
    assert found.code == Exit.INVALID
    assert found.err.count("000003") == 1
    assert "its pixels have changed since it was last verified" in found.err


def test_verify_finds_an_image_of_the_same_size_and_time(toys: Path, command: Command) -> None:
    """As copying with preserved times leaves it; nothing but reading it can tell."""
    run_on(command, toys.parent, "--datasets", str(toys))
    assert command("data", "verify", str(toys)).code == Exit.DONE
    image = toys.parent / "3.bmp"
    times = image.stat()
    draw(image, 10)
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    found = command("data", "verify", str(toys))
    assert found.code == Exit.INVALID
    assert "error: 3: its pixels have changed since it was last verified" in found.err
    assert "--renew" in found.err
    assert command("data", "verify", str(toys), "--renew").code == Exit.DONE
    assert command("data", "verify", str(toys), "--json").document["results_of_others"] != []
    assert "done   mine" in run_on(command, toys.parent, "--datasets", str(toys))[2]


def test_verify_names_equal_images_in_both_splits(toys: Path, command: Command) -> None:
    draw(toys.parent / "2.bmp", 1)
    found = command("data", "verify", str(toys))
    assert found.code == Exit.DONE
    assert "warning: 1 of train and 2 of test have equal pixels" in found.err
    assert command("data", "verify", str(toys), "--json").document["equal"] == [["1", "2"]]


def test_verify_takes_a_folder_that_is_no_store_for_one_without_results(toys: Path, command: Command) -> None:
    runs = toys.parent / "runs"
    runs.mkdir()
    assert command("data", "verify", str(toys)).code == Exit.DONE
    (runs / "events.out").touch()
    assert command("data", "verify", str(toys)).code == Exit.DONE
