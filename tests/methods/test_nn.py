"""The parts that methods share compute the papers' equations, in whatever cheaper form they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from golden import Arrays, cases, load
from pmll_methods.nn.cooccurrence import adjacency
from pmll_methods.nn.cosine import region_cosines
from pmll_methods.nn.gated_graph import LabelGraph
from pmll_methods.nn.region_aggregation import dualcoop_logits
from pmll_methods.nn.semantic_decoupling import SemanticDecoupling

LABELS = torch.tensor([[1, 1, -1, 0], [1, 0, -1, 0], [1, -1, 1, -1], [0, 1, -1, -1]], dtype=torch.int8)


def close(found: Tensor, expected: Any, meta: dict[str, Any]) -> None:
    wanted = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=meta["rtol"], atol=meta["atol"])


def with_parameters(module: nn.Module, arrays: Arrays, names: dict[str, str] | None = None) -> nn.Module:
    """The module in float64 with the golden file's parameters; `names` moves prefixes."""
    state = {}
    for name, value in arrays.items():
        if name.startswith("param."):
            key = name.removeprefix("param.")
            prefix = next((new for old, new in (names or {}).items() if key.startswith(old)), "")
            state[prefix + key] = torch.tensor(value)
    module.double().load_state_dict(state)
    return module


@pytest.mark.parametrize("path", cases("dualcoop_logits"))
def test_golden_dualcoop_logits(path: Path) -> None:
    arrays, meta = load(path)
    tokens = torch.tensor(arrays["in.image_tokens"]).double()
    texts = torch.tensor(arrays["in.text_features"]).double()
    logits, weights = dualcoop_logits(region_cosines(tokens, texts.reshape(2, len(texts) // 2, -1)))
    close(weights, arrays["out.spatial_weights"], meta)
    close(logits, arrays["out.logits"], meta)
    close((logits[:, 1] - logits[:, 0]).sigmoid(), arrays["out.prob"], meta)


@pytest.mark.parametrize("path", cases("semantic_decoupling"))
def test_golden_semantic_decoupling(path: Path) -> None:
    arrays, meta = load(path)
    features, words = torch.tensor(arrays["in.feature_map"]), torch.tensor(arrays["in.words"])
    width = len(arrays["param.fc1.weight"])
    module = with_parameters(SemanticDecoupling(features.shape[1], words.shape[1], width), arrays)
    semantic, attention = module(features, words)
    close(semantic, arrays["out.semantic"], meta)
    close(attention.permute(0, 2, 3, 1), arrays["out.attention"], meta)


def test_folded_semantic_decoupling_has_the_written_out_gradients() -> None:
    torch.manual_seed(0)
    folded = SemanticDecoupling(6, 5, 7).double()
    x = torch.randn(2, 6, 3, 4, dtype=torch.float64, requires_grad=True)
    e = torch.randn(4, 5, dtype=torch.float64)
    assert folded.fc3 is not None
    inputs = (x, folded.fc1.weight, folded.fc2.weight, folded.fc3.weight, folded.fc4.weight)
    found = torch.autograd.grad(folded(x, e)[0].square().sum(), inputs)

    positions = x.flatten(2).mT
    joint = (folded.fc1(positions)[:, :, None] * folded.fc2(e)).tanh()
    attention = folded.fc4(folded.fc3(joint))[..., 0].softmax(dim=1)
    written_out = torch.einsum("bsc,bsf->bcf", attention, positions)
    expected = torch.autograd.grad(written_out.square().sum(), inputs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("path", cases("ggnn"))
def test_golden_ggnn(path: Path) -> None:
    arrays, meta = load(path)
    if meta["options"]["op"] == "graph":
        close(adjacency(torch.tensor(arrays["in.targets"]).to(torch.int8)), arrays["out.adj_safe"], meta)
        return
    nodes, edges = torch.tensor(arrays["in.nodes"]), torch.tensor(arrays["in.adj"])
    output, steps = len(arrays["param.fc.bias"]), meta["options"]["steps"]
    for shared_reset, name in ((False, "out.nodes"), (True, "out.nodes_shared_reset_u")):
        graph = LabelGraph(nodes.shape[1], nodes.shape[2], output, steps, shared_reset=shared_reset)
        with_parameters(graph, arrays, {"fc_": "ggnn."})
        close(graph.ggnn(nodes, edges), arrays[name], meta)
        if not shared_reset:
            close(graph(nodes, edges), arrays["out.logits"], meta)


def test_a_class_that_was_never_seen_present_has_an_empty_row_in_the_graph() -> None:
    for graph in (adjacency(LABELS, "released"), adjacency(LABELS, "corrected")):
        assert graph.isfinite().all()
        assert not graph[3].any()
        assert graph.diagonal().tolist() == [1, 1, 1, 0]


def test_the_corrected_graph_counts_only_images_where_the_other_label_is_known() -> None:
    assert adjacency(LABELS, "released")[0, 1] == pytest.approx(1 / 3)
    assert adjacency(LABELS, "corrected")[0, 1] == pytest.approx(1 / 2)


def test_parameter_counts_are_the_released_ones() -> None:
    def size(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert size(SemanticDecoupling()) == 941_057
    graph = LabelGraph(classes=80)
    assert (size(graph.ggnn), size(graph.fc), size(graph.classifiers)) == (9_443_328, 2_098_176, 82_000)
