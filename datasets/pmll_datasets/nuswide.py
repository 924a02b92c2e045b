"""NUS-WIDE (Chua et al., CIVR 2009): 81 concepts, with the official split or the split of ASL's authors.

The option `split` selects it: `official` reads ImageList/ and Groundtruth/TrainTestLabels/, with the images in Flickr/;
`asl` reads nus_wid_data.csv (columns filepath, label, split_name) and its images. Images without any concept are kept
by default; the option `labelless=drop` drops them, as single-positive training requires.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from .dataset import Dataset, Labels, Split
from .errors import DataError
from .files import AGAIN, existing_files, locate, read_text, require, split_of
from .registry import Value, check_count, names_of, repair_hint

CLASSES = (
    "airport", "animal", "beach", "bear", "birds", "boats", "book", "bridge", "buildings", "cars", "castle", "cat",
    "cityscape", "clouds", "computer", "coral", "cow", "dancing", "dog", "earthquake", "elk", "fire", "fish", "flags",
    "flowers", "food", "fox", "frost", "garden", "glacier", "grass", "harbor", "horses", "house", "lake", "leaf",
    "map", "military", "moon", "mountain", "nighttime", "ocean", "person", "plane", "plants", "police", "protest",
    "railroad", "rainbow", "reflection", "road", "rocks", "running", "sand", "sign", "sky", "snow", "soccer",
    "sports", "statue", "street", "sun", "sunset", "surf", "swimmers", "tattoo", "temple", "tiger", "tower", "town",
    "toy", "train", "tree", "valley", "vehicle", "water", "waterfall", "wedding", "whales", "window", "zebra",
)  # fmt: skip
COLUMNS = {name: column for column, name in enumerate(CLASSES)}
OFFICIAL = {"train": "Train", "test": "Test"}
ASL = {"train": "train", "test": "val"}


def load(root: Path, options: Mapping[str, Value]) -> Dataset:
    """The data set; an official split without 161,789 and 107,859 images is refused."""
    official = options["split"] == "official"
    folder = locate(root, names_of("nuswide"), ("",), "ImageList" if official else "images")
    table = {} if official else _table(folder / "nus_wid_data.csv")
    splits = []
    for split in ("train", "test"):
        files, labels = _official(folder, split) if official else table[split]
        splits.append(_split(folder / "Flickr" if official else folder, files, labels, str(options["labelless"])))
    return Dataset("nuswide", CLASSES, CLASSES, splits[0], splits[1], options)


def _split(folder: Path, files: list[str], labels: Labels, labelless: str) -> Split:
    require(files, existing_files(folder, files), folder, repair_hint("nuswide"))
    ids = [str(PurePosixPath(file).with_suffix("")).removeprefix("images/") for file in files]
    whole = split_of(ids, [folder / file for file in files], labels)
    return whole.take(np.flatnonzero((labels == 1).any(axis=1))) if labelless == "drop" else whole


def _official(folder: Path, split: str) -> tuple[list[str], Labels]:
    """Image files below Flickr/ and labels; each concept has its own file with one line per image."""
    part = OFFICIAL[split]
    listed = folder / "ImageList" / f"{part}Imagelist.txt"
    files = [line.strip().replace("\\", "/") for line in read_text(listed).split("\n")]
    files = [file for file in files if file]
    check_count("nuswide", split, len(files), listed)
    labels = np.full((len(files), len(CLASSES)), -1, np.int8)
    for name, column in COLUMNS.items():
        path = folder / "Groundtruth" / "TrainTestLabels" / f"Labels_{name}_{part}.txt"
        flags = read_text(path).split()
        if len(flags) != len(files) or not set(flags) <= {"0", "1"}:
            what = f"expected {len(files):,} lines with 0 or 1, one per image"
            raise DataError(what, where=path, hint=AGAIN)
        labels[np.array(flags) == "1", column] = 1
    return files, labels


def _table(path: Path) -> dict[str, tuple[list[str], Labels]]:
    """Image files and labels of both splits from the published table."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    if not {"filepath", "label", "split_name"} <= set(reader.fieldnames or ()):
        raise DataError("missing header filepath,label,split_name", where=path, hint=AGAIN)
    rows: dict[str, list[tuple[str, list[int]]]] = {split: [] for split in ASL}
    splits = {name: split for split, name in ASL.items()}
    for row in reader:
        names = [name.strip(" []'\"") for name in (row["label"] or "").split(",")]
        try:
            rows[splits[row["split_name"]]].append((row["filepath"], [COLUMNS[name] for name in names if name]))
        except KeyError as error:
            what = f"{error} is neither a split (train or val) nor a concept"
            raise DataError(what, where=f"{path}, line {reader.line_num}", hint=AGAIN) from error
    return {split: _dense(found) for split, found in rows.items()}


def _dense(rows: list[tuple[str, list[int]]]) -> tuple[list[str], Labels]:
    labels = np.full((len(rows), len(CLASSES)), -1, np.int8)
    for row, (_, columns) in enumerate(rows):
        labels[row, columns] = 1
    return [file for file, _ in rows], labels
