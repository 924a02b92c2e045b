"""The share of training labels that a data set itself knows, before any mask, and how tables describe it."""

from __future__ import annotations

import math

import pandas as pd

from pmll_datasets.counts import percent_known
from pmll_datasets.registry import DATASETS

from ..store.summary import Summary


def known_share(result: Summary) -> float:
    """The share of the training labels that the data set knows; nan if the result does not record it.

    Older results do not. Among them, built-in data sets without the option `ignored` know all labels.
    """
    if result.known is None:
        return 1.0 if result.dataset in DATASETS and "ignored" not in result.options.values() else math.nan
    return result.known / (result.train * result.classes)


def known_of(part: pd.DataFrame) -> float:
    """The known share of a block, whose results have the same data set; nan if none of them records it."""
    return float(part["known"].max())


def kind_of(regime: str, known: float) -> str:
    """The name of a regime's labels: "full" only if the data set knows all of them."""
    return "known" if regime == "full" and known != 1 else regime


def known_text(known: float) -> str:
    """The part of a caption about labels that the data set does not know; empty if it knows all."""
    if math.isnan(known):
        return "share of labels known in the data set not recorded"
    return "" if known == 1 else f"the data set knows {percent_known(known)} of its training labels"
