"""How much of a block's training labels the data set itself knows, masks aside, and what they may be called."""

from __future__ import annotations

import math

import pandas as pd

from pmll_datasets.counts import percent_known
from pmll_datasets.registry import DATASETS

from ..store.records import Result


def known_share(result: Result) -> float:
    """The share of the training labels that the data set knows; nan where the result doesn't say.

    Older results don't: of these, built-in data sets without the option `ignored` knew all.
    """
    counts = result.counts
    if counts.known is None:
        return 1.0 if result.dataset in DATASETS and "ignored" not in result.cell.options.values() else math.nan
    return counts.known / (counts.train * counts.classes)


def known_of(part: pd.DataFrame) -> float:
    """The same of a block, whose results share their data set; nan where none of them says it."""
    return float(part["known"].max())


def kind_of(regime: str, known: float) -> str:
    """What the labels of a regime are called: full only where the data set knows all of them."""
    return "known" if regime == "full" and known != 1 else regime


def said(known: float) -> str:
    """What a caption says of labels that are not all known; empty where they are."""
    if math.isnan(known):
        return "how many labels the data set knows was not recorded"
    return "" if known == 1 else f"the data set knows {percent_known(known)} of its training labels"
