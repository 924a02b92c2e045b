"""CoOp, SARL and the two steps between them: golden logits, parameter counts, and what each switch changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from torch import Tensor, nn

from golden import cases, load
from pmll_methods.coop import CoOp, CoOpCsp, CoOpSettings, over_labels
from pmll_methods.learners.learner import Batch, Problem, Step
from pmll_methods.losses.partial_bce import known_bce
from pmll_methods.method import MethodError
from pmll_methods.nn.cosine import cosine_logits
from pmll_methods.nn.prompts import PromptContexts
from pmll_methods.nn.semantic_decoupling import SemanticDecoupling
from pmll_methods.sarl import CoOpSd, Sarl
from pmll_methods.settings import resolve
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.clip_tower import ClipTower
from small_clips import MOBILENET, RESNET, VIT, small_clip, tower_of

NAMES = ("ring", "cross", "heart", "traffic light")
LABELS = torch.tensor([[1, -1, 0, 1], [-1, 0, 1, -1], [0, 0, 0, 0]], dtype=torch.int8)
STEP = Step(0, 0, 0, 1, torch.Generator())


def build(cls: type[CoOp], names: tuple[str, ...] = NAMES, tower: ClipTower | None = None, **settings: Any) -> CoOp:
    """An untrained learner with its smoke settings on `tiny`, or with its paper's, but for GloVe, on a tower."""
    track = "smoke" if tower is None else "paper"
    if issubclass(cls, CoOpSd):
        settings = {"words": None, **settings}
    full, recipe, *_ = resolve(cls.card, cls.Settings(), track, settings, {})
    assert isinstance(full, CoOpSettings)
    labels = torch.ones(len(LABELS), len(names), dtype=torch.int8)
    towers = load_clip("tiny") if tower is None else tower
    problem = Problem(classes=names, prompt_names=names, labels=labels, regime="partial", recipe=recipe, tower=towers)
    torch.manual_seed(0)
    return cls(problem, full)


def images(side: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, side, side), dtype=torch.uint8, generator=generator)


def outcome(learner: CoOp) -> tuple[Tensor, Tensor]:
    """The logits of three images and the loss of their labels."""
    features, head = learner.encode(images()), learner.head()
    terms = learner.loss(Batch((features,), LABELS, torch.arange(3)), head, STEP)
    return learner(features, head), torch.stack(list(terms.values())).sum()


def close(found: Tensor, expected: Any, meta: dict[str, Any]) -> None:
    wanted = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=meta["rtol"], atol=meta["atol"])


def size(learner: nn.Module) -> int:
    return sum(parameter.numel() for parameter in learner.parameters())


@pytest.mark.parametrize("path", cases("coop_logits"))
def test_golden_coop_logits(path: Path) -> None:
    arrays, meta = load(path)
    images, texts = (torch.tensor(arrays[f"in.{kind}_features"]).double() for kind in ("image", "text"))
    logits = cosine_logits(images[:, None], texts, float(np.exp(arrays["in.logit_scale_log"].astype(np.float64))))
    close(logits, arrays["out.logits"], meta)
    close(logits.sigmoid(), arrays["out.sigmoid"], meta)
    close(over_labels(logits).sigmoid(), arrays["out.softmax"], meta)


@pytest.mark.parametrize("readout", ["sigmoid", "softmax"])
@pytest.mark.parametrize("path", cases("sarl_logits"))
def test_golden_sarl_logits(path: Path, readout: str) -> None:
    arrays, meta = load(path)
    given = {name: torch.tensor(value) for name, value in arrays.items()}
    f, words, texts = (given[f"in.{name}"].double() for name in ("f", "semantic", "text_features"))
    options = meta["options"]
    shape = {"gamma_negative": options["gamma_neg"], "gamma_positive": options["gamma_pos"], "clip": options["margin"]}
    learner = build(Sarl, readout=readout, loss="asl", offset=None, scale=1 / options["tau"], width=None, **shape)
    learner.decoupling = SemanticDecoupling(f.shape[1], words.shape[1], len(given["param.U.weight"]))
    learner.map, learner.words = nn.Linear(f.shape[1], texts.shape[1]), words
    for ours, theirs in {"decoupling.fc1": "U", "decoupling.fc2": "V", "decoupling.fc3": "P"}.items():
        learner.get_submodule(ours).weight = nn.Parameter(given[f"param.{theirs}.weight"])
    for ours, theirs in {"decoupling.fc3": "P", "decoupling.fc4": "att", "map": "map"}.items():
        learner.get_submodule(ours).weight = nn.Parameter(given[f"param.{theirs}.weight"])
        learner.get_submodule(ours).bias = nn.Parameter(given[f"param.{theirs}.bias"])
    learner.double()

    assert isinstance(learner, Sarl)
    gathered, attention = learner.decoupled(f)
    close(attention.flatten(2), arrays["out.attention"], meta)
    close(gathered, arrays["out.features"], meta)
    close(learner.visual(f), arrays["out.mapped"], meta)
    close(cosine_logits(learner.visual(f), texts, 1.0), arrays["out.cosine"], meta)
    close(learner(f, texts).sigmoid(), arrays[f"out.p_{readout}"], meta)
    labels = given["in.labels"].to(torch.int8)
    terms = learner.loss(Batch((f,), labels, torch.arange(len(f))), texts, STEP)
    close(terms["asl"], arrays[f"out.pasl_{readout}"], meta)


def test_trained_values_are_as_many_as_the_papers_towers_and_words_make_them(tmp_path: Path) -> None:
    shape = {"layers": [1, 1, 1, 1], "width": 64, "head_width": 64, "image_size": 32}  # 2048 channels, 512 joint
    text = {"width": 512, "heads": 8, "layers": 1, "context_length": 77, "vocab_size": 49408}
    tower = tower_of(open_clip.CLIP(embed_dim=512, vision_cfg=shape, text_cfg=text))
    glove = tmp_path / "glove.npy"
    np.save(glove, np.zeros((80, 300), dtype=np.float32))
    coco = tuple(f"thing {number}" for number in range(80))

    def count(cls: type[CoOp], names: tuple[str, ...] = coco, **settings: Any) -> int:
        words = {"words": str(glove)} if issubclass(cls, CoOpSd) else {}
        return size(build(cls, names, tower, **words, **settings))

    assert count(CoOp) == 8_192
    assert (count(CoOpCsp, coco[:20]), count(CoOpCsp)) == (163_840, 655_360)
    assert count(CoOpSd) == 8_192 + 3_979_777
    assert (count(Sarl), count(Sarl, n_ctx=20)) == (4_635_137, 4_798_977)
    assert size(build(Sarl, coco, tower, words=None)) == 4_852_225  # on the tower's own texts, 512 numbers a class
    assert count(Sarl, width=None, projection=True) == 5_159_425
    assert count(Sarl, projection=True) == 5_684_737
    dualcoop = [PromptContexts(tower, coco, prompts=2, class_specific=own) for own in (False, True)]
    assert [size(prompts) for prompts in dualcoop] == [16_384, 1_310_720]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("coop", {"class_specific": True}), ("coop-csp", {})),
        (("coop-sd", {"class_specific": True}), ("sarl", {})),
        (("coop-sd", {"decoupling": "none"}), ("coop", {})),
        (("sarl", {"decoupling": "none"}), ("coop-csp", {})),
    ],
)
def test_the_rows_of_table_4_are_switches_of_each_other(
    one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]]
) -> None:
    methods: dict[str, type[CoOp]] = {cls.card.name: cls for cls in (CoOp, CoOpCsp, CoOpSd, Sarl)}
    first, second = (outcome(build(methods[name], **settings)) for name, settings in (one, other))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"decoupling": "attention"},
        {"decoupling": "none"},
        {"readout": "softmax"},
        {"scale": 30.0},
        {"offset": None},
        {"start": None},
        {"map_pool": 1},
        {"width": 64},
        {"attention_width": 16},
        {"projection": True},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_a_switch_of_sarl_changes_the_logits(changes: dict[str, Any]) -> None:
    (usual, _), (changed, _) = outcome(build(Sarl)), outcome(build(Sarl, **changes))
    assert changed.isfinite().all()
    assert not torch.allclose(usual, changed)


def test_other_words_point_elsewhere(tmp_path: Path) -> None:
    vectors = tmp_path / "words.npy"
    np.save(vectors, np.eye(4, dtype=np.float32))
    (usual, _), (changed, _) = outcome(build(Sarl)), outcome(build(Sarl, words=str(vectors)))
    assert not torch.allclose(usual, changed)
    assert torch.equal(usual, outcome(build(Sarl, words="tiny"))[0])


@pytest.mark.parametrize(
    "changes", [{"gamma_negative": 0.0}, {"gamma_positive": 2.0}, {"clip": 0.0}, {"loss": "bce"}, {"loss": "durand"}]
)
def test_a_switch_of_the_loss_changes_the_loss_alone(changes: dict[str, Any]) -> None:
    usual, changed = outcome(build(Sarl, loss="asl")), outcome(build(Sarl, **{"loss": "asl", **changes}))
    assert torch.equal(usual[0], changed[0])
    assert not torch.isclose(usual[1], changed[1])


def test_p_asl_without_focus_and_shift_is_the_cross_entropy_summed_per_image() -> None:
    logits, loss = outcome(build(Sarl, loss="asl", gamma_negative=0, gamma_positive=0, clip=0))
    torch.testing.assert_close(loss, known_bce(logits, LABELS).sum() / 3)


def test_longer_contexts_are_more_trained_values() -> None:
    short, long = (build(CoOpCsp, start=None, n_ctx=n) for n in (2, 8))
    assert size(long) - size(short) == 4 * 6 * 64


def test_the_softmax_over_labels_adds_up_to_one() -> None:
    logits, _ = outcome(build(Sarl, readout="softmax"))
    torch.testing.assert_close(logits.sigmoid().sum(dim=1), torch.ones(3))


def test_a_softmax_over_one_label_is_refused() -> None:
    with pytest.raises(MethodError, match="softmax over a single class"):
        build(CoOp, ("ring",), readout="softmax")


def test_folding_p_into_the_attention_leaves_the_functions_alone() -> None:
    torch.manual_seed(0)
    written, folded = SemanticDecoupling(6, 5, 7), SemanticDecoupling(6, 5, 7, projection=False)
    assert written.fc3 is not None
    folded.fc1, folded.fc2 = written.fc1, written.fc2
    folded.fc4.weight = nn.Parameter(written.fc4.weight @ written.fc3.weight)
    x, words = torch.randn(2, 6, 3, 4), torch.randn(4, 5)
    for one, other in zip(written(x, words), folded(x, words), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("decoupling", ["semantic", "attention"])
def test_where_each_class_is_looked_for_is_a_map(decoupling: str) -> None:
    learner = build(Sarl, decoupling=decoupling)
    seen = learner.attention(learner.encode(images()))
    assert seen is not None
    assert seen.shape == (3, 4, 4, 4)
    if decoupling == "semantic":
        torch.testing.assert_close(seen.sum(dim=(2, 3)), torch.ones(3, 4))
    assert build(Sarl, decoupling="none").attention(learner.encode(images())) is None


def test_prompts_and_decoupling_are_groups_that_hold_every_trained_value_once() -> None:
    learner = build(Sarl)
    groups = learner.parameter_groups()
    assert {name: sum(each.numel() for each in group) for name, group in groups.items()} == {
        "prompts": 4 * 4 * 64 + 1,
        "decoupling": size(learner) - 4 * 4 * 64 - 1,
    }


@pytest.mark.parametrize("vision", [RESNET, VIT, MOBILENET], ids=["resnet", "vit", "timm"])
def test_the_last_map_of_any_tower_is_decoupled(vision: dict[str, Any]) -> None:
    tower = tower_of(small_clip(vision))
    found = tower.feature_map(tower.normalise(images(128)))
    assert found.shape[:2] == (3, tower.channels)
    assert found.shape[2] == found.shape[3] == (8 if vision is VIT else 4)
    learner = build(Sarl, tower=tower)
    assert learner(learner.encode(images(128)), learner.head()).shape == (3, 4)


def test_the_map_of_a_vit_lies_as_the_image_does() -> None:
    tower = tower_of(small_clip(VIT))
    pixels = tower.normalise(images())
    tokens = tower.feature_map(pixels).flatten(2).mT @ tower.model.visual.proj
    torch.testing.assert_close(tokens, tower.dense(pixels))
