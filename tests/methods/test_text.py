"""Text features come out as open_clip computes them from all 77 tokens, though fewer are computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from golden import cases, load
from pmll_methods.method import MethodError
from pmll_methods.nn.prompts import PromptContexts, prompt_ids
from pmll_methods.towers import text
from pmll_methods.towers.text import TextTower, attend, encode, plan_prompts
from small_clips import MOBILENET, RESNET, VIT, small_clip, tower_of

NAMES = ("cat", "dining_table", "spectacled bear cub", "black footed albatross chick", "tree of a very old age")
TOWERS: dict[str, dict[str, Any]] = {
    "ResNet CLIP": {"vision": RESNET, "quick_gelu": True},
    "ViT CLIP": {"vision": VIT},
    "CustomTextCLIP": {"vision": MOBILENET, "custom": True, "ls_init_value": 0.5, "proj_bias": True},
    "end token by id": {"vision": VIT, "pool_type": "eos", "eos_id": 49407},
}


@pytest.fixture(params=TOWERS, scope="module")
def model(request: pytest.FixtureRequest) -> Any:
    return small_clip(**TOWERS[request.param])


def all_tokens(model: Any, ids: Tensor, contexts: Tensor) -> Tensor:
    """Every prompt from all its tokens through open_clip's own transformer; contexts [g, c or 1, n, d]."""
    part = getattr(model, "text", model)
    n_ctx, features = contexts.shape[2], []
    for given in contexts.expand(-1, len(ids), -1, -1):
        x = part.token_embedding(ids)
        x = torch.cat([x[:, :1], given, x[:, 1 + n_ctx :]], dim=1) + part.positional_embedding
        x = part.ln_final(part.transformer(x, attn_mask=part.attn_mask))
        x = x[torch.arange(len(ids)), ids.argmax(dim=1)]
        projection = part.text_projection
        features.append(projection(x) if isinstance(projection, nn.Linear) else x @ projection)
    return torch.stack(features)


def largest_error(found: Tensor, expected: Tensor) -> float:
    difference, scale = (found - expected).detach().abs().max(), expected.detach().abs().max()
    return float(difference / scale)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("n_ctx", [1, 16])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "class-specific"])
def test_features_and_context_gradients_equal_the_full_computation(
    model: Any, shared: bool, n_ctx: int, dtype: torch.dtype, tolerance: float
) -> None:
    model = model.to(dtype).requires_grad_(False)
    tower = TextTower(model)
    ids = prompt_ids(open_clip.SimpleTokenizer(), NAMES, n_ctx)
    torch.manual_seed(1)
    contexts = torch.randn(2, 1 if shared else len(NAMES), n_ctx, tower.width, dtype=dtype, requires_grad=True)
    plan = plan_prompts(tower, ids, n_ctx=n_ctx, shared=shared)
    assert plan.form == ("packed" if shared else "truncated")
    found, expected = encode(tower, plan, contexts), all_tokens(model, ids, contexts)
    weights = torch.randn_like(expected)
    (found_gradient,) = torch.autograd.grad((weights * found).sum(), contexts)
    (expected_gradient,) = torch.autograd.grad((weights * expected).sum(), contexts)
    assert largest_error(found, expected) < tolerance
    assert largest_error(found_gradient, expected_gradient) < tolerance


def test_whole_prompts_equal_open_clips_own_encoding(model: Any) -> None:
    model = model.float().requires_grad_(False)
    ids = open_clip.SimpleTokenizer()([f"a photo of a {name}." for name in NAMES])
    assert largest_error(TextTower(model).encode_ids(ids), model.encode_text(ids)) < 5e-6


def test_only_tokens_that_count_are_computed() -> None:
    tower = TextTower(small_clip(VIT))
    ids = prompt_ids(open_clip.SimpleTokenizer(), NAMES, 16)
    rests = [int(end) - 16 for end in ids.argmax(dim=1)]
    packed = plan_prompts(tower, ids, n_ctx=16, shared=True)
    assert [tuple(rows.ids.shape) for rows in packed.rows] == [(1, 17 + sum(rests))]
    cut = plan_prompts(tower, ids, n_ctx=16, shared=False)
    assert [tuple(rows.ids.shape) for rows in cut.rows] == [(len(NAMES), 17 + max(rests))]


def test_many_labels_are_split_over_several_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_clip(VIT).double().requires_grad_(False)
    tower, ids = TextTower(model), prompt_ids(open_clip.SimpleTokenizer(), NAMES, 4)
    monkeypatch.setattr(text, "LABELS_PER_SEQUENCE", 2)
    plan = plan_prompts(tower, ids, n_ctx=4, shared=True)
    contexts = torch.randn(3, 1, 4, tower.width, dtype=torch.float64)
    assert len(plan.rows) == 3
    assert largest_error(encode(tower, plan, contexts), all_tokens(model, ids, contexts)) < 1e-12


def test_a_tower_that_looks_both_ways_is_computed_in_full_and_the_plan_says_why() -> None:
    model = small_clip(VIT, no_causal_mask=True, pool_type="last").double().requires_grad_(False)
    tower, ids = TextTower(model), prompt_ids(open_clip.SimpleTokenizer(), NAMES, 4)
    plan = plan_prompts(tower, ids, n_ctx=4, shared=True)
    assert (plan.form, plan.reason) == ("plain", "its attention is not causal")
    words = model.token_embedding(ids[:1, 1:5])[None]
    assert largest_error(encode(tower, plan, words)[0], model.encode_text(ids)) < 1e-12


def test_contexts_on_a_tower_with_an_appended_class_token_are_refused() -> None:
    tower = tower_of(small_clip(VIT, custom=True, embed_cls=True, context_length=76))
    assert tower.encode_text(tower.tokenize(["a cat."])).isfinite().all()
    with pytest.raises(MethodError, match="read at an appended class token"):
        PromptContexts(tower, NAMES)


def test_contexts_are_computed_in_full_precision_under_autocast() -> None:
    prompts = PromptContexts(tower_of(small_clip(VIT)), NAMES, prompts=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(prompts(), prompts().float())


@pytest.mark.parametrize("sequences", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("at_ends", [False, True])
def test_a_block_rounds_as_torchs_own_attention(sequences: int, at_ends: bool) -> None:
    """Scores of earlier versions, which called it, stay equal to the bit."""
    model = small_clip(VIT).requires_grad_(False)
    block = model.transformer.resblocks[0]
    tokens, at = torch.randn(sequences, 9, 32), torch.arange(6).expand(sequences, -1) + 3
    mask = model.attn_mask[:9, :9]
    found, expected = tokens.clone().requires_grad_(), tokens.clone().requires_grad_()
    out = attend(block, found, mask, at if at_ends else None)
    keys = block.ln_1(expected)
    start, query = (each[:, 3:] if at_ends else each for each in (expected, keys))
    x = start + block.attn(query, keys, keys, need_weights=False, attn_mask=mask[-query.shape[1] :])[0]
    x = x + block.mlp(block.ln_2(x))
    assert torch.equal(out, x)
    weights = torch.randn_like(x)
    (weights * out).sum().backward()
    (weights * x).sum().backward()
    assert torch.equal(found.grad, expected.grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("shared", [True, False])
def test_prompts_in_one_product_have_the_features_and_gradients_of_those_token_by_token(shared: bool) -> None:
    """Up to rounding for two sequences, to the bit for more (here one per class)."""
    model = small_clip(VIT).requires_grad_(False)
    tower = TextTower(model)
    plan = plan_prompts(tower, prompt_ids(open_clip.SimpleTokenizer(), NAMES, 4), n_ctx=4, shared=shared)
    contexts = torch.randn(2, 1 if shared else len(NAMES), 4, tower.width)
    weights = torch.randn_like(encode(tower, plan, contexts))
    found = []
    for joint in (False, True):
        own = contexts.clone().requires_grad_()
        features = encode(TextTower(model, joint=joint), plan, own)
        (features * weights).sum().backward()
        found.append((features.detach(), own.grad))
    for apart, together in zip(*found, strict=True):
        assert largest_error(together, apart) < 5e-6 if shared else torch.equal(together, apart)


@pytest.mark.parametrize("joint", [False, True])
def test_two_prompts_are_one_product_only_if_asked(joint: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tower = TextTower(small_clip(VIT).requires_grad_(False), joint=joint)
    plan = plan_prompts(tower, prompt_ids(open_clip.SimpleTokenizer(), NAMES, 4), n_ctx=4, shared=True)
    linear, leading = F.linear, []

    def recorded(x: Tensor, *weights: Tensor) -> Tensor:
        leading.append(x.shape[0])
        return linear(x, *weights)

    monkeypatch.setattr("pmll_methods.towers.text.F.linear", recorded)
    encode(tower, plan, torch.randn(2, 1, 4, tower.width))
    assert (leading[0] == 2) is joint  # both sequences; otherwise token by token


@pytest.mark.parametrize("path", cases("text_truncation"))
def test_golden_text_truncation(path: Path) -> None:
    arrays, meta = load(path)
    options, params = meta["options"], {name: torch.tensor(value) for name, value in arrays.items()}
    tokens, table = params["in.tokens"], params["param.token_embedding"]
    part = open_clip.transformer.TextTransformer(
        context_length=tokens.shape[1],
        vocab_size=len(table),
        width=table.shape[1],
        heads=options["heads"],
        layers=options["layers"],
        output_dim=params["param.text_projection"].shape[1],
        act_layer=open_clip.transformer.QuickGELU if options["quick_gelu"] else nn.GELU,
    ).double()
    renamed = {"token_embedding": "token_embedding.weight"}
    state = {name.removeprefix("param."): value for name, value in params.items() if name.startswith("param.")}
    state = {renamed.get(n, f"transformer.{n}" if n.startswith("resblocks") else n): v for n, v in state.items()}
    part.requires_grad_(False).load_state_dict(state)

    tower, n_ctx = TextTower(part), options["n_ctx"]
    contexts = params["in.ctx"].double()
    contexts = contexts[None] if options["csc"] else contexts[None, None]
    assert tower.ends(tokens).tolist() == arrays["out.eot_index"].tolist()
    plan = plan_prompts(tower, tokens, n_ctx=n_ctx, shared=not options["csc"])
    features = torch.tensor(arrays["out.text_features"])
    torch.testing.assert_close(encode(tower, plan, contexts)[0], features, rtol=meta["rtol"], atol=meta["atol"])

    hidden = torch.tensor(arrays["out.prefix_hidden"])  # of the tokens that all labels share
    x, mask = hidden[:1], plan.rows[0].mask[: hidden.shape[1], : hidden.shape[1]]  # type: ignore[index]
    for block, expected in zip(part.transformer.resblocks, hidden[1:], strict=True):
        x = attend(block, x, mask)
        torch.testing.assert_close(x[0], expected, rtol=meta["rtol"], atol=meta["atol"])


SPOKEN = {
    "voc2007-dualcoop": {16: (19, 21, 406, 2_269_655), 4: (7, 9, 166, 2_205_975)},
    "coco-dualcoop": {16: (19, 21, 1_617, 9_466_452), 4: (7, 9, 657, 9_211_732)},
    "coco-tai_dpt": {16: (19, 21, 1_619, 9_482_779), 4: (7, 9, 659, 9_228_059)},
    "nuswide-scpnet": {16: (19, 20, 1_621, 9_047_546), 4: (7, 8, 649, 8_789_642)},
    "cub312-scpnet": {16: (20, 32, 6_819, 37_974_104), 4: (8, 20, 3_075, 36_980_696)},
}


@pytest.mark.parametrize("labels", SPOKEN)
def test_prompts_hold_the_released_token_ids(labels: str, shared: Path) -> None:
    names = (shared / "data" / "labels" / "classnames" / f"{labels}.txt").read_text().splitlines()
    tokenizer = open_clip.get_tokenizer("RN50")
    ids = prompt_ids(tokenizer, names, 16)
    words = tokenizer([f"a photo of a {name.replace('_', ' ')}." for name in names])
    for n_ctx, found in ((16, ids), (4, words)):
        ends = found.argmax(dim=1)
        assert (int(ends.min()), int(ends.max()), int((ends + 1).sum()), int(found.sum())) == SPOKEN[labels][n_ctx]
    assert torch.equal(words[:, 5:], prompt_ids(tokenizer, names, 4)[:, 5:])


def test_contexts_start_from_words() -> None:
    tower = tower_of(small_clip(RESNET))
    prompts = PromptContexts(tower, NAMES, prompts=2, words=("a photo of a", "no trace of a"), class_specific=True)
    assert prompts.contexts.shape == (2, len(NAMES), 4, 32)
    ids = tower.tokenize([f"no trace of a {name.replace('_', ' ')}." for name in NAMES])
    assert largest_error(prompts()[1], tower.encode_text(ids)) < 5e-6


def test_a_prompt_without_a_phrase_starts_from_noise_of_the_same_length() -> None:
    tower = tower_of(small_clip(RESNET))
    contexts = PromptContexts(tower, NAMES, prompts=2, words=(None, "a photo of a")).contexts.detach()
    assert contexts.shape == (2, 1, 4, 32)
    assert torch.equal(contexts[1, 0], tower.text.token_table[tower.tokenize(["a photo of a"])[0, 1:5]])
    assert not torch.equal(contexts[0], contexts[1])


def test_contexts_start_from_noise_of_the_stated_spread() -> None:
    tower = tower_of(small_clip(RESNET))
    torch.manual_seed(0)
    assert float(PromptContexts(tower, NAMES, prompts=50, sd=0.02).contexts.detach().std()) == pytest.approx(
        0.02, rel=0.02
    )
    tower.model.token_embedding.weight[40_000:] = 0  # tokens that this tower never read
    read = float(tower.model.token_embedding.weight[:40_000].std())
    assert float(PromptContexts(tower, NAMES, prompts=50, sd=None).contexts.detach().std()) == pytest.approx(
        read, rel=0.02
    )


def test_only_contexts_are_trained_and_saved() -> None:
    tower = tower_of(small_clip(RESNET))
    for class_specific, rows in ((False, 1), (True, len(NAMES))):
        prompts = PromptContexts(tower, NAMES, prompts=2, class_specific=class_specific)
        assert list(prompts.state_dict()) == ["contexts"]
        assert sum(parameter.numel() for parameter in prompts.parameters()) == 2 * rows * 16 * 32
        assert prompts().shape == (2, len(NAMES), 24)


@pytest.mark.parametrize("class_specific", [False, True])
def test_very_many_prompts_are_encoded_in_parts(class_specific: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LABELS_PER_SEQUENCE", 2)
    tower = tower_of(small_clip(RESNET).double())
    prompts = PromptContexts(tower, NAMES, prompts=2, class_specific=class_specific).double()
    whole, kept = features_and_gradient(prompts)
    monkeypatch.setattr(text, "MOST_TOKENS", 1)
    monkeypatch.setattr(text, "PART", 100)  # two prompts with their contexts
    parts, fewer = features_and_gradient(prompts)
    for one, other in zip(parts, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    assert fewer < kept / 10


def features_and_gradient(prompts: PromptContexts) -> tuple[tuple[Tensor, Tensor], int]:
    """The features of all prompts, the gradient of the contexts, and the number of values kept for it."""
    kept: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        features = prompts()
    return (features, torch.autograd.grad(features.square().sum(), prompts.contexts)[0]), sum(kept)


@pytest.mark.parametrize("n_ctx", [74, 80])
def test_more_contexts_than_the_tower_has_places_for_are_refused(n_ctx: int) -> None:
    with pytest.raises(
        MethodError, match=f"{n_ctx} context tokens leave no room for a class name: the text tower reads 77 tokens"
    ):
        prompt_ids(open_clip.SimpleTokenizer(), ["cat"], n_ctx)
    assert len(prompt_ids(open_clip.SimpleTokenizer(), ["cat"], 73)) == 1


def test_a_class_name_that_does_not_fit_behind_the_contexts_is_named() -> None:
    tower = tower_of(small_clip(RESNET, context_length=20))
    PromptContexts(tower, ["cat"])
    with pytest.raises(MethodError, match="'dining table' with 16 context tokens"):
        PromptContexts(tower, ["cat", "dining table"])


def test_there_is_one_phrase_per_prompt_and_all_have_the_same_length() -> None:
    tower = tower_of(small_clip(RESNET))
    with pytest.raises(MethodError, match="expected 2 phrases, one per prompt, got 1"):
        PromptContexts(tower, NAMES, prompts=2, words=("a photo of a",))
    with pytest.raises(MethodError, match=r"differ in length: \[4, 3\]"):
        PromptContexts(tower, NAMES, prompts=2, words=("a photo of a", "not a photo"))
