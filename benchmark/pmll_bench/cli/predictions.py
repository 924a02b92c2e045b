"""`predict` and `errors`: the predictions of a kept model for new images, and the test images that go most wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from pmll_errors import counted

from ..errors import Exit, UsageError
from .completion import cells_of
from .options import STORE, DataRoot, Root
from .output import tell

if TYPE_CHECKING:
    import numpy as np

    from ..models.kept import KeptModel
    from ..models.predicting import Predicted
    from ..store.cell_folder import CellFolder

SHOWN = 20  # unreadable images that are named

Cell: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="CELL", help="The id of a finished cell, or its first 6 or more digits.", autocompletion=cells_of
    ),
]


Device: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help="cpu, cuda or cuda:1; default: as in 'run'.")
]
Threads: TypeAlias = Annotated[
    int | None, typer.Option(min=1, metavar="N", envvar="PMLL_THREADS", help="CPU threads; default: as in 'run'.")
]


class Format(StrEnum):
    """The format of predictions."""

    csv = "csv"
    parquet = "parquet"


def predict(
    cell: Cell,
    images: Annotated[
        Path, typer.Argument(metavar="IMAGES", help="A folder of images, a CSV file with a column 'path', or an image.")
    ],
    labels: Annotated[
        bool, typer.Option("--labels", help="Write 1 (present) and 0 (absent) instead of probabilities.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="With --labels: the probability from which a class is present, for all classes; by default, the best "
            "one of each class by F1 on held-out known labels, or 0.5 if none were held out.",
        ),
    ] = None,
    format: Annotated[
        Format | None, typer.Option(metavar="NAME", help="csv or parquet; default: by the name of the file, else csv.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead of stdout.")
    ] = None,
    device: Device = None,
    threads: Threads = None,
    root: Root = STORE,
    data_root: DataRoot = None,
) -> None:
    """Predict the classes of new images with the model of a cell.

    Prints CSV with a row per image and a column per class: P(present), or with
    --labels 1 and 0. The cell must have been run with --keep-model. Images that
    cannot be read are named and left out, and the command exits with status 4.

    \b
    Examples:
      pmll-bench predict 4a48ba photos/ -o predictions.csv
      pmll-bench predict 4a48ba new.csv --labels --threshold 0.3
      pmll-bench predict 4a48ba photos/ -o predictions.parquet
    """
    form = _format_of(format, output)
    _check_threshold(threshold, labels)
    from pmll_datasets.plain_images import find_images

    from ..models.kept import open_model
    from ..models.predicting import predict_images
    from ..store.store import Store

    folder, found = Store.open(root, create=False).find(cell), find_images(images)
    model = open_model(folder, device=_prepared(folder, device, threads))
    if threshold is not None and not model.logits:
        raise UsageError(f"the scores of {model.result.label} are no probabilities", hint="leave out --threshold")
    with _progress(len(found)) as watch:
        predicted = predict_images(model, found, watch=watch)
    values = _labels(predicted, model, folder, threshold, data_root) if labels else _shares(predicted, model)
    _write(predicted.names, model.classes, values, form, output)
    if predicted.unreadable:
        _name_unreadable(predicted)
        raise typer.Exit(Exit.CELLS_FAILED)


def errors(
    cell: Cell,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="A new or empty folder; default: errors-CELL."),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", min=1, max=100, metavar="N", help="Images of each kind and class.")
    ] = 6,
    root: Root = STORE,
    data_root: DataRoot = None,
) -> None:
    """Write a page with the test images that go most wrong in each class.

    These are the absent ones with the highest scores and the present ones with
    the lowest. The page is one HTML file with thumbnails beside it and needs no
    network; its path is printed. The cell needs no kept model, but its data set.

    \b
    Examples:
      pmll-bench errors 4a48ba
      pmll-bench errors 4a48ba --images 12 -o pages/dualcoop
    """
    from ..models.page import write_page
    from ..store.store import Store

    folder = Store.open(root, create=False).find(cell)
    page = write_page(folder, output or Path(f"errors-{folder.id}"), most=images, data_root=data_root)
    print(page.file)
    tell(f"{counted(page.images, 'test image')}; open the file in a browser")


def _check_threshold(threshold: float | None, labels: bool) -> None:
    """Raise `UsageError` for a threshold that is no probability, or of probabilities that are not asked for."""
    if threshold is not None and not (labels and 0 < threshold < 1):
        what = "is no probability" if labels else "needs --labels"
        hint = "give --labels --threshold 0.5, or any number between 0 and 1"
        raise UsageError(f"--threshold {threshold:g} {what}", hint=hint)


def _format_of(format: Format | None, output: Path | None) -> Format:
    """The format that is asked for, or that the name of the file tells."""
    form = format or (Format.parquet if output is not None and output.suffix == ".parquet" else Format.csv)
    if form == Format.parquet and output is None:
        raise UsageError("Parquet is not text and is not written to stdout", hint="add -o predictions.parquet")
    return form


def _prepared(folder: CellFolder, device: str | None, threads: int | None) -> str:
    """The device to predict on; sets the threads of this process."""
    from ..machine import choose_device, cores, usual_threads
    from ..running.execution import Execution

    record = folder.record()
    usual = usual_threads([record.track]) if record is not None else None
    execution = Execution(device=choose_device(device), threads=threads or usual or cores())
    execution.apply()
    return execution.device


def _labels(
    predicted: Predicted, model: KeptModel, folder: CellFolder, threshold: float | None, data_root: Path | None
) -> np.ndarray:
    """1 for present classes and 0 for absent ones; how the thresholds were chosen is said."""
    import numpy as np

    from ..models.thresholds import chosen, fixed

    choice = chosen(model, folder, data_root) if threshold is None else fixed(threshold, len(model.classes))
    tell(choice.how)
    found: np.ndarray = (predicted.scores >= choice.values).astype(np.int8)
    return found


def _shares(predicted: Predicted, model: KeptModel) -> np.ndarray:
    """P(present); the scores themselves if they are no logits, which is said."""
    from ..models.predicting import probabilities

    if model.logits:
        return probabilities(predicted.scores)
    tell(f"the scores of {model.result.label} are not logits of P(present): scores are written, not probabilities")
    return predicted.scores


def _write(
    names: tuple[str, ...], classes: tuple[str, ...], values: np.ndarray, form: Format, output: Path | None
) -> None:
    from ..files import write_whole
    from ..models.written import as_csv, as_parquet

    if output is None:
        sys.stdout.write(as_csv(names, classes, values))
        return
    parquet = form == Format.parquet
    text = "" if parquet else as_csv(names, classes, values)
    write_whole(output, as_parquet(names, classes, values) if parquet else text.encode("utf-8", "surrogateescape"))
    tell(f"written: {output} ({counted(len(names), 'image')}, {counted(len(classes), 'class')})")


def _name_unreadable(predicted: Predicted) -> None:
    left_out = predicted.unreadable
    tell(f"{counted(len(left_out), 'image')} left out:")
    for name, why in left_out[:SHOWN]:
        tell(f"  {name}: {why}")
    if len(left_out) > SHOWN:
        tell(f"  and {len(left_out) - SHOWN:,} more")


@contextmanager
def _progress(images: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr if that is a terminal; call what it yields once per image."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    hidden = not console.is_terminal or console.is_dumb_terminal
    with Progress(console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("images", total=images)
        yield lambda: bar.advance(task)
