"""The official archives of the data sets: URLs, sizes, checksums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """One archive. `digest` is "md5:…" or "sha256:…" (hex); `proof` is a file that only this archive contains."""

    url: str
    size: int
    digest: str
    proof: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


_VOC = "http://host.robots.ox.ac.uk/pascal/VOC/voc2007"
_VOC12 = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012"
_COCO = "http://images.cocodataset.org"

SOURCES: Mapping[str, tuple[Archive, ...]] = {
    "voc2007": (
        Archive(
            f"{_VOC}/VOCtrainval_06-Nov-2007.tar",
            460_032_000,
            "md5:c52e279531787c972589f7e41ab4ae64",
            "VOCdevkit/VOC2007/ImageSets/Main/trainval.txt",
        ),
        Archive(
            f"{_VOC}/VOCtest_06-Nov-2007.tar",
            451_020_800,
            "md5:b6e924de25625d8de591ea690078ad9f",
            "VOCdevkit/VOC2007/ImageSets/Main/test.txt",
        ),
    ),
    "voc2012": (
        Archive(
            f"{_VOC12}/VOCtrainval_11-May-2012.tar",
            1_999_639_040,
            "md5:6cd6e144f989b92b3379bac3b3de84fd",
            "VOCdevkit/VOC2012/ImageSets/Main/trainval.txt",
        ),
    ),
    # COCO publishes no checksums; several widely used projects check their downloads against these values
    "coco2014": (
        Archive(
            f"{_COCO}/annotations/annotations_trainval2014.zip",
            252_872_794,
            "md5:0a379cfc70b0e71301e0f377548639bd",
            "annotations/instances_val2014.json",
        ),
        Archive(
            f"{_COCO}/zips/val2014.zip",
            6_645_013_297,
            "md5:a3d79f5ed8d289b7a7554ce06a5782b3",
            "val2014/COCO_val2014_000000000042.jpg",
        ),
        Archive(
            f"{_COCO}/zips/train2014.zip",
            13_510_573_713,
            "md5:0da8c0bd3d6becc4dcb32757491aca88",
            "train2014/COCO_train2014_000000000009.jpg",
        ),
    ),
}
