"""`data`: the status of data sets, the verification of their images, masks and downloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from pmll_errors import counted

from ..errors import ConfigError, Exit
from .command import Command, Group
from .completion import names_of
from .options import STORE, Classes, DataRoot, DataSets, Json, Root
from .output import columns, print_json, tell

Name: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A data set or label file.", autocompletion=names_of("datasets")),
]
Names: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME", help="Data sets or label files; default: all data sets.", autocompletion=names_of("datasets")
    ),
]

data = typer.Typer(cls=Group, no_args_is_help=True, help="Show, verify and download data sets.")


@data.command(cls=Command)
def status(
    names: Names = None,
    sets: DataSets = None,
    classes: Classes = False,
    data_root: DataRoot = None,
    as_json: Json = False,
) -> None:
    """Show which data sets are complete, and how many of their labels are known.

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
    """Print the label counts of complete data sets: by split and, on request, by class."""
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
    renew: Annotated[bool, typer.Option("--renew", help="Accept changed images.")] = False,
    sets: DataSets = None,
    as_json: Json = False,
) -> None:
    """Decode every image of a data set and report damaged or changed ones.

    Exits with status 3 if an image is damaged or has changed since the last
    verification. Also reports images that are in both train and test, and results
    in the store that were computed from other images.

    \b
    Examples:
      pmll-bench data verify shapes
      pmll-bench data verify images/labels.csv
    """
    from .data_status import verify as verify_images

    found = verify_images(name, data_root, root, sets or (), renew=renew)
    if as_json:
        print_json("data-verify", found)
    elif not found["problems"]:
        print(f"{found['dataset']}: {found['images']:,} images decode, digest {found['digest']}")
    for note in found["notes"]:
        tell(f"note: {note}")
    for one, other in found["equal"]:
        tell(f"warning: {one} of train and {other} of test have equal pixels")
    if others := found["results_of_others"]:
        was = "was" if len(others) == 1 else "were"
        made = f"{counted(len(others), 'result')} in {root} {was} computed from other images"
        tell(f"warning: {made}: {', '.join(others)}")
    for problem in found["problems"]:
        tell(f"error: {problem}")
    if found["problems"]:
        tell("  hint:  restore or repair these images; --renew accepts changed images")
        raise typer.Exit(Exit.INVALID)


@data.command(cls=Command)
def mask(
    name: Name,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The mask file to write (.npz).")],
    rule: Annotated[
        str, typer.Option("--mask", metavar="RULE", help="A rule or a mask file.", autocompletion=names_of("masks"))
    ] = "counter/1",
    regime: Annotated[
        str, typer.Option(metavar="NAME", help="partial, single-positive or semi.", autocompletion=names_of("regimes"))
    ] = "partial",
    ratios: Annotated[
        list[str] | None,
        typer.Option(
            metavar="R …", help="Fractions of known labels, such as 0.1 or 10%; default: those of the regime."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Mask seed.")] = 0,
    sets: DataSets = None,
    data_root: DataRoot = None,
) -> None:
    """Write the mask of a data set's training labels to a file.

    Others can use the same known labels with 'pmll-bench run --mask FILE'.

    \b
    Examples:
      pmll-bench data mask shapes --ratios 10% 50% --out mask.npz
      pmll-bench data mask images/labels.csv --regime semi --out mask.npz
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
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A data set, or word vectors: glove or glove-6b.", autocompletion=names_of("fetched")
        ),
    ],
    classes: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help="For word vectors: label files with additional class names."),
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Download and unpack the missing archives of a data set, or word vectors.

    Archives come from the official sites, and their checksums are verified. An
    interrupted download is resumed. For word vectors (GloVe, 300 dimensions),
    only the words in class names are cached. If the official file is in the data
    folder, it is read from there.

    \b
    Examples:
      pmll-bench data fetch voc2007 --data-root ~/data
      pmll-bench data fetch glove images/labels.csv
    """
    from ..running.progress import downloading

    with downloading() as progress:
        if name in ("glove", "glove-6b"):
            print(_fetch_words(name, classes or [], data_root, progress))
            return
        from pmll_datasets.fetch import fetch as download

        if data_root is None:
            hint = "use --data-root or set PMLL_DATA"
            raise ConfigError("no data folder is given", hint=hint)
        print(download(name, data_root, progress))


def _fetch_words(
    name: str, classes: list[str], data_root: Path | None, progress: Callable[[str, int, int], None]
) -> Path:
    """Cache the words of the built-in data sets and of the label files `classes`; return the path of the cache."""
    from pmll_datasets.dataset import load
    from pmll_methods.towers.glove import kept_path

    from ..prepare.word_vectors import cache_vectors

    cache_vectors(
        name,
        [prompt_name for each in classes for prompt_name in load(each, data_root).prompt_names],
        data_root,
        progress,
    )
    return kept_path(name)
