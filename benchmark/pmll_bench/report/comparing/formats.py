"""A comparison as text, by the name of the format. Differences become points, and metrics percent, only here."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from ..formats.html import html_page
from ..formats.latex import latex_document
from ..formats.markdown import markdown_sheet
from ..formats.terminal import terminal_sheet
from .records import Comparison
from .sentences import verdict
from .sheets import sheets

IN_POINTS = ("estimate", "low", "high", "noise")


def terminal(
    comparison: Comparison,
    decimals: int = 1,
    width: int | None = None,
    *,
    colour: bool = False,
    spell: Callable[[str], str] = str,
) -> str:
    """Aligned text; the arguments are those of `formats.terminal.terminal`."""
    made = (terminal_sheet(sheet, width, colour=colour, spell=spell) for sheet in sheets(comparison, decimals))
    return "\n\n".join(made) + "\n"


def markdown(comparison: Comparison, decimals: int = 1) -> str:
    """Pipe tables."""
    return "\n\n".join(markdown_sheet(sheet) for sheet in sheets(comparison, decimals)) + "\n"


def latex(comparison: Comparison, decimals: int = 1) -> str:
    """Tables with booktabs, which cite the methods if the comparison has keys."""
    return latex_document(sheets(comparison, decimals), cites=comparison.cites)


def html(comparison: Comparison, decimals: int = 1) -> str:
    """One page that needs no other file."""
    return html_page(sheets(comparison, decimals))


def comma_separated(comparison: Comparison, decimals: int = 1) -> str:
    """One line per pair and ratio in full precision; the ratio is empty for the mean over the ratios."""
    file, lines = io.StringIO(), [_exported(line, comparison.metric) for line in comparison.lines()]
    writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def as_json(comparison: Comparison, decimals: int = 1) -> str:
    """The whole comparison as one JSON document; what is unknown is null."""
    across = comparison.across
    document = {
        "schema": "pmll.comparison/1",
        "metric": comparison.metric,
        "unit": "percent",
        "against": comparison.against,
        "resamples": comparison.resamples,
        "blocks": [
            {
                "title": block.title,
                "caption": block.caption,
                **block.identity,
                "repeated": block.unit,
                "correction": block.correction,
                "noise": 100 * block.noise,
                "standings": [
                    {**vars(each), "map": 100 * each.map, "half_width": 100 * each.half_width}
                    for each in block.standings
                ],
                "verdicts": [verdict(pair, block, decimals) for pair in block.pairs],
                "left_out": list(dict.fromkeys(text for pair in block.pairs for text in pair.left_out)),
                "skipped": block.skipped,
            }
            for block in comparison.blocks
        ],
        "differences": [_exported(line, comparison.metric) for line in comparison.lines()],
        "over_data_sets": None
        if across is None
        else {
            "datasets": across.datasets,
            "ranks": across.ranks,
            "differences": [
                {**vars(pair), **{name: 100 * vars(pair)[name] for name in ("estimate", "low", "high")}}
                for pair in across.pairs
            ],
        },
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _exported(line: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """A line of a comparison in percent and points, with None for what is undefined."""
    scaled = (*IN_POINTS, f"first_{metric}", f"second_{metric}")
    values = {name: 100 * value if name in scaled else value for name, value in line.items()}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


FORMATS: Mapping[str, Callable[[Comparison, int], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": comma_separated,
    "latex": latex,
    "html": html,
    "json": as_json,
}
