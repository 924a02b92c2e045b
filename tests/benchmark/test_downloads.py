"""Failed downloads are found when a grid is planned: `all` leaves methods out, a method named alone is refused."""

from __future__ import annotations

import hashlib
import io
import socket
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Command
from layouts import write_image
from loopback import Files, serving
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.prepare import downloads as obtainable
from pmll_bench.prepare.downloads import unreachable, without_unavailable
from pmll_bench.prepare.word_vectors import ARCHIVES, SIZES

WORDY = {"ssgrl", "gcn-ml", "kggr", "sarb", "dsrb", "sst", "hst", "sarl", "coop-sd"}
TEXT = b"".join(f"{word} {row} 1 0\n".encode() for row, word in enumerate(["cat", "dog", "boat"]))
TINY = ["--track", "paper", "--set", "tower=tiny", "--regime", "full"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def dead() -> str:
    """An address on loopback where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def offline(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has word vectors."""
    for name in ARCHIVES:
        monkeypatch.setitem(ARCHIVES, name, replace(ARCHIVES[name], url=f"{dead}/{name}.zip"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """Stanford's server, on loopback, with two small GloVe files."""
    content = {}
    for name, archive in ARCHIVES.items():
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as zipped:
            zipped.writestr(archive.proof, TEXT)
        content[f"/{name}.zip"] = held.getvalue()
    with serving(content) as files:
        for name, archive in ARCHIVES.items():
            whole = content[f"/{name}.zip"]
            digest = f"sha256:{hashlib.sha256(whole).hexdigest()}"
            there = replace(archive, url=f"{files.url}/{name}.zip", size=len(whole), digest=digest)
            monkeypatch.setitem(ARCHIVES, name, there)
            monkeypatch.setitem(SIZES, name, len(TEXT))
        yield files


@pytest.fixture
def images(tmp_path: Path) -> str:
    """A user's own data set with three classes."""
    table = tmp_path / "own" / "labels.csv"
    rows = ["a.png,train,1,0,0", "b.png,train,0,1,0", "c.png,train,0,0,1", "d.png,test,1,0,0", "e.png,test,0,1,1"]
    for row in rows:
        write_image(table.parent / row.partition(",")[0])
    table.write_text("\n".join(["path,split,cat,dog,boat", *rows]) + "\n")
    return str(table)


def planned_methods(out: str) -> set[str]:
    return {line.split()[1] for line in out.splitlines()[1:]}


@pytest.mark.usefixtures("offline")
def test_all_leaves_out_by_name_what_can_not_be_had_and_plans_the_rest(command: Command, images: str) -> None:
    answer = command("run", "--methods", "all", "--datasets", images, *TINY, "--dry-run")
    assert answer.code == 0
    left_out = next(line for line in answer.err.splitlines() if line.startswith("left out: ssgrl"))
    methods, _, reason = left_out.removeprefix("left out: ").partition(": ")
    assert set(methods.split(", ")) == WORDY - {"gcn-ml"}
    assert reason.startswith("the word vectors glove.840B.300d could not be downloaded")
    assert "127.0.0.1" in left_out
    for way in ("pmll-bench data fetch glove ", "--set words=FILE", "--set words=one-hot"):
        assert way in left_out
    assert "left out: gcn-ml: the word vectors glove.6B.300d" in answer.err
    assert "pmll-bench data fetch glove-6b" in answer.err
    shown = planned_methods(answer.out)
    assert not shown & WORDY
    assert {"bce", "dualcoop", "clip-zeroshot", "add-gcn"} <= shown


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("methods", [("ssgrl",), ("bce", "ssgrl")])
def test_a_method_that_is_named_is_refused(methods: tuple[str, ...], command: Command, images: str) -> None:
    answer = command("run", "--methods", *methods, "--datasets", images, *TINY)
    assert answer.code == 3
    assert "error: ssgrl: the word vectors glove.840B.300d could not be downloaded" in answer.err
    assert "pmll-bench data fetch glove " in answer.err


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("words", ["one-hot", "tiny"])
def test_other_words_may_be_stated(words: str, command: Command, images: str) -> None:
    answer = command(*("run", "--methods", "all", "--datasets", images, *TINY, "--set", f"words={words}", "--dry-run"))
    assert answer.code == 0
    assert planned_methods(answer.out) >= WORDY
    assert "left out: ssgrl" not in answer.err


def test_what_is_within_reach_is_planned_without_being_fetched(command: Command, images: str, server: Files) -> None:
    answer = command("run", "--methods", "all", "--datasets", images, *TINY, "--dry-run")
    assert answer.code == 0
    assert planned_methods(answer.out) >= WORDY
    assert set(server.asked) == {"HEAD /glove.zip", "HEAD /glove-6b.zip"}


def test_a_run_fetches_word_vectors_once(command: Command, images: str, server: Files) -> None:
    small = ["resolution=64", "epochs=1", "batch=2", "views=squash", "drop_last=false"]
    sets = [part for change in small for part in ("--set", f"recipe.{change}")]
    asked = ["run", "--methods", "gcn-ml", "--datasets", images, *TINY, *sets, "--device", "cpu", "--threads", "1"]
    first = command(*asked)
    assert first.code == 0, first.err
    assert server.asked == ["HEAD /glove-6b.zip", "GET /glove-6b.zip"]
    again = command(*asked)
    assert again.code == 0
    assert "nothing to do" in again.err
    assert len(server.asked) == 2


@pytest.mark.usefixtures("offline")
def test_towers_that_can_not_be_had_are_left_out_as_well(
    command: Command, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obtainable, "unreachable", lambda urls: {url: "no network" for url in urls if "hugging" in url})
    asked = ["run", "--datasets", images, "--track", "paper", "--regime", "full", "--dry-run"]
    answer = command(*asked, "--methods", "all")
    assert answer.code == 0
    assert "dualcoop" in next(line for line in answer.err.splitlines() if "the weights openai of RN101" in line)
    assert "bce" in planned_methods(answer.out)
    assert "dualcoop" not in planned_methods(answer.out)
    named = command(*asked, "--methods", "dualcoop", "bce")
    assert named.code == 3
    assert "error: dualcoop: the weights openai of RN101 could not be downloaded: no network" in named.err


@pytest.mark.usefixtures("offline")
def test_where_nothing_can_be_had_all_is_refused_with_each_reason_once(
    command: Command, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obtainable, "unreachable", lambda urls: dict.fromkeys(urls, "no network"))
    monkeypatch.setattr("pmll_methods.towers.sources.try_to_load_from_cache", lambda repository, file: None)
    answer = command("run", "--methods", "all", "--datasets", images, "--track", "paper", "--regime", "full")
    assert answer.code == 3
    assert answer.err.count("the weights openai of RN101 could not be downloaded: no network") == 1
    assert answer.err.count("the word vectors glove.840B.300d could not be downloaded: no network") == 1


@pytest.mark.parametrize(
    ("method", "sets", "message"),
    [
        ("dualcoop", ["tower=resnet101"], "resnet101 is a CNN without a text encoder"),
        ("dualcoop", ["tower=MobileCLIP-B:datacompdr"], "--set recipe.resolution=224"),
        ("dualcoop", ["tower=ViT-B-16-SigLIP:webli", "recipe.resolution=224"], "pmll-bench[hf]"),
        ("dualcoop", ["tower=hf-hub:some/where"], "local-dir:FOLDER"),
        ("dualcoop", ["tower=ViT-B/33:openai"], "did you mean 'ViT-B-32"),
        ("bce", ["tower=timm:vit_base_patch16_224"], "--set recipe.resolution=224"),
    ],
)
def test_a_tower_that_is_of_no_use_is_refused_at_planning(
    method: str, sets: list[str], message: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmll_methods.towers.sources.find_spec", lambda package: None)
    changes = [part for change in sets for part in ("--set", change)]
    answer = command("run", "--methods", method, "--subset", "60", "--track", "paper", *changes)
    assert answer.code == 3
    assert f"error: {method}: " in answer.err
    assert message in answer.err


def test_what_is_done_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(methods=("ssgrl",), track="paper", ratios=(0.5,), subset=20)
    planned = plan(request)
    monkeypatch.setattr(obtainable, "unreachable", lambda urls: dict.fromkeys(urls, "no network"))
    assert without_unavailable(planned, request, ()) == planned


def test_a_server_that_answers_is_told_from_one_that_does_not(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obtainable, "WAIT", 0.2)
    with serving({"/here": b"bytes"}) as files, socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        silent = f"http://127.0.0.1:{mute.getsockname()[1]}/here"
        found = unreachable([f"{files.url}/here", f"{files.url}/gone", f"{dead}/here", silent])
    assert found[f"{files.url}/gone"].endswith("responds with 404 Not Found")
    assert found[f"{dead}/here"].endswith("does not respond")
    assert found[silent].endswith("does not respond")
    assert f"{files.url}/here" not in found


def test_the_hub_is_not_asked_where_the_user_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert unreachable(["https://huggingface.co/some/file"]) == {
        "https://huggingface.co/some/file": "HF_HUB_OFFLINE is set"
    }
