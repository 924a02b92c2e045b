"""The data sets and regimes by name, with their options and layouts; importing it opens no file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from .errors import DataError, unknown

Value: TypeAlias = str | int | bool


@dataclass(frozen=True)
class Option:
    """An option of a data set. `allowed` is None for any whole number >= 0 or, with `share`, any share below 1.

    `paper` maps a regime (`*` means every regime) to the value used in published work, if this is not the default; the
    track `paper` uses it. An option that was `added_later` is part of the identity only if it differs from its default.
    Older results thus keep their identities.
    """

    title: str
    default: str | int
    allowed: tuple[str, ...] | None = None
    paper: Mapping[str, str] = field(default_factory=dict)
    added_later: bool = False
    share: bool = False

    @property
    def values(self) -> str:
        """The allowed values as text."""
        return " | ".join(self.allowed) if self.allowed else "a share below 1" if self.share else "a whole number"


@dataclass(frozen=True)
class Entry:
    """The facts about a data set that do not depend on its files.

    `counts` are the numbers of images with the default options; None if the data set uses the images that are present.
    `layout` describes its folder and is empty if it needs none. `verified` is False if the loader was not checked
    against the official split files.
    """

    target: str  # "module:function", called with the folder (None if no files are needed) and the options
    title: str
    layout: str = ""
    counts: Mapping[str, int] | None = None
    classes: int | None = None
    options: Mapping[str, Option] = field(default_factory=dict)
    verified: bool = True


_VOC = "VOCdevkit/VOC2007/{JPEGImages,Annotations,ImageSets/Main}"
_VOC12 = _VOC.replace("2007", "2012")
_COCO = "{train2014,val2014,annotations/instances_train2014.json,annotations/instances_val2014.json}"
_CHOICES = ("label of a class with difficult objects only", "negative", ("negative", "ignored", "positive"))
_DIFFICULT = {"difficult": Option(*_CHOICES)}
_DIFFICULT12 = {  # the lists of SPLC and SCPNet count them; those of Cole et al. and Large Loss do not
    "difficult": Option(*_CHOICES, paper={"single-positive": "positive"})
}
_NAMES = {
    "names": Option(
        "class names in prompts: in natural language, or as the released code writes them",
        "natural",
        ("natural", "released"),
        {"*": "released"},
        added_later=True,
    )
}
_VOC_OPTIONS = {**_DIFFICULT, **_NAMES}
_VOC12_OPTIONS = {**_DIFFICULT12, **_NAMES}
_NUS = "{Flickr,ImageList,Groundtruth/TrainTestLabels}, or {images,nus_wid_data.csv} with split=asl"
_VG = "{VG_100K,train_list_500.txt,test_list_500.txt,vg_category_200_labels_index.json,vg_category_200_names.txt}"
_CUB = "{attributes.txt,CUB_200_2011/{images,images.txt,train_test_split.txt,attributes/image_attribute_labels.txt}}"
_LABELLESS = {
    "labelless": Option(  # kept by HCP-MLR-PL; dropped by Cole et al., Large Loss, SPLC, SCPNet and CAP
        "images without labels", "keep", ("keep", "drop"), {"single-positive": "drop", "semi": "drop"}
    )
}

DATASETS: Mapping[str, Entry] = {
    "shapes": Entry(
        "pmll_datasets.shapes_set:load",
        "generated scenes of shapes; no download",
        counts={"train": 1200, "test": 1000},
        classes=20,
        options={"draw": Option("index of the draw: each is a new data set of the same distribution", 0)},
    ),
    "voc2007": Entry(
        "pmll_datasets.voc:load", "PASCAL VOC 2007", _VOC, {"train": 5011, "test": 4952}, 20, _VOC_OPTIONS
    ),
    "voc2007-subset": Entry(
        "pmll_datasets.voc:load_subset", "a partial copy of PASCAL VOC 2007", _VOC, None, 20, _VOC_OPTIONS
    ),
    "voc2012": Entry(
        "pmll_datasets.voc:load_2012", "PASCAL VOC 2012", _VOC12, {"train": 5717, "test": 5823}, 20, _VOC12_OPTIONS
    ),
    "voc2012-subset": Entry(
        "pmll_datasets.voc:load_2012_subset", "a partial copy of PASCAL VOC 2012", _VOC12, None, 20, _VOC12_OPTIONS
    ),
    "coco2014": Entry(
        "pmll_datasets.coco:load", "MS-COCO 2014", _COCO, {"train": 82783, "test": 40504}, 80, _LABELLESS
    ),
    "coco2014-subset": Entry(
        "pmll_datasets.coco:load_subset", "a partial copy of MS-COCO 2014", _COCO, None, 80, _LABELLESS
    ),
    "nuswide": Entry(
        "pmll_datasets.nuswide:load",
        "NUS-WIDE",
        _NUS,
        {"train": 161789, "test": 107859},
        81,
        {
            "split": Option("source of the split: NUS-WIDE or ASL", "official", ("official", "asl")),
            **_LABELLESS,
        },
        verified=False,
    ),
    "vg200": Entry("pmll_datasets.vg200:load", "Visual Genome, 200 labels", _VG, None, 200, verified=False),
    "cub": Entry(
        "pmll_datasets.cub:load", "CUB-200-2011, attributes as labels", _CUB, {"train": 5994, "test": 5794}, 312, _NAMES
    ),
}
ALIASES: Mapping[str, str] = {
    "voc": "voc2007",
    "coco": "coco2014",
    "voc-subset": "voc2007-subset",
    "coco-subset": "coco2014-subset",
}
FILES = (".csv", ".tsv", ".json")
"""Extensions of a user's own data set, in upper or lower case."""

FOLDER = Entry(
    "pmll_datasets.folder:load",
    "your own images and a file of their labels",
    "a table (path,split,<label>… or path,split,labels) or a COCO-style JSON file, with the images beside it; EXIF "
    "orientation is applied",
    options={
        "zero": Option("meaning of 0", "auto", ("auto", "absent", "unknown"), added_later=True),
        "minus": Option(
            "meaning of -1",
            "auto",
            ("auto", "absent", "uncertain-ignored", "uncertain-present", "uncertain-absent"),
            added_later=True,
        ),
        "between": Option(
            "separator of the names in a column of labels",
            "auto",
            ("auto", "bar", "semicolon", "comma", "space", "nothing"),
            added_later=True,
        ),
        "val": Option(
            "use of the images of the split val", "held-out", ("held-out", "train", "test"), added_later=True
        ),
        "test": Option(
            "share of the images drawn for testing, for a file without test images", "0", share=True, added_later=True
        ),
    },
)


@dataclass(frozen=True)
class Regime:
    """Which training labels are known. `ratios` are those that papers report; (1,) for a regime without a ratio."""

    title: str
    ratios: tuple[float, ...] = (1.0,)

    @property
    def has_ratio(self) -> bool:
        return self.ratios != (1.0,)


REGIMES: Mapping[str, Regime] = {
    "full": Regime("no training label is hidden"),
    "partial": Regime(
        "a fraction of the entries of the label matrix is known (--ratios)",
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    ),
    "single-positive": Regime("one present label per image is known, and nothing else"),
    "semi": Regime(
        "a fraction of the images is fully labelled; the others are unlabelled (--ratios)", (0.05, 0.1, 0.15, 0.2)
    ),
}


def paper_options(name: str, regime: str) -> dict[str, str]:
    """The options for which published work in a regime differs from a data set's defaults."""
    chosen = {key: option.paper.get(regime, option.paper.get("*")) for key, option in find(name).options.items()}
    return {key: value for key, value in chosen.items() if value is not None}


def stated_options(name: str, options: Mapping[str, Value]) -> dict[str, Value]:
    """The resolved options that belong to an identity: those added later only if they differ from the default."""
    known = find(name).options
    return {key: value for key, value in options.items() if not known[key].added_later or value != known[key].default}


def find(name: str) -> Entry:
    """The entry of a data set, given its name, an alias, or the path of a user's file."""
    if is_file(name):
        return FOLDER
    entry = DATASETS.get(ALIASES.get(name, name))
    if entry is None:
        raise unknown("data set", name, [*DATASETS, *ALIASES, "path/to/your.csv"])
    return entry


def is_file(name: str) -> bool:
    """Whether a name is the path of a user's file."""
    return name.lower().endswith(FILES)


def names_of(name: str) -> list[str]:
    """A data set's name and its aliases."""
    return [name, *(alias for alias, meant in ALIASES.items() if meant == name)]


def repair_hint(name: str) -> str:
    """The hint for an incomplete copy."""
    if f"{name}-subset" not in DATASETS:
        return "copy or download it again"
    return f"complete the copy, or use {name}-subset, which uses the images that are present"


def check_count(name: str, split: str, count: int, where: Path) -> None:
    """Refuse a copy that does not have the official number of images, if the data set must be complete."""
    counts = find(name).counts
    if counts and count != counts[split]:
        what = f"{name} has {counts[split]:,} {split} images, this copy lists {count:,}"
        raise DataError(what, where=where, hint=repair_hint(name))


def resolve_options(name: str, options: Mapping[str, Value]) -> dict[str, Value]:
    """All options of a data set: its defaults, updated with the given options after a check."""
    offered = find(name).options
    for option in options.keys() - offered.keys():
        raise unknown("option", option, offered, where=name)
    return {key: _checked(key, options.get(key, each.default), each, name) for key, each in offered.items()}


def data_folder(name: str, root: str | os.PathLike[str] | None) -> Path | None:
    """The folder of a data set: a user's file itself, else `root` or PMLL_DATA; None if it needs no files."""
    entry = find(name)
    if entry is FOLDER:
        return Path(name).expanduser()
    if not entry.layout:
        return None
    given = root or os.environ.get("PMLL_DATA")
    if not given:
        hint = f"give the folder that contains {entry.layout}: --data-root, or the environment variable PMLL_DATA"
        raise DataError(f"no data folder given for {name}", hint=hint)
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise DataError("data folder not found", where=folder, hint="check --data-root or PMLL_DATA")
    return folder


def _checked(key: str, value: Value, option: Option, where: str) -> Value:
    if option.share:
        return _share(key, str(value), where)
    if option.allowed is None:
        if not str(value).isdecimal():
            raise DataError(f"invalid value {value!r} of option {key} (expected a whole number >= 0)", where=where)
        return int(value)
    if value not in option.allowed:
        hint = f"available: {', '.join(map(str, option.allowed))}"
        raise DataError(f"unknown value {value!r} of option {key}", where=where, hint=hint)
    return value


def _share(key: str, text: str, where: str) -> str:
    """A share below 1 as 0.2 or 20%, rounded to four decimals."""
    try:
        share = round(float(text.removesuffix("%")) / (100 if text.endswith("%") else 1), 4)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        what = f"invalid value {text!r} of option {key} (expected a share below 1, such as 0.2 or 20%)"
        raise DataError(what, where=where)
    return f"{share:g}"
