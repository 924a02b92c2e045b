"""The page of a cell's mistakes: one static HTML file with thumbnails beside it, readable without a network."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pmll_datasets.dataset import Dataset, ImageArray
from pmll_datasets.loader import read_image
from pmll_errors import counted

from ..errors import ConfigError
from ..files import make_folder, read, write_whole
from ..metrics import evaluate, f1_by_class
from ..store.cell_folder import CellFolder
from ..store.result import Result
from ..store.scored_data import check_scores, data_of
from .mistakes import ClassMistakes, Mistake, as_shown, mistakes

PAGE, IMAGES = "index.html", "images"
MARK = b'<meta name="generator" content="pmll-bench errors">'
SIDE = 240  # pixels of a thumbnail
SMALL = 96  # images up to this size are enlarged without smoothing
LABELS = 4  # labels that are named below an image


@dataclass(frozen=True)
class Page:
    """The written page, and the number of images on it."""

    file: Path
    images: int


def write_page(folder: CellFolder, target: Path, *, most: int, data_root: Path | None = None) -> Page:
    """Write the page of a finished cell to the folder `target`, with up to `most` images of each kind and class.

    Raises:
        ConfigError: `target` has other content.
        StoreError: The cell has no scores, or they belong to other images.
        DataError: The data set is missing or has changed, or an image cannot be read.
    """
    _refuse_other_content(target)
    stored, result = folder.scores(), folder.result()
    assert result is not None  # it has scores
    data = data_of(folder, data_root)
    check_scores(stored, data, folder)
    found = mistakes(stored.scores, data.test.labels, data.classes, most)
    shown = sorted({each.image for one in found for each in (*one.false_alarms, *one.misses)})
    make_folder(target / IMAGES)
    files = {}
    for position in shown:
        ending, content = _thumbnail(read_image(data.test.images, position))
        files[position] = f"{IMAGES}/{position:06d}.{ending}"
        write_whole(target / files[position], content)
    text = _rendered(found, result, data, stored.scores, files)
    write_whole(target / PAGE, text.encode("utf-8", "backslashreplace"))
    return Page(target / PAGE, len(shown))


def _refuse_other_content(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise ConfigError("this is a file, not a folder", where=str(target), hint="give another name with -o")
    names = {path.name for path in target.iterdir()} if target.is_dir() else set()
    other = names - {PAGE, IMAGES} or MARK not in (read(target / PAGE) or MARK)
    if other:
        raise ConfigError("the folder has other content", where=str(target), hint="give a new or an empty one with -o")


def _thumbnail(image: ImageArray) -> tuple[str, bytes]:
    """An image of at most `SIDE` pixels a side, and the ending of its name; a small one stays as it is, as PNG."""
    picture, content = Image.fromarray(image), io.BytesIO()
    if max(picture.size) <= SMALL:
        picture.save(content, "PNG")
        return "png", content.getvalue()
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    picture.save(content, "JPEG", quality=85)
    return "jpg", content.getvalue()


def _rendered(
    found: Sequence[ClassMistakes], result: Result, data: Dataset, scores: np.ndarray, files: Mapping[int, str]
) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    logits = "OF1" in result.metrics
    measured = evaluate(scores, data.test.labels, logits=logits)
    f1 = f1_by_class(scores >= 0, data.test.labels)
    order = sorted(range(len(found)), key=lambda c: (measured.ap[c] is None, measured.ap[c] or 0.0))
    rows = [
        {
            "number": c,
            "name": found[c].name,
            "ap": _percent(measured.ap[c]),
            "f1": _percent(f1[c]),
            "present": found[c].present,
            "known": found[c].known,
            "lists": list(_lists(found[c], data, as_shown(logits), files)),
        }
        for c in order
    ]
    mask = f", {100 * result.ratio:g}% known labels" if result.regime in ("partial", "semi") else ""
    environment = Environment(
        loader=PackageLoader("pmll_bench.models", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("mistakes.html").render(
        title=f"Where {result.label} goes wrong on {data.name}",
        cell=result.cell_id,
        about=f"Regime {result.regime}{mask}, seed {result.seed}; {counted(len(data.test), 'test image')}, "
        f"mAP {_percent(result.metrics['map'])}%.",
        what="probability" if logits else "score",
        logits=logits,
        classes=rows,
        small=all(file.endswith(".png") for file in files.values()),
        size=SIDE,
    )


def _lists(
    of: ClassMistakes, data: Dataset, show: Callable[[float], str], files: Mapping[int, str]
) -> Iterator[tuple[str, str, str, list[dict[str, object]]]]:
    """The two lists of a class: kind, heading, what an empty one says, and its images."""

    def images(found: Sequence[Mistake], kind: str) -> list[dict[str, object]]:
        return [_image(each, f"{of.name} is {kind}", data, show) | {"file": files[each.image]} for each in found]

    none = "None: every image that shows it has a higher score than every image that does not."
    yield "alarm", "Absent, but ranked high", none, images(of.false_alarms, "absent")
    yield "miss", "Present, but ranked low", none, images(of.misses, "present")


def _image(of: Mistake, mistake: str, data: Dataset, show: Callable[[float], str]) -> dict[str, object]:
    """What the page says of an image."""
    id = data.test.ids[of.image]
    shown = [name for name, label in zip(data.classes, data.test.labels[of.image], strict=True) if label > 0]
    more = f" and {len(shown) - LABELS} more" if len(shown) > LABELS else ""
    labels = (", ".join(shown[:LABELS]) + more) or "no label"
    return {
        "alt": f"Test image {id}: {mistake}; it shows {labels}",
        "score": show(of.score),
        "rank": of.rank,
        "id": id,
        "labels": f"shows {labels}",
    }


def _percent(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{100 * value:.1f}"
