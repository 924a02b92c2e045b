"""CUB-200-2011 (Wah et al., 2011) in its official layout, with its 312 attributes as labels.

The split is the official one: 5,994 images in `train`, 5,794 in `test`. An attribute is present if it is annotated as
present, regardless of the annotator's certainty, as in Cole et al. (CVPR 2021) and later single-positive work. The
option `names` selects the names of the attributes in prompts: has_bill_shape::curved_(up_or_down) is `natural` "bill
shape curved (up or down)" or `released` "curved bill", as in SCPNet's code.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from pmll_errors import counted

from .dataset import Dataset, Labels, OfficialList, Split
from .errors import DataError
from .files import AGAIN, existing_files, locate, read_text, require, split_of
from .registry import Value, check_count, names_of, repair_hint, stated_options


def load(root: Path, options: Mapping[str, Value]) -> Dataset:
    """The complete data set; a copy without 5,994 and 5,794 images is refused."""
    folder = locate(root, names_of("cub"), ("CUB_200_2011", ""), "attributes")
    files = _numbered(folder / "images.txt")
    in_train = _numbered(folder / "train_test_split.txt")
    classes = tuple(_numbered(_names(folder)).values())
    if files.keys() != in_train.keys():
        raise DataError("the images differ from those in images.txt", where=folder / "train_test_split.txt", hint=AGAIN)
    labels = _labels(folder / "attributes" / "image_attribute_labels.txt", list(files), len(classes))
    in_train_rows = np.array([flag == "1" for flag in in_train.values()])
    train, test = (_split(folder, split, [*files.values()], labels, rows) for split, rows in _parts(in_train_rows))
    read = _natural if options["names"] == "natural" else _released
    return Dataset("cub", classes, tuple(read(name) for name in classes), train, test, stated_options("cub", options))


def _natural(name: str) -> str:
    return name.removeprefix("has_").replace("::", " ").replace("_", " ")


def _released(name: str) -> str:
    """The name in SCPNet's code: the value without its remark in brackets, then the second word between underscores.

    Its irregular names are kept: has_size::large_(16_-_32_in) becomes "large size::large".
    """
    return f"{name.partition('::')[2].partition('_(')[0]} {name.split('_')[1]}"


def _parts(in_train: np.ndarray) -> list[tuple[str, np.ndarray]]:
    return [("train", np.flatnonzero(in_train)), ("test", np.flatnonzero(~in_train))]


def _names(folder: Path) -> Path:
    """The path of attributes.txt: beside the folder of the archive, or inside it."""
    places = [folder.parent / "attributes.txt", folder / "attributes.txt", folder / "attributes" / "attributes.txt"]
    return next((place for place in places if place.is_file()), places[0])


def _numbered(path: Path) -> dict[int, str]:
    """Lines `NUMBER TEXT`."""
    result: dict[int, str] = {}
    for line, entry in enumerate(read_text(path).splitlines(), 1):
        number, _, rest = entry.strip().partition(" ")
        if not number.isdecimal() or not rest:
            raise DataError(
                f"invalid line {entry!r} (expected a number and a name)", where=f"{path}, line {line}", hint=AGAIN
            )
        result[int(number)] = rest
    return result


def _split(folder: Path, split: str, files: list[str], labels: Labels, rows: np.ndarray) -> Split:
    check_count("cub", split, len(rows), folder / "train_test_split.txt")
    own = [files[row] for row in rows]
    require(own, existing_files(folder / "images", own), folder / "images", repair_hint("cub"))
    ids = [str(PurePosixPath(file).with_suffix("")) for file in own]
    official = OfficialList(labels[rows], np.arange(len(rows))) if split == "train" else None
    return split_of(ids, [folder / "images" / file for file in own], labels[rows], official)


def _labels(path: Path, numbers: list[int], classes: int) -> Labels:
    """int8 [images, attributes] from lines `IMAGE ATTRIBUTE PRESENT CERTAINTY SECONDS`; some have more columns."""
    labels = np.zeros((len(numbers), classes), np.int8)
    places = np.full(max(numbers) + 1, len(numbers))  # one past the last row marks an unknown image
    places[numbers] = np.arange(len(numbers))
    try:
        image, attribute, present = np.loadtxt(io.StringIO(read_text(path)), np.int64, usecols=(0, 1, 2), ndmin=2).T
        if min(image.min(), attribute.min()) < 1 or not np.isin(present, (0, 1)).all():
            raise ValueError("expected image and attribute numbers >= 1 and presence 0 or 1")
        labels[places[image], attribute - 1] = 2 * present - 1
    except (ValueError, IndexError) as error:
        what = f"invalid lines (expected image, attribute and 0 or 1): {error}"
        raise DataError(what, where=path, hint=AGAIN) from error
    if not labels.all():
        raise DataError(f"{counted(int((labels == 0).sum()), 'entry', 'entries')} missing", where=path, hint=AGAIN)
    return labels
