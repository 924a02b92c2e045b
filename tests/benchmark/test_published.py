"""Published numbers: complete, with known fields, and equal to those in the text of the papers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pmll_bench.errors import ConfigError
from pmll_bench.published import SELECTION, TRUST, Published, matching, numbers, published
from pmll_bench.published.references import references
from pmll_methods import registry
from pmll_methods.settings import resolve

RATIOS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))


def row(source: str, table: str, dataset: str, method: str, metric: str = "map", variant: str = "") -> list[Published]:
    asked = (source, table, dataset, method, metric, variant)
    return [n for n in published() if (n.source, n.table, n.dataset, n.method, n.metric, n.variant) == asked]


def test_every_number_has_a_source_and_a_level_of_trust() -> None:
    assert len(published()) > 600
    for number in published():
        assert number.trust in TRUST
        assert number.selection in SELECTION
        assert number.cite in {"", *references()}
        assert number.regime in {"partial", "full", "single-positive", "semi"}
        assert 0 <= number.value <= 100
        assert number.table
        assert number.protocol


def test_no_number_is_listed_twice() -> None:
    identities = [
        (n.source, n.table, n.dataset, n.method, n.metric, n.variant, n.ratio, n.protocol) for n in published()
    ]
    assert len(identities) == len(set(identities))


@pytest.mark.parametrize(
    ("source", "table", "dataset", "method"),
    [
        (source, table, dataset, method)
        for source, table in (("SARL 2024", "Table 2"), ("SCPNet 2023", "Table 2"))
        for dataset in ("coco2014", "voc2007", "vg200")
        for method in ("ssgrl", "gcn-ml", "kggr", "sst", "hst", "sarb", "dsrb", "sarl", "dualcoop", "scpnet")
        if row(source, table, dataset, method)
    ],
)
def test_the_printed_average_is_the_mean_of_the_nine_ratios(source: str, table: str, dataset: str, method: str) -> None:
    found = row(source, table, dataset, method)
    assert tuple(number.ratio for number in found) == (*RATIOS, None)
    assert found[-1].value == pytest.approx(sum(number.value for number in found[:-1]) / 9, abs=0.0501)


NAMES = {
    "SARL 2024": {"ssgrl": "SSGRL", "gcn-ml": "GCN-ML", "kggr": "KGGR", "sst": "SST", "hst": "HST", "sarl": "Ours"},
    "SCPNet 2023": {
        "ssgrl": "SSGRL",
        "sst": "SST",
        "sarb": "SARB",
        "dualcoop": "DualCoOp",
        "scpnet": r"SCPNet \(ours\)",
    },
}


@pytest.mark.parametrize(("source", "beginning"), [("SARL 2024", "001"), ("SCPNet 2023", "002")])
def test_the_rows_of_the_main_tables_are_in_the_text_of_the_papers(source: str, beginning: str, shared: Path) -> None:
    (paper,) = (shared / "papers").glob(f"{beginning}*.txt")
    text = paper.read_text(encoding="utf-8")
    for method, printed in NAMES[source].items():
        for dataset in ("coco2014", "voc2007"):
            cells = [
                f"{number.value:.1f}" + (rf" ± {number.sd:.1f}" if number.sd is not None else "")
                for number in row(source, "Table 2", dataset, method)
            ]
            pattern = rf"{printed}( \[\d+\])?\s+" + r"\s+".join(map(re.escape, cells))
            assert re.search(pattern, text), f"{method} on {dataset}: {cells}"


def test_ablations_are_in_the_text_of_the_papers(shared: Path) -> None:
    (paper,) = (shared / "papers").glob("002*.txt")
    text = paper.read_text(encoding="utf-8")
    single, partial = (
        [n.value for n in published() if (n.table, n.variant, n.regime) == ("Table 3", "CMP + SAM + L_dstl", regime)]
        for regime in ("single-positive", "partial")
    )
    assert "\t".join(f"{value:.2f}" for value in (*single, *partial)) in text
    layers = [n.value for n in published() if n.table == "Table 7"]
    assert "\t".join(f"{value:.2f}" for value in layers) in text


def test_a_row_that_does_not_fit_its_table_is_refused() -> None:
    table = {"table": "Table 9", "dataset": "voc2007", "regime": "partial", "metric": "map", "ratios": [10, 20]}
    document = {
        "source": {"short": "X", "year": 2020, "trust": "authors"},
        "tables": [{**table, "protocol": ["448 px"], "rows": [{"method": "sst", "values": [1.0]}]}],
    }
    with pytest.raises(ConfigError, match="sst needs 2 values, one per column"):
        list(numbers(document, where="x.yaml"))


def test_scpnets_rows_with_partial_labels_have_the_resolution_of_its_recipe() -> None:
    """The paper states none: the card says that it is inferred, and so do the numbers."""
    card = registry.find("scpnet").card
    found = resolve(
        card, registry.find("scpnet").settings_class(), "paper", {}, {}, dataset="voc2007", regime="partial"
    )
    rows = [
        n for n in published() if (n.source, n.regime) == ("SCPNet 2023", "partial") and n.method.startswith("scpnet")
    ]
    assert {number.protocol[:2] for number in rows} == {("RN101", f"{found.recipe.resolution} px, inferred")}
    assert any(f"{found.recipe.resolution} px" in line for line in card.inferred)


def rules(source: str, table: str = "Table 2") -> dict[str, str]:
    return {n.method: n.selection for n in published() if (n.source, n.table) == (source, table)}


def test_how_the_epoch_was_selected_is_stated_only_where_it_is_known() -> None:
    """The code of SST, SARB and DualCoOp keeps the best test epoch; SARL released no code, nor did KGGR."""
    sarl, scpnet = rules("SARL 2024"), rules("SCPNet 2023")
    assert {method for method, rule in sarl.items() if rule == "best-test"} == {"ssgrl", "sst", "hst", "sarb", "dsrb"}
    assert {method for method, rule in sarl.items() if rule == "unknown"} == {"gcn-ml", "kggr", "sarl"}
    assert {scpnet[method] for method in ("scpnet", "dualcoop", "sarb")} == {"best-test"}
    assert set(rules("LargeLoss 2022", "table of snucml/LargeLossMatters").values()) == {"best-val", "unknown"}
    logs = {
        n.variant: n.selection
        for n in published()
        if n.table.startswith("released logs") and n.source == "SCPNet 2023" and n.dataset == "coco2014"
    }
    assert logs["last EMA epoch in the log"] == "last"
    assert logs["best EMA epoch on the test set"] == "best-test"


def test_a_mean_names_the_ratios_behind_it() -> None:
    """SARL's Table 4 has five ratios, its Table 2 has nine, and Table 3 shows nothing but the mean over nine."""
    five = (0.1, 0.3, 0.5, 0.7, 0.9)
    assert [n.averaged for n in row("SARL 2024", "Table 4", "voc2007", "coop")] == [()] * 5 + [five]
    assert row("SARL 2024", "Table 2", "voc2007", "sarl")[-1].averaged == RATIOS
    assert [n.averaged for n in row("SARL 2024", "Table 3", "voc2007", "sarl", "OF1")] == [RATIOS]
    assert {n.averaged for n in published() if n.regime == "full"} == {()}


def test_numbers_are_filtered_by_method_data_set_regime_and_metric() -> None:
    found = matching(["scpnet", "dualcoop"], ["voc"], "partial", "map")
    assert {(n.method, n.dataset, n.regime, n.metric) for n in found} == {
        ("scpnet", "voc2007", "partial", "map"),
        ("dualcoop", "voc2007", "partial", "map"),
    }
    assert len([n for n in found if n.method == "dualcoop"]) == 10  # SCPNet's Table 2: nine ratios and their mean
    assert matching() == published()


@pytest.mark.parametrize(
    ("filters", "what", "hint"),
    [
        ({"methods": ["scpnt"]}, "for the method 'scpnt'", "did you mean 'scpnet'?"),
        ({"datasets": ["voc207"]}, "for the data set 'voc207'", "did you mean 'voc2007'?"),
        ({"regime": "semi-partial"}, "for the regime 'semi-partial'", "did you mean 'partial'?"),
        ({"metric": "OF"}, "for the metric 'OF'", "did you mean 'OF1'?"),
        ({"datasets": ["voc2007"], "regime": "semi"}, "no published number matches all filters", "leave one"),
    ],
)
def test_a_filter_without_numbers_says_so(filters: dict[str, Any], what: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(what)) as error:
        matching(**filters)
    assert hint in (error.value.hint or "")


def test_an_unknown_rule_of_selection_is_refused() -> None:
    table = {"table": "Table 9", "datasets": ["voc2007"], "regime": "full", "metric": "map", "protocol": ["448 px"]}
    document = {
        "source": {"short": "X", "year": 2020, "trust": "authors", "selection": "best"},
        "tables": [{**table, "rows": [{"method": "sst", "values": [1.0]}]}],
    }
    with pytest.raises(ConfigError, match="unknown selection 'best'"):
        list(numbers(document, where="x.yaml"))
