"""The page of each data set: counts, layout, options with their defaults, and who reports numbers on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pmll_bench.cli.describe import describe_dataset
from pmll_bench.published import published
from pmll_bench.published.references import bibtex
from pmll_bench.report.papers.names import dataset_named
from pmll_datasets.registry import DATASETS

from .markdown import bullets, code, page, plain, table


def files() -> Mapping[str, str]:
    """The page of each data set, and the table that lists them."""
    return {f"data-sets/{name}.md": data_set(name) for name in DATASETS} | {"data-sets/_list.md": listed()}


def listed() -> str:
    """The table of all data sets, with links to their pages."""
    rows = (
        (f"[{name}](data-sets/{name}.md)", plain(entry.title), *_counts(describe_dataset(name)))
        for name, entry in DATASETS.items()
    )
    return page(table(("data set", "what", "train", "test", "classes"), rows, numbers=[2, 3, 4]))


def _counts(about: Mapping[str, Any]) -> tuple[str, str, str]:
    counts = about["counts"] or {}
    train, test = (f"{counts[split]:,}" if split in counts else "–" for split in ("train", "test"))
    return train, test, str(about["classes"] or "–")


def data_set(name: str) -> str:
    """The page of one data set."""
    about = describe_dataset(name)
    return page(
        f"# {name}",
        f"{plain(about['title'])}.",
        bullets(f"**{head}:** {text}" for head, text in _facts(about)),
        f"```sh\npmll-bench show {name}{_root(about)}\npmll-bench run --datasets {name}{_root(about)} --dry-run\n```",
        *_options(about["options"]),
        *_reported(name),
        *_reference(name),
    )


def _root(about: Mapping[str, Any]) -> str:
    return " --data-root ~/data" if about["layout"] else ""


def _facts(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    train, test, classes = _counts(about)
    if about["aliases"]:
        yield "also", ", ".join(map(code, about["aliases"]))
    yield "training images", train.replace("–", "those that are present")
    yield "test images", test.replace("–", "those that are present")
    yield "classes", classes.replace("–", "depends on the files")
    yield "layout", code(about["layout"]) or "none: it is generated"
    if not about["verified"]:
        yield "counts", "not checked against the official split files"


def _options(options: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if options:
        yield "## Options"
        yield "Change an option with `--set data.NAME=VALUE`; each is part of the identity of a cell."
        yield table(("option", "default", "values", "meaning", "track `paper`"), map(_option, options.items()))


def _option(item: tuple[str, Mapping[str, Any]]) -> tuple[str, ...]:
    name, option = item
    papers = (code(value) + ("" if regime == "*" else f" in {regime}") for regime, value in option["paper"].items())
    shown = ", ".join(papers) or "the default"
    return code(name), code(option["default"]), code(option["values"]), plain(option["meaning"]), shown


def _reported(name: str) -> Iterator[str]:
    found = [each for each in published() if each.dataset == name]
    if found:
        methods = sorted({each.method for each in found})
        yield "## Published numbers"
        yield f"{len(found)} numbers of {len(methods)} methods; `pmll-bench list published` lists them."


def _reference(name: str) -> Iterator[str]:
    if key := dataset_named(name).cite:
        yield f"## Reference\n\n```bibtex\n{bibtex([key]).strip()}\n```"
