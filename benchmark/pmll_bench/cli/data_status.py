"""The status of data sets: their images, and the present, absent and unknown labels of each split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, PmllError, nearest
from ..plan.overrides import parse_sets

if TYPE_CHECKING:
    from pmll_datasets.dataset import Dataset

SPLITS = ("train", "test")


def options_of(names: Sequence[str], sets: Iterable[str]) -> dict[str, str]:
    """The options of data sets in `--set data.NAME=V`.

    Raises `ConfigError` for any other setting, and for an option that none of the data sets has.
    """
    from pmll_datasets.registry import find

    parsed = parse_sets(sets)
    if parsed.settings or parsed.recipe or parsed.per_method:
        raise ConfigError("only options of data sets apply here", where="--set", hint="write data.NAME=VALUE")
    known = {option for name in names for option in find(name).options}
    for option in parsed.data:
        if option not in known:
            hint = nearest(option, known)
            raise ConfigError(f"none of the data sets has an option {option!r}", where="--set", hint=hint)
    return {option: str(value) for option, value in parsed.data.items()}


def open_data_set(name: str, root: Path | None, sets: Iterable[str] = ()) -> Dataset:
    """A data set with its options. Raises `DataError` if files are missing, `ConfigError` as `options_of`."""
    from pmll_datasets.dataset import load

    return load(name, root, options_of([name], sets))


def data_status(
    names: Sequence[str] | None, root: Path | None, sets: Iterable[str] = (), *, classes: bool = False
) -> list[dict[str, Any]]:
    """The status of data sets and the counts of their labels; of all data sets by default.

    Reads all labels and decodes no image. Options apply to the data sets that have them.
    """
    from pmll_datasets.registry import DATASETS, find

    chosen = list(names or DATASETS)
    options = options_of(chosen, sets)
    own = {name: {key: value for key, value in options.items() if key in find(name).options} for name in chosen}
    return [_data_status(name, root, own[name], classes=classes) for name in chosen]


def _data_status(name: str, root: Path | None, options: dict[str, str], *, classes: bool) -> dict[str, Any]:
    from pmll_datasets.dataset import load

    try:
        found = load(name, root, options)
        what = f"fingerprint {found.fingerprint[:16]}"
    except Exception as error:  # one broken data set must not hide the others
        what = str(error) if isinstance(error, PmllError) else f"unexpected {type(error).__name__}: {error}"
        missing = {"train": None, "test": None, "classes": None, "what": what, "labels": None, "notes": ()}
        return {"name": name, "ready": "no", **missing}
    counts = {"train": len(found.train), "test": len(found.test), "classes": len(found.classes)}
    labels = labels_of(found, classes=classes)
    return {"name": found.name, "ready": "yes", **counts, "what": what, "labels": labels, "notes": notes_of(found)}


def labels_of(data: Dataset, *, classes: bool = False) -> dict[str, Any]:
    """Present, absent and unknown labels of `train` and `test`; with `classes` also `by_class`."""
    from pmll_datasets.counts import by_class, count

    splits = {name: getattr(data, name) for name in SPLITS}
    found: dict[str, Any] = {name: asdict(count(split.labels)) for name, split in splits.items()}
    if classes:
        columns = {name: by_class(split.labels) for name, split in splits.items()}
        found["by_class"] = [
            {"class": label, **{name: asdict(columns[name][number]) for name in SPLITS}}
            for number, label in enumerate(data.classes)
        ]
    return found


def notes_of(data: Dataset) -> tuple[str, ...]:
    """Notes on how a user's file was read, and on classes without a present or absent training label."""
    from ..plan.label_coverage import classes_without_labels

    missing = classes_without_labels(data.train.labels, data.classes, "full")
    return (*data.notes, f"{data.name}: {missing}") if missing else data.notes


def label_rows(records: Iterable[dict[str, Any]]) -> list[list[object]]:
    """One line per split of the complete data sets: `LABEL_HEADER`."""
    return [
        [record["name"], split, record[split], *_counts(record["labels"][split])]
        for record in records
        if record["labels"]
        for split in SPLITS
    ]


def class_rows(labels: dict[str, Any]) -> list[list[object]]:
    """One line per class of a data set: `CLASS_HEADER`."""
    return [[one["class"], *_counts(one["train"])[:3], *_counts(one["test"])[:3]] for one in labels["by_class"]]


SIGNS = ("present", "absent", "unknown")
LABEL_HEADER = ("data set", "split", "images", *SIGNS, "known")
CLASS_HEADER = ("class", *(f"{split} {sign}" for split in SPLITS for sign in SIGNS))


def _counts(counts: dict[str, int]) -> list[object]:
    """The counts, and the share of known labels in percent."""
    from pmll_datasets.counts import Counts, percent_known

    return [*(counts[sign] for sign in SIGNS), percent_known(Counts(**counts).share)]


def verify(name: str, data_root: Path | None, root: Path, sets: Sequence[str], *, renew: bool) -> dict[str, Any]:
    """Decode every image of a data set, and compare with the last verification and the results in the store `root`.

    Returns the fields of `pmll_datasets.verify.Verdict` and, as `results_of_others`, the cells whose results were
    computed from other images. Results that do not record their images are left out.
    """
    from pmll_datasets.verify import verify_files

    from ..store.images import results_with_changed_images

    data = open_data_set(name, data_root, sets)
    others = results_with_changed_images(data, name, data_root, root)
    return {"dataset": data.name, **vars(verify_files(data, renew=renew)), "results_of_others": others}
