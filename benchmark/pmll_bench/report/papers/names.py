"""The names of methods and data sets in print, and the keys of their references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pmll_datasets.registry import ALIASES

if TYPE_CHECKING:
    from ...store.summary import Summary
    from ..tables.table import Layout

OURS = "pmllbench"  # the reference of the benchmark itself, which also generates `shapes`


class Named(NamedTuple):
    """The name that a paper prints, and the key of its reference; without a key, there is no paper to cite."""

    display: str
    cite: str = ""


METHODS: Mapping[str, Named] = {
    "bce": Named("Partial BCE", "durand2019partial"),
    "asl": Named("ASL", "ridnik2021asl"),
    "cap": Named("CAP", "xie2023cap"),
    "linear-probe": Named("Linear probe"),
    "an": Named("AN", "cole2021single"),
    "an-ls": Named("AN-LS", "cole2021single"),
    "wan": Named("WAN", "cole2021single"),
    "epr": Named("EPR", "cole2021single"),
    "role": Named("ROLE", "cole2021single"),
    "ll-r": Named("LL-R", "kim2022largeloss"),
    "ll-ct": Named("LL-Ct", "kim2022largeloss"),
    "ll-cp": Named("LL-Cp", "kim2022largeloss"),
    "hill": Named("Hill", "zhang2021simple"),
    "splc": Named("SPLC", "zhang2021simple"),
    "ssgrl": Named("SSGRL + partial BCE", "chen2019ssgrl"),
    "gcn-ml": Named("ML-GCN + partial BCE", "chen2019mlgcn"),
    "add-gcn": Named("ADD-GCN + partial BCE", "ye2020addgcn"),
    "kggr": Named("KGGR + partial BCE", "chen2022kggr"),
    "sarb": Named("SARB", "pu2022sarb"),
    "dsrb": Named("DSRB", "pu2024dsrb"),
    "sst": Named("SST", "chen2022sst"),
    "hst": Named("HST", "chen2024hst"),
    "clip-zeroshot": Named("CLIP zero-shot", "radford2021clip"),
    "coop": Named("CoOp", "zhou2022coop"),
    "coop-csp": Named("CoOp + CSP", "ruan2024sarl"),
    "coop-sd": Named("CoOp + SD", "ruan2024sarl"),
    "sarl": Named("SARL", "ruan2024sarl"),
    "dualcoop": Named("DualCoOp", "sun2022dualcoop"),
    "scpnet": Named("SCPNet", "ding2023scpnet"),
    "scpnet-frozen": Named("SCPNet, frozen tower", "ding2023scpnet"),
    "ssmll": Named("SSMLL", "fan2024ssmll"),
    "scinet": Named("SCINet", "wu2025scinet"),
}

DATASETS: Mapping[str, Named] = {
    "shapes": Named("shapes", OURS),
    "voc2007": Named("VOC 2007", "everingham2010voc"),
    "voc2007-subset": Named("VOC 2007 (subset)", "everingham2010voc"),
    "voc2012": Named("VOC 2012", "everingham2010voc"),
    "voc2012-subset": Named("VOC 2012 (subset)", "everingham2010voc"),
    "coco2014": Named("COCO 2014", "lin2014coco"),
    "coco2014-subset": Named("COCO 2014 (subset)", "lin2014coco"),
    "nuswide": Named("NUS-WIDE", "chua2009nuswide"),
    "vg200": Named("VG-200", "krishna2017visualgenome"),
    "cub": Named("CUB-200-2011", "wah2011cub"),
}


def method_named(label: str, method: str | None = None) -> Named:
    r"""The printed name of a row labelled `label`, a variant of `method` (by default the method itself).

    A label of the user's own stays as it is, with the reference of its method. A method from a file has no reference.

    >>> method_named("dualcoop")
    Named(display='DualCoOp', cite='sun2022dualcoop')
    >>> method_named("dualcoop (4 words)", "dualcoop")
    Named(display='dualcoop (4 words)', cite='sun2022dualcoop')
    """
    known = METHODS.get(method or label, Named(label))
    return known if label in METHODS else known._replace(display=label)


def dataset_named(name: str) -> Named:
    """The printed name of a data set (name or alias). A data set of the user's own has no reference."""
    return DATASETS.get(ALIASES.get(name, name), Named(name))


def in_print(layout: Layout, results: Iterable[Summary]) -> Layout:
    """The layout with the names that papers print, and the keys of their references."""
    shown = list(results)
    methods = {result.label: method_named(result.label, result.method) for result in shown}
    return replace(
        layout,
        names={label: named.display for label, named in methods.items()},
        cites={label: named.cite for label, named in methods.items() if named.cite},
        datasets={result.dataset: dataset_named(result.dataset).display for result in shown},
    )
