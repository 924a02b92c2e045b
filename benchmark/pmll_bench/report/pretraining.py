"""What pretrained towers may have seen: test images of a benchmark among the images that they were pretrained on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..store.summary import FROM_A_FILE


class Pretraining(NamedTuple):
    """What a tower was pretrained on, and what that means for a test set of photographs; empty: no overlap."""

    data: str
    warning: str = ""


WEB = "may contain test images: those of VOC, COCO, NUS-WIDE, VG-200 and CUB come from the web"
CLIP = Pretraining("WIT-400M, 400 million image-text pairs of the web, not published", WEB)
LAION = Pretraining("LAION, image-text pairs of a crawl of the web", WEB)
OTHER_PAIRS = Pretraining("image-text pairs of the web", WEB)
IMAGENET = Pretraining(
    "ImageNet",
    "may contain test images: its photographs come from Flickr and other web sites, as do those of VOC, COCO, NUS-WIDE "
    "and VG-200; CUB overlaps with it, as its authors state",
)
LARGER = Pretraining("more than ImageNet", WEB)
TINY = Pretraining("generated scenes that differ from those of shapes")
UNKNOWN = Pretraining("not known", "may contain test images: nothing is known of its pretraining")

# Data sets of photographs from the web; the others are generated, or the user's own.
PHOTOGRAPHS = ("voc2007", "voc2012", "coco2014", "nuswide", "vg200", "cub")
TAGS: tuple[tuple[str, Pretraining], ...] = (  # the first that matches the tag of the weights
    (r"openai", CLIP),
    (r"laion|datacomp|commonpool", LAION),
    (r"webli|metaclip|yfcc|cc12m|dfn|siglip", OTHER_PAIRS),
    (r"in22k|in21k|in12k|swag|instagram|ig1b|jft", LARGER),
)


def pretraining(tower: str) -> Pretraining:
    """What a tower was pretrained on, by its name and the tag of its weights.

    >>> pretraining("RN101:openai").data.partition(",")[0], pretraining("resnet101").data, pretraining("tiny").warning
    ('WIT-400M', 'ImageNet', '')
    """
    if tower == "tiny":
        return TINY
    if tower.endswith(FROM_A_FILE) or tower.startswith("local-dir:") or tower.endswith(".json"):
        return UNKNOWN
    tag = tower.removeprefix("clip:").removeprefix("timm:").partition(":")[2] or tower.partition(".")[2]
    for pattern, found in TAGS:
        if re.search(pattern, tag.lower()):
            return found
    image_text = tower.startswith("clip:") or bool(re.match(r"(RN\d|ViT-|convnext_.*:)", tower))
    return OTHER_PAIRS if image_text else IMAGENET


def is_of_photographs(dataset: str) -> bool:
    """Whether a built-in data set has photographs of the web."""
    return dataset.removesuffix("-subset") in PHOTOGRAPHS


def overlap_note(dataset: str, towers: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """The note of a table about towers whose pretraining may contain its test images; `towers` has the rows by tower.

    Nothing about generated images, or about the user's own.
    """
    risky = [(tower, pretraining(tower), rows) for tower, rows in towers.items() if tower]
    named = [
        f"{tower} ({found.data}; {', '.join(dict.fromkeys(rows))})" for tower, found, rows in risky if found.warning
    ]
    if named and is_of_photographs(dataset):
        yield f"The pretraining of these towers may contain test images of {dataset}: {'; '.join(named)}."
