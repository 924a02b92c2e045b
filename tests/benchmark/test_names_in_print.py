"""Names in print and references: every method and data set has them, and the file of references is valid BibTeX."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pmll_bench.errors import ConfigError
from pmll_bench.published.references import bibtex, references
from pmll_bench.report.papers.names import DATASETS, METHODS, dataset_named, method_named
from pmll_datasets import registry as data
from pmll_methods import method as methods

CITED = {named.cite for named in (*METHODS.values(), *DATASETS.values()) if named.cite}
REQUIRED = {
    "article": {"title", "author", "journal", "year"},
    "inproceedings": {"title", "author", "booktitle", "year"},
    "misc": {"title", "author"},
    "techreport": {"title", "author", "institution", "year"},
}


def test_every_built_in_method_and_data_set_has_a_name() -> None:
    assert set(METHODS) == set(methods.REGISTRY)
    assert set(DATASETS) == set(data.DATASETS)


def test_every_name_is_printed_once() -> None:
    printed = [named.display for named in METHODS.values()]
    assert len(set(printed)) == len(printed)


def test_names_in_print() -> None:
    assert method_named("dualcoop") == ("DualCoOp", "sun2022dualcoop")
    assert method_named("my loss", "scpnet") == ("my loss", "ding2023scpnet")
    assert method_named("mine") == ("mine", "")
    assert dataset_named("coco").display == "COCO 2014"
    assert dataset_named("my-images") == ("my-images", "")


def test_every_key_has_an_entry_with_the_fields_of_its_kind() -> None:
    """Read by hand, as BibTeX would: `@kind{key,`, one field per line, `}`."""
    assert set(references()) >= CITED
    for key, entry in references().items():
        first, *fields, last = entry.splitlines()
        kind = re.fullmatch(r"@(\w+)\{([\w-]+),", first)
        assert kind, first
        assert kind[2] == key
        assert last == "}"
        found = [re.fullmatch(r"  (\w+) = \{(.+)\},", line) for line in fields]
        assert all(found), entry
        names = [field[1] for field in found if field]
        assert len(set(names)) == len(names)
        assert REQUIRED[kind[1]] <= set(names), key
        assert entry.count("{") == entry.count("}")


def test_an_entry_is_printed_once_and_in_the_order_of_keys() -> None:
    text = bibtex(["zhou2022coop", "", "lin2014coco", "zhou2022coop"])
    assert re.findall(r"^@\w+\{(\w+)", text, re.MULTILINE) == ["lin2014coco", "zhou2022coop"]
    assert bibtex([]) == ""


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no reference 'sun2022dualcop'") as error:
        bibtex(["sun2022dualcop"])
    assert "sun2022dualcoop" in (error.value.hint or "")


@pytest.mark.skipif(not (shutil.which("bibtex") and shutil.which("pdflatex")), reason="needs texlive")
def test_a_paper_can_cite_every_entry(tmp_path: Path) -> None:
    (tmp_path / "all.bib").write_text(bibtex(references()), encoding="utf-8")
    cited = rf"\cite{{{','.join(references())}}}\bibliographystyle{{plain}}\bibliography{{all}}"
    text = rf"\documentclass{{article}}\begin{{document}}{cited}\end{{document}}"
    (tmp_path / "paper.tex").write_text(text, encoding="utf-8")

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    latex = ("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper")
    run(*latex)
    assert "arning" not in run("bibtex", "paper")
    run(*latex)
    assert "undefined" not in run(*latex)
    assert (tmp_path / "paper.bbl").read_text(encoding="utf-8").count("\\bibitem") == len(references())
