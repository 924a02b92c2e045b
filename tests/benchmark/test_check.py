"""`pmll-bench check`: good methods pass, and each planted cheater is caught by the check that is meant for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pmll_bench.checks import parametrize_with_checks
from pmll_bench.checks.catalogue import CHECKS, NEEDED
from pmll_bench.checks.check import Finding, check
from pmll_bench.cli import main
from pmll_bench.errors import ConfigError
from pmll_methods.method import REGISTRY, MethodError

TESTS = Path(__file__).resolve().parents[1]
PLAIN = str(TESTS / "plain_method.py")
HEADER = """
from dataclasses import replace

import numpy as np
from learners import CARD, RECIPE
from plain_method import Plain

from pmll_methods.method import MethodError
from pmll_methods.recipe import Track

SMOKE = {"smoke": Track(recipe=RECIPE)}

class Deaf:
    def __init__(self, run):
        self.run = run

    def __getattr__(self, name):
        return (lambda: False) if name == "should_stop" else getattr(self.run, name)

class Mine(Plain):
"""
SMALL_CASES = {
    "an all-unknown row",
    "a label without positives",
    "a label that is never known",
    "one training image",
    "one class",
}
CAUGHT_BY = {
    "reads_hidden_labels": {"hidden labels altered on disk: scores unchanged"},
    "reads_test_labels": {"test labels altered on disk: scores unchanged"},
    "forgets_on_resume": {"stop and resume equals an uninterrupted run"},
    "normalises_over_batch": {"test order permuted: scores permuted the same way", "image batch size has no effect"},
    "depends_on_position": {"test order permuted: scores permuted the same way"},
    "ignores_seed": {"different seed, different scores"},
    "ignores_labels": {"known labels flipped: scores change"},
    "encodes_by_cell": {"alone equals grouped"},
    "falls_over": SMALL_CASES,
    "settings_change_in_json": {"settings survive JSON"},
    "names_too_many_regimes": {"declared regimes run"},
}


def cheater(name: str) -> str:
    return str(TESTS / "data" / "cheaters" / f"{name}.py")


def own(folder: Path, *lines: str) -> str:
    """A user's file with a change to the plain method."""
    path = folder / "mine.py"
    path.write_text(HEADER + "\n".join(f"    {line}" for line in lines), encoding="utf-8")
    return str(path)


def named(found: list[Finding], result: str) -> dict[str, Finding]:
    return {each.check: each for each in found if each.result == result}


def failures(target: str, *, full: bool = False) -> dict[str, str]:
    """The checks that fail, with what was seen."""
    return {name: each.seen for name, each in named(list(check(target, full)), "failed").items()}


@pytest.mark.parametrize("name", REGISTRY)
def test_every_built_in_method_passes(name: str) -> None:
    assert failures(name) == {}


def test_a_plain_method_in_a_users_file_passes() -> None:
    found = list(check(PLAIN))
    assert named(found, "failed") == {}
    assert named(found, "skipped").keys() == {"alone equals grouped"}


def test_the_long_form_also_asks_whether_a_method_learns() -> None:
    found = list(check("linear-probe", full=True))
    assert named(found, "failed") == {}
    assert "chance" in named(found, "ok")["learns"].seen


def test_a_method_that_ranks_nothing_passes_the_quick_form_alone() -> None:
    assert failures(cheater("learns_nothing")) == {}
    assert failures(cheater("learns_nothing"), full=True).keys() == {"learns"}


@pytest.mark.parametrize("name", CAUGHT_BY)
def test_a_cheater_is_caught_by_the_checks_meant_for_it_and_no_other(name: str) -> None:
    assert failures(cheater(name)).keys() == CAUGHT_BY[name]


def test_hidden_labels_are_not_within_reach() -> None:
    assert failures(cheater("asks_for_hidden_labels")).keys() == {NEEDED.name}
    assert "no attribute 'hidden'" in failures(cheater("asks_for_hidden_labels"))[NEEDED.name]
    assert "LookupError: no labels within reach" in failures(cheater("walks_attributes"))[NEEDED.name]


def test_a_method_that_is_never_the_same_twice_is_caught() -> None:
    seen = failures(cheater("draws_from_anywhere"))
    assert "images differ, by up to" in seen["same seed, same scores"]


def test_the_first_line_of_an_error_is_what_was_seen() -> None:
    seen = failures(cheater("falls_over"))["one class"]
    assert seen.startswith("ValueError: max() of an empty sequence (falls_over.py:15, in labels)")


def test_a_clear_error_in_a_small_case_is_fine(tmp_path: Path) -> None:
    polite = (
        "def fit(self, train, run):",
        "    if len(train) < 2:",
        "        raise MethodError('two images, please')",
        "    super().fit(train, run)",
    )
    found = list(check(own(tmp_path, *polite)))
    assert named(found, "failed") == {}
    assert named(found, "ok")["one training image"].seen.startswith("refused: MethodError: two images, please")


@pytest.mark.parametrize(
    ("end", "seen"),
    [
        ("raise RuntimeError('the lake is dry')", "RuntimeError: the lake is dry"),
        ("return super().predict(images, run).astype(np.float64)", "MethodError: predict returned float64"),
        ("return super().predict(images, run)[1:]", "MethodError: predict returned shape (11, 20)"),
        ("return super().predict(images, run) * np.float32(np.nan)", "Diverged: predict returned 240 scores"),
    ],
)
def test_without_scores_the_other_checks_are_skipped(tmp_path: Path, end: str, seen: str) -> None:
    found = list(check(own(tmp_path, "def predict(self, images, run):", f"    {end}")))
    assert named(found, "failed").keys() == {NEEDED.name}
    assert found[0].seen.startswith(seen)
    assert {each.result for each in found[1:]} == {"skipped"}


def test_a_method_that_goes_on_when_asked_to_stop_is_caught(tmp_path: Path) -> None:
    deaf = (
        "def fit(self, train, run):",
        "    run.should_stop()",
        "    super().fit(train, Deaf(run))",
    )
    seen = failures(own(tmp_path, *deaf))
    assert seen == {
        "stop and resume equals an uninterrupted run": "asked to stop at call 1 of 1 of should_stop, it ended as done"
    }


def test_what_a_card_states_is_held_against_the_method(tmp_path: Path) -> None:
    seen = failures(own(tmp_path, "card = replace(CARD, deterministic=True, uses_labels=False, tracks=SMOKE)"))
    assert seen["different seed, different scores"].startswith("its card says that it is deterministic")
    assert seen["known labels flipped: scores change"].startswith("its card says that it uses no labels")


def test_a_method_for_full_labels_alone_is_checked_in_its_own_regime(tmp_path: Path) -> None:
    found = list(check(own(tmp_path, "card = replace(CARD, regimes=('full',), tracks=SMOKE)")))
    assert named(found, "failed") == {}
    assert named(found, "skipped")["hidden labels altered on disk: scores unchanged"].seen == (
        "the regime full hides nothing"
    )


def test_every_check_has_a_name_of_its_own_a_reason_and_a_hint() -> None:
    every = [NEEDED, *CHECKS]
    assert len({each.name for each in every}) == len(every)
    assert all(each.reason and each.hint for each in every)


# --- the command


def answer(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit:
        main(argv)
    printed = capsys.readouterr()
    return int(exit.value.code or 0), printed.out, printed.err


def test_a_failure_is_told_with_its_reason_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "check", cheater("ignores_seed"))
    assert code == 4
    assert "same seed, same scores" in out
    assert "failed: different seed, different scores\n  seen:   seeds 0 and 1 give the same scores\n  reason: " in out
    assert "  hint:   draw initialisation and order from run.seed" in out


def test_the_answer_is_one_document_whatever_the_method_prints(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    talkative = ("def predict(self, images, run):", "    print('hello')", "    return super().predict(images, run)")
    code, out, err = answer(capsys, "check", own(tmp_path, *talkative), "--json")
    document = json.loads(out)
    assert code == 0
    assert "hello" in err
    assert document["schema"] == "pmll.check/1"
    assert document["passed"]
    assert {each["check"]: each["result"] for each in document["checks"]}["one class"] == "ok"


def test_an_unknown_method_is_an_error_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = answer(capsys, "check", "dualcop")
    assert code == 3
    assert out == ""
    assert "did you mean 'dualcoop'?" in err
    with pytest.raises(MethodError, match="no such file"):
        list(check("nowhere.py"))


def test_checks_are_made_in_the_regime_that_is_asked_for() -> None:
    found = {each.check: each for each in check("linear-probe", regime="full")}
    assert all(each.result != "failed" for each in found.values())
    hidden = found["hidden labels altered on disk: scores unchanged"]
    assert (hidden.result, hidden.seen) == ("skipped", "the regime full hides nothing")


def test_a_regime_that_the_card_does_not_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="linear-probe has no regime 'semi'"):
        next(check("linear-probe", regime="semi"))


def test_in_pytest_a_failed_check_is_a_failed_test_and_a_check_that_does_not_apply_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "from pmll_bench.checks import parametrize_with_checks\n"
        f"@parametrize_with_checks({cheater('ignores_seed')!r}, regime='partial')\n"
        "def test_rules(check):\n    check()\n",
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-rfs",
        "-p",
        "no:cacheprovider",
        "-k",
        "seed- or grouped",
        "test_own.py",
    ]
    path = os.pathsep.join([str(TESTS), *sys.path])
    env = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}
    answer = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    failed = re.findall(r"^FAILED test_own.py::test_rules\[(\S+)\]", answer.stdout, re.MULTILINE)
    assert failed == ["ignores_seed.py-different-seed-different-scores"], answer.stdout
    assert "different seed, different scores: seeds 0 and 1 give the same scores" in answer.stdout
    assert "hint: draw initialisation and order from run.seed" in answer.stdout
    assert "its cells train alone" in answer.stdout
    assert "1 failed, 1 passed, 1 skipped, 14 deselected" in answer.stdout
    assert not list(tmp_path.glob("pmll-check-*"))


def test_in_pytest_a_method_without_scores_fails_once(tmp_path: Path) -> None:
    (first, *others) = parametrize_with_checks(own(tmp_path, "def predict(self, images, run): pass")).args[1]
    with pytest.raises(pytest.fail.Exception, match="predict returned nothing"):
        first()
    for other in others:
        with pytest.raises(pytest.skip.Exception, match="there are no scores to compare"):
            other()
