"""Graphs over labels: ML-GCN's classifiers, ADD-GCN's attention, KGGR's second graph, and the switches between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from golden import Arrays, cases, load
from pmll_datasets.published import hcp
from pmll_methods.add_gcn import AddGcn
from pmll_methods.dsrb import Dsrb
from pmll_methods.gcn_ml import GcnMl
from pmll_methods.hst import Hst
from pmll_methods.kggr import Kggr
from pmll_methods.learners.learner import AnyLearner, Batch, Problem, Step
from pmll_methods.nn import cooccurrence
from pmll_methods.nn.cooccurrence import adjacency, conditional, counted_together, reweighted, symmetric
from pmll_methods.nn.label_gcn import LabelGcn
from pmll_methods.nn.semantic_attention import AddGcnHead
from pmll_methods.sarb import Sarb
from pmll_methods.settings import resolve
from pmll_methods.ssgrl import Ssgrl
from pmll_methods.sst import Sst

LABELS = torch.tensor([[1, 1, -1, 0], [1, 0, -1, 0], [1, -1, 1, -1], [0, 1, -1, -1]], dtype=torch.int8)
METHODS: list[type[AnyLearner]] = [Ssgrl, Kggr, GcnMl, AddGcn]
SWITCHES: list[tuple[type[AnyLearner], dict[str, Any]]] = [
    (Ssgrl, {"decoupling": "attention"}),
    (Ssgrl, {"shared_reset": True}),
    (Ssgrl, {"graph": "corrected"}),
    (Ssgrl, {"width": None}),
    (Ssgrl, {"start": "released"}),
    (Kggr, {"classifier_graph": False}),
    (Kggr, {"shared_reset": True}),
    (GcnMl, {"sums": "rows"}),
    (GcnMl, {"graph": "released"}),
    (GcnMl, {"threshold": 0.9}),
    (GcnMl, {"share": 0.5}),
]


EDGES = {  # P(j | i) >= 0.4, by share of known labels: those of gcn-ml by default, and those of its `graph=released`
    "voc2007": {0.1: (8, 0), 0.2: (13, 0), 0.3: (8, 0), 0.5: (6, 0), 0.7: (6, 3), 0.9: (6, 6), 1.0: (6, 6)},
    "coco2014": {0.1: (130, 0), 0.2: (129, 0), 0.3: (118, 0), 0.5: (112, 15), 0.7: (111, 48), 1.0: (111, 111)},
}


@pytest.fixture(scope="module")
def complete(shared: Path) -> dict[str, np.ndarray]:
    """The complete training labels of VOC 2007 and COCO 2014."""
    voc, coco = (np.load(shared / "data/labels" / name) for name in ("voc2007.npz", "coco_train2014.npz"))
    present = np.unpackbits(coco["labels_packed"], axis=1)[:, :80] > 0
    return {
        "voc2007": np.where(voc["labels"][voc["split"] != "test"] > 0, 1, -1).astype(np.int8),
        "coco2014": np.where(present, 1, -1).astype(np.int8),
    }


@pytest.mark.parametrize("name", EDGES)
def test_classes_that_go_together_are_joined_however_few_labels_are_known(
    name: str, complete: dict[str, np.ndarray]
) -> None:
    usual, labels = GcnMl.Settings(), complete[name]
    for ratio, expected in EDGES[name].items():
        known = torch.from_numpy(np.where(hcp(labels.shape, ratio), labels, 0).astype(np.int8))
        joined = [adjacency(known, form) >= usual.threshold for form in (usual.graph, "released")]
        assert tuple(int(edges.fill_diagonal_(False).sum()) for edges in joined) == expected


def close(found: Tensor, expected: Any, meta: dict[str, Any]) -> None:
    wanted = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=meta["rtol"], atol=meta["atol"])


def parameters(arrays: Arrays, names: dict[str, str]) -> dict[str, Tensor]:
    """The parameters of a golden file under our names: `names` exchanges prefixes, the first that fits."""
    state = {}
    for name, value in arrays.items():
        if name.startswith("param."):
            key = name.removeprefix("param.")
            old = next((prefix for prefix in names if key.startswith(prefix)), "")
            state[names.get(old, "") + key.removeprefix(old)] = torch.tensor(value)
    return state


def learner(cls: type[AnyLearner], labels: Tensor = LABELS, seed: int = 0, **changes: Any) -> Any:
    """A learner on the embedded trunk, with few channels."""
    small = {"width": 16, "attention_width": 8, "hidden": 8}
    fields = cls.Settings.__dataclass_fields__
    given = {**{name: value for name, value in small.items() if name in fields}, **changes}
    settings, recipe, *_ = resolve(cls.card, cls.Settings(), "smoke", given, {})
    names = ("red ring", "blue cross", "green star", "pink disc")[: labels.shape[1]]
    tower = cls.load_tower(settings, recipe)
    problem = Problem(classes=names, prompt_names=names, labels=labels, regime="partial", recipe=recipe, tower=tower)
    torch.manual_seed(seed)
    return cls(problem, settings)


def images(count: int = 3) -> Tensor:
    return torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def scores(made: Any) -> Tensor:
    made.eval()
    with torch.no_grad():
        logits: Tensor = made(made.encode(images()), made.head())
    return logits


@pytest.mark.parametrize("path", cases("gcn_ml_adjacency"))
def test_golden_gcn_ml_adjacency(path: Path) -> None:
    arrays, meta = load(path)
    together, counts = torch.tensor(arrays["in.cooccurrence"]), torch.tensor(arrays["in.counts"])
    probability = conditional(together, counts[:, None])
    options = (meta["options"]["tau"], meta["options"]["p"])
    close(reweighted(probability, *options, sums="rows"), arrays["out.A_rowwise"], meta)
    graph = reweighted(probability, *options, sums="columns")
    if np.isnan(arrays["out.A"]).any():  # the released graph of a label without positives is not a number anywhere
        seen = counts > 0
        assert torch.equal(graph[~seen], torch.eye(len(graph)).double()[~seen])
        alone = reweighted(probability[seen][:, seen], *options, sums="columns")
        close(graph[seen][:, seen], alone, meta)
        return
    close(graph, arrays["out.A"], meta)
    close(symmetric(graph).mT, arrays["out.A_norm"], meta)


@pytest.mark.parametrize("path", cases("gcn_ml_head"))
def test_golden_gcn_ml_head(path: Path) -> None:
    arrays, meta = load(path)
    words, features = torch.tensor(arrays["in.words"]), torch.tensor(arrays["in.feature_map"])
    weights = parameters(arrays, {"gc1": "layers.0", "gc2": "layers.1"})
    gcn = LabelGcn([words.shape[1], weights["layers.0.weight"].shape[1], features.shape[1]]).double()
    gcn.load_state_dict(weights)
    made = learner(GcnMl).double()
    made.gcn, made.top = gcn, nn.Identity()
    made.words, made.edges = words, symmetric(torch.tensor(arrays["in.A"])).mT
    close(made.head(), arrays["out.label_vectors"], meta)
    close(features.amax(dim=(2, 3)), arrays["out.pooled"], meta)
    close(made(features, made.head()), arrays["out.logits"], meta)


@pytest.mark.parametrize("path", cases("add_gcn_sam"))
def test_golden_add_gcn_sam(path: Path) -> None:
    arrays, meta = load(path)
    features = torch.tensor(arrays["in.feature_map"])
    classes, width = arrays["param.last_linear.weight"].shape
    module = AddGcnHead(features.shape[1], classes, width).double()
    names = {"fc": "attention.fc", "conv_transform": "attention.conv_transform", "gcn": "graph"}
    steps = {"graph.bn_global.num_batches_tracked": torch.tensor(0)}
    module.load_state_dict({**parameters(arrays, names), **steps})
    module.train(meta["options"]["bn_training"])
    nodes, attention = module.attention(features)
    close(attention.flatten(2), arrays["out.attention"], meta)
    close(nodes.mT, arrays["out.content_vectors"], meta)
    shared = module.graph.static(nodes)
    close(shared.mT, arrays["out.static_out"], meta)
    close(module.graph.dynamic(shared).mT, arrays["out.dynamic_adj"], meta)
    close(module.graph(nodes).mT, arrays["out.dynamic_out"], meta)
    from_maps, from_graph = module.scores(features)
    close(from_maps, arrays["out.score_sm"], meta)
    close(from_graph, arrays["out.score_r"], meta)
    close(module(features), arrays["out.logits"], meta)


@pytest.mark.parametrize(("cls", "switch"), SWITCHES, ids=lambda value: str(value) if isinstance(value, dict) else "")
def test_each_switch_changes_the_scores(cls: type[AnyLearner], switch: dict[str, Any]) -> None:
    assert not torch.allclose(scores(learner(cls)), scores(learner(cls, **switch)), atol=1e-6)


def test_kggr_without_its_classifier_graph_is_ssgrl() -> None:
    assert torch.equal(scores(learner(Kggr, classifier_graph=False)), scores(learner(Ssgrl)))


def test_kggr_trains_the_first_classifiers_through_their_graph() -> None:
    made = learner(Kggr)
    made(made.encode(images()), made.head()).square().sum().backward()
    assert all(parameter.grad is not None for parameter in made.classifier_ggnn.parameters())
    assert made.graph.classifiers.weight.grad.any()


@pytest.mark.parametrize("cls", [Ssgrl, Kggr, Sarb, Dsrb, Sst, Hst])
def test_only_the_smoke_track_starts_at_the_log_odds_of_each_class(cls: type[AnyLearner]) -> None:
    odds = torch.tensor([3.5 / 0.5, 2.5 / 1.5, 1.5 / 3.5, 0.5 / 2.5])  # of present to absent, half an entry on top
    torch.testing.assert_close(learner(cls).graph.classifiers.bias.detach(), odds.log())
    assert learner(cls, start="released").graph.classifiers.bias.abs().max() <= 16**-0.5
    settings: Any = cls.Settings()
    assert settings.start == "released"


@pytest.mark.parametrize("cls", METHODS)
def test_an_unknown_label_trains_nothing(cls: type[AnyLearner]) -> None:
    made = learner(cls)
    unknown = Batch((made.encode(images()),), torch.zeros(3, 4, dtype=torch.int8), torch.arange(3))
    made.loss(unknown, made.head(), Step(0, 0, 0, 1, torch.Generator()))["bce"].backward()
    assert not any(parameter.grad is not None and parameter.grad.any() for parameter in made.parameters())


@pytest.mark.parametrize("cls", [Ssgrl, GcnMl])
def test_a_label_never_seen_present_leaves_the_graph_finite(cls: type[AnyLearner]) -> None:
    assert scores(learner(cls, labels=torch.full((4, 4), -1, dtype=torch.int8))).isfinite().all()
    assert scores(learner(cls, labels=torch.zeros((4, 4), dtype=torch.int8))).isfinite().all()


def test_an_image_alone_can_train_a_dynamic_graph() -> None:
    assert learner(AddGcn).train()(learner(AddGcn).encode(images(1)), None).isfinite().all()


def test_ml_gcn_on_a_frozen_trunk_keeps_one_vector_an_image() -> None:
    whole, frozen = learner(GcnMl, train_from="layer4"), learner(GcnMl, train_from="none")
    assert frozen.encode(images()).shape == (3, frozen.trunk.channels)
    torch.testing.assert_close(scores(frozen), scores(whole), rtol=1e-3, atol=1e-4)


def test_the_papers_shares_of_a_label_and_its_edges_are_the_codes_up_to_a_factor() -> None:
    probability = adjacency(LABELS)
    code = reweighted(probability, share=0.25, sums="rows")
    paper = 0.8 * reweighted(probability, share=0.2 / 0.8, sums="rows")
    torch.testing.assert_close(symmetric(code), symmetric(paper))


def test_counting_pairs_image_by_image_is_the_matrix_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "IMAGES", 7)
    torch.manual_seed(0)
    labels = torch.randint(-1, 2, (30, 6), dtype=torch.int8)
    present, known = (labels > 0).double(), (labels != 0).double()
    assert torch.equal(counted_together(labels > 0, labels > 0), present.mT @ present)
    assert torch.equal(counted_together(labels > 0, labels != 0), present.mT @ known)
