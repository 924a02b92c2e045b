"""CLIP towers give open_clip's own features, one an image or one a position, at any resolution they can take."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip.factory import resize_pos_embed
from torch import nn
from torch.nn import functional as F

from golden import cases, load
from pmll_methods.method import MethodError
from pmll_methods.nn.cosine import region_cosines
from pmll_methods.nn.prompts import PromptContexts
from pmll_methods.nn.region_aggregation import dualcoop_logits
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.dense import TimmImages, VitImages, attention_pool, chained, pool_tokens, resized
from pmll_methods.towers.frozen import normalise
from pmll_methods.towers.tiny import load_tiny, random_tiny
from pmll_methods.towers.weights import tower_identity
from small_clips import MOBILENET, RESNET, VIT, close, images, small_clip, tower_of

MNV2 = "mnv2-text256"


@pytest.mark.parametrize("vision", [RESNET, VIT, {**VIT, "pool_type": "avg", "final_ln_after_pool": True}, MOBILENET])
def test_pooled_features_are_open_clips_own(vision: dict[str, Any]) -> None:
    model = small_clip(vision)
    expected = copy.deepcopy(model).encode_image(images(64)).detach()
    tower = tower_of(model)
    assert tower.resolution == 64
    close(tower.pooled(images(64)), expected)


def test_a_resnet_clip_runs_at_another_resolution_than_its_own() -> None:
    model = small_clip(RESNET)
    plain = copy.deepcopy(model).visual
    features = plain.forward_intermediates(images(128), indices=1, intermediates_only=True)["image_intermediates"][-1]
    plain.attnpool.positional_embedding = nn.Parameter(
        resized(plain.attnpool.positional_embedding, (4, 4), antialias=False)
    )
    tower = tower_of(model)
    close(tower.pooled(images(128)), plain.attnpool(features).detach())
    tokens = tower.dense(images(128))
    assert tokens.shape == (2, 1 + 16, 24)
    with pytest.raises(RuntimeError):
        copy.deepcopy(small_clip(RESNET)).visual(images(128))


def test_a_vit_clip_runs_at_another_resolution_as_if_loaded_for_it() -> None:
    model = small_clip(VIT)
    state = copy.deepcopy(model.state_dict())
    larger = small_clip({**VIT, "image_size": 96})
    resize_pos_embed(state, larger)
    larger.load_state_dict(state)
    close(tower_of(model).pooled(images(96)), larger.encode_image(images(96)).detach())


def test_dense_resnet_features_are_the_attention_pool_without_attention() -> None:
    model = small_clip(RESNET)
    plain = copy.deepcopy(model).visual
    features = plain.forward_intermediates(images(64), indices=1, intermediates_only=True)["image_intermediates"][-1]
    tokens = features.flatten(2).mT
    tower, pool = tower_of(model), plain.attnpool
    close(tower.dense(images(64), "maskclip"), pool.c_proj(pool.v_proj(tokens)).detach())
    with_mean = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1) + pool.positional_embedding
    close(tower.dense(images(64)), pool.c_proj(pool.v_proj(with_mean)).detach())


def test_dense_vit_features_are_open_clips_patch_tokens_in_the_joint_space() -> None:
    model = small_clip(VIT)
    plain = copy.deepcopy(model).visual
    plain.output_tokens = True
    close(tower_of(model).dense(images(64)), (plain(images(64))[1] @ plain.proj).detach())


@pytest.mark.parametrize("pool", ["avg", "token", "map"])
def test_a_timm_positions_vector_is_what_the_head_makes_of_it_alone(pool: str) -> None:
    names = {"avg": "convnext_atto", "token": "vit_tiny_patch16_224", "map": "vit_tiny_patch16_224"}
    projection = {"timm_proj": "linear" if pool == "avg" else ""}
    vision = {"timm_model_name": names[pool], "timm_model_pretrained": False, "timm_pool": pool, **projection}
    tower = tower_of(small_clip({**vision, "image_size": 224}))
    dense = tower.dense(images(224, 1))
    assert isinstance(tower.images, TimmImages)
    trunk = tower.images.trunk
    features = trunk.forward_features(images(224, 1)).detach()
    if pool == "avg":
        head = tower.model.visual.head(trunk.head.norm(features).permute(0, 2, 3, 1)).flatten(1, 2)
    elif pool == "token":
        head = trunk.head(trunk.fc_norm(features))
        close(head[:, 0], tower.pooled(images(224, 1)))
        head = head[:, 1:]
    else:
        latent, tokens = trunk.attn_pool, features[:, trunk.num_prefix_tokens :]
        values = latent.proj(latent.kv(tokens).chunk(2, dim=-1)[1])
        head = trunk.head(trunk.fc_norm(values + latent.mlp(latent.norm(values))))
    close(dense, head.detach())


def test_the_mean_over_positions_is_the_pooled_vector_of_an_averaging_tower() -> None:
    tower = tower_of(small_clip(MOBILENET))
    close(tower.dense(images(64)).mean(dim=1), tower.pooled(images(64)))


def test_a_tower_of_one_resolution_refuses_another() -> None:
    vision = {"timm_model_name": "vit_tiny_patch16_224", "timm_model_pretrained": False, "image_size": 224}
    tower = tower_of(small_clip({**vision, "timm_pool": "token", "timm_proj": ""}))
    with pytest.raises(MethodError, match="does not support this resolution"):
        tower.dense(images(64))


def test_unknown_dense_features_are_refused_with_those_there_are() -> None:
    with pytest.raises(MethodError, match="no dense features 'values'") as caught:
        tower_of(small_clip(VIT)).dense(images(64), "values")
    assert caught.value.hint == "available: ln_proj, value, value_residual"


@pytest.mark.parametrize("path", cases("dense_attnpool"))
def test_golden_dense_attnpool(path: Path) -> None:
    arrays, meta = load(path)
    options = meta["options"]
    tensors = {name: torch.tensor(value).double() for name, value in arrays.items()}
    width, out = tensors["param.q_proj.weight"].shape[0], len(tensors["param.c_proj.bias"])
    pool = open_clip.modified_resnet.AttentionPool2d(options["native_grid"], width, options["num_heads"], out).double()
    pool.load_state_dict({name.removeprefix("param."): t for name, t in tensors.items() if name.startswith("param.")})
    pool.requires_grad_(False)

    x = F.avg_pool2d(tensors["in.x"], 2) if options["pre_pool"] == "avg2" else tensors["in.x"]
    positions = pool.positional_embedding if options["pos"] == "add" else None
    tokens = chained(pool.v_proj, pool.c_proj)(pool_tokens(x, positions, with_mean=options["include_global"]))
    tolerances = {"rtol": meta["rtol"], "atol": meta["atol"]}
    torch.testing.assert_close(tokens, tensors["out.tokens"], **tolerances)
    if "out.pos_grid" in tensors:
        grid = resized(pool.positional_embedding, x.shape[-2:], antialias=False)[1:]
        torch.testing.assert_close(grid, tensors["out.pos_grid"], **tolerances)
    if "out.pooled" in tensors:
        torch.testing.assert_close(attention_pool(x, pool), tensors["out.pooled"], **tolerances)


@pytest.mark.parametrize("path", cases("dense_vit"))
def test_golden_dense_vit(path: Path) -> None:
    arrays, meta = load(path)
    options = meta["options"]
    tensors = {name: torch.tensor(value).double() for name, value in arrays.items()}
    width, out = tensors["param.proj"].shape
    shape = {"patch_size": 8, "width": width, "layers": 1, "mlp_ratio": 1.0, "output_dim": out}
    visual = open_clip.transformer.VisionTransformer(image_size=8, heads=options["num_heads"], **shape).double()
    names = {"ln_post": "", "proj": "", "ln_1": "transformer.resblocks.0."}
    for name, tensor in tensors.items():
        if name.startswith("param."):
            key = name.removeprefix("param.")
            prefix = names.get(key.split(".")[0], "transformer.resblocks.0.attn.")
            visual.get_parameter(prefix + key).data.copy_(tensor)
    images, tokens = VitImages(visual.requires_grad_(False)), tensors["in.tokens"]
    values = images.values(tokens)
    tolerances = {"rtol": meta["rtol"], "atol": meta["atol"]}
    torch.testing.assert_close(images.read(tokens), tensors["out.patch_ln_proj"], **tolerances)
    torch.testing.assert_close(images.read(values), tensors["out.patch_value"], **tolerances)
    torch.testing.assert_close(images.read(tokens + values), tensors["out.patch_value_residual"], **tolerances)
    torch.testing.assert_close(images.pool(tokens), tensors["out.cls"], **tolerances)
    if options["resize_to"]:
        positions = resized(tensors["in.pos_embed"], tuple(options["resize_to"]), antialias=True)
        torch.testing.assert_close(positions, tensors["out.pos_embed"], **tolerances)


def mnv2(shared: Path) -> str:
    return f"local-dir:{shared / 'data' / 'weights' / MNV2}"


def test_the_real_small_model_gives_open_clips_features_and_its_map_averages_to_them(shared: Path) -> None:
    tower = load_clip(mnv2(shared))
    plain = open_clip.create_model(mnv2(shared)).eval()
    pixels = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = normalise(pixels, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert torch.equal(tower.normalise(pixels), images)
    pooled = tower.pooled(images)
    close(pooled, plain.encode_image(images).detach(), 1e-6)
    close(tower.dense(images).mean(dim=1), pooled, 7e-7)
    assert tower.dense(images).shape == (2, 49, 512)
    ids = tower.tokenize(["a photo of a dog.", "a photo of a potted plant."])
    close(tower.encode_text(ids), plain.encode_text(ids).detach(), 5e-6)
    assert (tower.resolution, tower.context_length, tower.text.width) == (224, 77, 256)
    assert tower.logit_scale == pytest.approx(31.67, abs=0.01)
    assert torch.get_default_dtype() == pooled.dtype == torch.float32


def test_a_group_shares_one_frozen_tower_that_no_learner_adopts(shared: Path) -> None:
    tower = load_clip(mnv2(shared))
    assert load_clip(mnv2(shared)) is tower
    assert not any(parameter.requires_grad for parameter in tower.model.parameters())
    assert not any(module.training for module in tower.model.modules())
    learner = nn.Module()
    setattr(learner, "tower", tower)  # noqa: B010 (a module declares no attributes)
    assert not list(learner.parameters())


def test_a_configuration_and_a_weights_file_apart_are_the_same_model(shared: Path) -> None:
    folder = shared / "data" / "weights" / MNV2
    apart = load_clip(str(folder / "open_clip_config.json"), str(folder / "open_clip_model.safetensors"))
    assert apart.digest == load_clip(mnv2(shared)).digest


@pytest.mark.parametrize("weights", [None, "random"])
def test_the_embedded_tiny_is_a_clip_too(weights: str | None) -> None:
    tower, plain = load_clip("tiny", weights), (random_tiny(seed=0) if weights else load_tiny()).eval()
    pixels = images(64)
    close(tower.pooled(pixels), plain.encode_image(pixels).detach())
    assert tower.dense(pixels).shape == (2, 1 + 64, 96)
    ids = tower.tokenize(["a photo of a ring.", "something it has never read"])
    assert ids.shape == (2, 32)
    close(tower.encode_text(ids), plain.encode_text(ids).detach())
    assert PromptContexts(tower, ["ring", "star"], prompts=2, n_ctx=4)().shape == (2, 2, 96)
    assert re.fullmatch("tiny:([0-9a-f]{64}|random)", tower_identity("tiny", weights))


def test_a_clip_of_rn101_size_at_448_pixels_gives_dualcoop_its_197_tokens() -> None:
    tower = load_clip("RN101", "random")
    activation = tower.model.transformer.resblocks[0].mlp.gelu
    assert isinstance(activation, open_clip.transformer.QuickGELU)  # as all weights published for it need
    tokens = tower.dense(tower.normalise(torch.zeros(1, 3, 448, 448, dtype=torch.uint8)))
    assert tokens.shape == (1, 197, 512)
    for labels, class_specific, trained in ((20, True, 327_680), (80, True, 1_310_720), (20, False, 16_384)):
        names = [f"thing {number}" for number in range(labels)]
        prompts = PromptContexts(tower, names, prompts=2, class_specific=class_specific)
        assert sum(parameter.numel() for parameter in prompts.parameters()) == trained
    logits, weights = dualcoop_logits(region_cosines(tokens, prompts()))
    assert (logits.shape, weights.shape) == ((1, 2, 20), (1, 20, 197))
    load_clip.cache_clear()
