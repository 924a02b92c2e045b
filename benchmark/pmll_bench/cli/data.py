"""`data`: is a data set at hand, is every image of it whole, and download what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from ..errors import ConfigError, Exit
from ..wording import counted
from .command import Command, Group
from .options import STORE, Classes, DataRoot, DataSets, Json, Root
from .output import columns, print_json, tell

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="A data set: name, alias or file of your own.")]
Names: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME …]", help="Data sets: names, aliases, files of your own; default: all."),
]

data = typer.Typer(cls=Group, no_args_is_help=True, help="See, verify and fetch data sets.")


@data.command(cls=Command)
def status(
    names: Names = None,
    sets: DataSets = None,
    classes: Classes = False,
    data_root: DataRoot = None,
    as_json: Json = False,
) -> None:
    """Show which data sets are at hand and complete, and how many labels are known.

    \b
    Examples:
      pmll-bench data status
      pmll-bench data status voc2007 --data-root ~/data
      pmll-bench data status images/labels.csv --classes
    """
    from .data_status import data_status

    found = data_status(names, data_root, sets or (), classes=classes)
    for note in (note for record in found for note in record["notes"]):
        tell(note)
    if as_json:
        print_json("data-status", {"datasets": found})
        return
    header = [name for name in found[0] if name not in ("labels", "notes")]
    print(columns(header, [[record[name] for name in header] for record in found]))
    print_labels(found, classes=classes)


def print_labels(found: Sequence[dict[str, Any]], *, classes: bool) -> None:
    """Print the labels of data sets that are at hand: by split and, if asked for, by class."""
    from .data_status import CLASS_HEADER, LABEL_HEADER, class_rows, label_rows

    if rows := label_rows(found):
        print(f"\n{columns(LABEL_HEADER, rows)}")
    for record in found:
        if classes and record["labels"]:
            print(f"\n{record['name']}\n{columns(CLASS_HEADER, class_rows(record['labels']))}")


@data.command(cls=Command)
def verify(
    name: Name,
    data_root: DataRoot = None,
    root: Root = STORE,
    renew: Annotated[bool, typer.Option("--renew", help="Accept changed images as they are.")] = False,
    sets: DataSets = None,
    as_json: Json = False,
) -> None:
    """Decode every image; ends with 3 where one is damaged or has changed since it was last verified.

    Says which images are both in train and in test, and which results of the store were made from other images.

    \b
    Examples:
      pmll-bench data verify voc2007 --data-root ~/data
      pmll-bench data verify images/labels.csv
    """
    from .data_status import verify as look

    found = look(name, data_root, root, sets or (), renew=renew)
    if as_json:
        print_json("data-verify", found)
    elif not found["problems"]:
        print(f"{found['dataset']}: {found['images']:,} images decode, digest {found['digest']}")
    for note in found["notes"]:
        tell(f"note: {note}")
    for one, other in found["equal"]:
        tell(f"warning: {one} of train and {other} of test have the same pixels")
    if others := found["results_of_others"]:
        was = "was" if len(others) == 1 else "were"
        made = f"{counted(len(others), 'result')} in {root} {was} made from other images"
        tell(f"warning: {made}: {', '.join(others)}")
    for problem in found["problems"]:
        tell(f"error: {problem}")
    if found["problems"]:
        tell("  hint:  restore or repair these images; --renew accepts changed ones as they are")
        raise typer.Exit(Exit.INVALID)


@data.command(cls=Command)
def mask(
    name: Name,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The mask file to write, .npz.")],
    rule: Annotated[str, typer.Option("--mask", metavar="RULE", help="A rule, or a file.")] = "counter/1",
    regime: Annotated[str, typer.Option(metavar="NAME", help="partial, single-positive or semi.")] = "partial",
    ratios: Annotated[
        list[str] | None, typer.Option(metavar="R …", help="Shares of known labels; default: those of the regime.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Mask seed.")] = 0,
    sets: DataSets = None,
    data_root: DataRoot = None,
) -> None:
    """Write the mask of a data set's training labels to a file.

    Others read it with 'run --mask FILE': the same labels are known to them.

    \b
    Examples:
      pmll-bench data mask shapes --ratios 10% 50% --out mask.npz
      pmll-bench data mask voc2012 --regime semi --mask cap-semi/1 --out cap.npz
    """
    from ..plan.cell import parse_ratio
    from .mask import export

    wanted = [parse_ratio(ratio) for ratio in ratios or ()]
    shares = export(name, data_root, sets or (), rule=rule, regime=regime, ratios=wanted, seed=seed, out=out)
    for ratio, share in shares.items():
        tell(f"ratio {ratio:g}: {100 * share:.2f} % of the entries are known")
    print(out)


@data.command(cls=Command)
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set, or word vectors: glove, glove-6b.")],
    classes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE …]", help="With word vectors: .csv files with more class names."),
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Download and unpack what is missing.

    The official archives, checked; a download that was cut off goes on. Of
    word vectors (GloVe, 300 numbers a word) a cache keeps the words of class
    names; the whole file is read where it lies in the data folder.

    \b
    Examples:
      pmll-bench data fetch voc2007 --data-root ~/data
      pmll-bench data fetch glove images/labels.csv
    """
    from ..run.progress import downloading

    with downloading() as progress:
        if name in ("glove", "glove-6b"):
            print(_fetch_words(name, classes or [], data_root, progress))
            return
        from pmll_datasets.fetch import fetch as download

        if data_root is None:
            hint = "name one: --data-root, or PMLL_DATA in the environment"
            raise ConfigError("no folder to put the data in", hint=hint)
        print(download(name, data_root, progress))


def _fetch_words(
    name: str, classes: list[str], data_root: Path | None, progress: Callable[[str, int, int], None]
) -> Path:
    """Where the words of the built-in data sets, and of those named, are kept."""
    from pmll_datasets.dataset import load
    from pmll_methods.towers.glove import kept_path

    from ..prepare.word_vectors import keep

    keep(
        name,
        [prompt_names for each in classes for prompt_names in load(each, data_root).prompt_names],
        data_root,
        progress,
    )
    return kept_path(name)
