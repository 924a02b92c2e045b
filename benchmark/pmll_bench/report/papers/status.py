"""How far each method is checked, declared in one place with its evidence; tests compare it with the cards.

The evidence of the levels: golden vectors, a folder of `tests/golden` per kind, which `GOLDEN_KINDS` names; one step at
paper size, the table in `benchmark/README.md`; real photographs, the tables in `results/README.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pmll_methods.method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, REGISTRY

REPRODUCED = "never reproduced at paper scale"
SHORT = {GOLDEN: "golden", PAPER_STEP: "paper step", PHOTOGRAPHS: "photographs"}  # in lists and tables
NOTE = (
    "Status: golden = golden vectors met; paper step = one training step with the towers, resolution and number of "
    "classes of the paper; photographs = run on real photographs. No method has been reproduced at paper scale."
)
OWN = "not checked by us"  # a method that is not built in

GOLDEN_KINDS: Mapping[str, tuple[str, ...]] = {
    "bce": ("partial_bce",),
    "asl": ("asl",),
    "cap": ("cap_threshold",),
    "an": ("an",),
    "an-ls": ("an_ls",),
    "wan": ("wan",),
    "epr": ("epr",),
    "role": ("role",),
    "ll-r": ("ll_r",),
    "ll-ct": ("ll_ct",),
    "ll-cp": ("ll_cp",),
    "hill": ("hill",),
    "splc": ("splc",),
    "ssgrl": ("semantic_decoupling", "ggnn", "partial_bce"),
    "gcn-ml": ("gcn_ml_adjacency", "gcn_ml_head"),
    "add-gcn": ("add_gcn_sam",),
    "sarb": ("sarb_instance_blend", "sarb_prototype", "hcp_total_loss", "semantic_decoupling", "ggnn"),
    "dsrb": ("dsrb", "hcp_total_loss", "semantic_decoupling", "ggnn"),
    "sst": ("sst_intra", "sst_cross", "hcp_total_loss", "semantic_decoupling", "ggnn"),
    "hst": ("hst_threshold", "hcp_total_loss", "semantic_decoupling", "ggnn"),
    "coop": ("coop_logits", "text_truncation"),
    "coop-csp": ("coop_logits", "text_truncation"),
    "coop-sd": ("sarl_logits", "text_truncation"),
    "sarl": ("sarl_logits", "text_truncation", "asl"),
    "dualcoop": ("dualcoop_logits", "asl_dualcoop", "text_truncation"),
    "scpnet": ("scpnet_prior", "scpnet_gcn", "scpnet_sasc", "scpnet_consistency", "scpnet_distill", "splc"),
    "scpnet-frozen": ("scpnet_prior", "scpnet_gcn", "scpnet_sasc", "scpnet_consistency", "scpnet_distill", "splc"),
    "ssmll": ("ssmll_alignment", "cat_threshold", "context_clusters", "context_targets"),
    "scinet": ("scinet_losses", "scinet_fusion"),
}
WITHOUT_PAPER_STEP = frozenset({"clip-zeroshot"})  # it trains nothing
WITHOUT_PHOTOGRAPHS = frozenset({"add-gcn", "dsrb", "hst", "kggr", "scpnet"})


def levels(method: str) -> tuple[str, ...]:
    """The levels that a built-in method has reached; none for a method of one's own.

    >>> levels("kggr")
    ('one step at paper size',)
    """
    return tuple(_levels(method)) if method in REGISTRY else ()


def _levels(method: str) -> Iterator[str]:
    if method in GOLDEN_KINDS:
        yield GOLDEN
    if method not in WITHOUT_PAPER_STEP:
        yield PAPER_STEP
    if method not in WITHOUT_PHOTOGRAPHS:
        yield PHOTOGRAPHS


def status(method: str) -> str:
    """The status in full, for cards."""
    return ", ".join([*levels(method), REPRODUCED]) if method in REGISTRY else OWN


def short_status(methods: Iterable[str]) -> str:
    """The status of one row as a few words: the levels that all its methods have reached.

    >>> short_status(["kggr"]), short_status(["mine"])
    ('paper step', 'not checked by us')
    """
    reached = [set(levels(method)) for method in methods]
    common = set.intersection(*reached) if reached else set()
    return ", ".join(text for level, text in SHORT.items() if level in common) or OWN
