"""The embedded `tiny` is a CLIP under open_clip's names, reads what its card says, and can be trained again."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import open_clip
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn import functional as F

from pmll_datasets import shapes
from pmll_methods.towers import tiny
from pmll_methods.towers.tiny import TinyCLIP, load_tiny, pack, random_tiny, tokenizer, unpack

FOLDER = Path(str(files("pmll_methods.towers.tiny")))
WEIGHTS = FOLDER / "weights.safetensors"
UNREAD = ("crescent", "rhombus", "tear", "lightning", "cog")


@pytest.fixture(scope="module")
def model() -> TinyCLIP:
    return load_tiny().requires_grad_(False)


@pytest.fixture(scope="module")
def pretraining() -> Iterator[ModuleType]:
    """The script `methods/pretrain_tiny.py`, of a checkout."""
    path = Path(__file__).resolve().parents[2] / "methods" / "pretrain_tiny.py"
    spec = importlib.util.spec_from_file_location("pretrain_tiny_under_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield module
    torch.set_num_threads(threads)
    del sys.modules[spec.name]


def pixels(count: int) -> Tensor:
    return torch.from_numpy(shapes.images("test")[:count].copy()).permute(0, 3, 1, 2) / 127.5 - 1


def test_the_image_tower_has_the_stages_of_an_open_clip_resnet(model: TinyCLIP) -> None:
    visual, x = model.visual, pixels(2)
    expected = {"stem": (32, 32), "layer1": (40, 16), "layer2": (80, 8), "layer3": (112, 8), "layer4": (144, 8)}
    for stage, (channels, side) in expected.items():
        x = getattr(visual, stage)(x)
        assert x.shape == (2, channels, side, side)
    assert isinstance(visual.attnpool, open_clip.modified_resnet.AttentionPool2d)
    assert visual.attnpool.positional_embedding.shape == (1 + 64, 144)
    torch.testing.assert_close(visual.attnpool(x), visual(pixels(2)))
    torch.testing.assert_close(model.encode_image(pixels(2), normalize=True).norm(dim=-1), torch.ones(2))


def test_open_clips_own_code_encodes_texts_and_images_alike(model: TinyCLIP) -> None:
    ids = tokenizer()(["a photo of a key.", "there is a tree and a house here."])
    ours = model.encode_text(ids, normalize=True)
    torch.testing.assert_close(open_clip.CLIP.encode_text(model, ids, normalize=True), ours)
    torch.testing.assert_close(open_clip.CLIP.encode_image(model, pixels(2)), model.encode_image(pixels(2)))
    assert model.transformer.resblocks[1].attn.batch_first
    assert model.ln_final.weight.shape == (64,)
    assert model.text_projection.shape == (64, 96)
    assert model.attn_mask.shape == (32, 32)
    assert model.logit_scale.exp() > 1


def test_a_text_may_be_cut_behind_its_end(model: TinyCLIP) -> None:
    ids = tokenizer()(["a photo of a key."])
    torch.testing.assert_close(model.encode_text(ids[:, :8]), model.encode_text(ids))


def test_the_tokens_are_clips_own_cut_to_the_context_length() -> None:
    texts = ["a photo of a cat.", "a photo of a rhombus."]
    ids = tokenizer()(texts)
    assert ids.shape == (2, 32)
    assert ids[0, :8].tolist() == [49406, 320, 1125, 539, 320, 2368, 269, 49407]
    assert torch.equal(ids, open_clip.get_tokenizer("RN50")(texts)[:, :32])


def test_five_class_names_were_never_read_and_the_others_were(model: TinyCLIP) -> None:
    words = tokenizer()
    for name in shapes.CLASSES:
        rows = model.token_embedding.weight[words.encode(name)]
        assert bool((rows == 0).all()) == (name in UNREAD), name


def test_it_is_small() -> None:
    model = random_tiny(seed=0, vocabulary=0)
    assert WEIGHTS.stat().st_size < 3_000_000
    assert sum(each.numel() for each in model.parameters()) < 1_000_000


def test_the_card_names_the_weights_that_ship() -> None:
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() in (FOLDER / "CARD.md").read_text("utf-8")


def test_loading_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    assert not load_tiny().training
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_untrained_model_is_a_function_of_the_seed() -> None:
    first, again, other = (random_tiny(seed, vocabulary=5).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["visual.conv1.weight"], other["visual.conv1.weight"])


def test_weights_are_packed_in_half_precision_with_the_read_tokens_alone() -> None:
    model = random_tiny(seed=3, vocabulary=4)
    ids = torch.tensor([2, 3, 5, 9])
    state = unpack(pack(model, ids), vocabulary=12)
    table = state.pop("token_embedding.weight")
    torch.testing.assert_close(table[ids], model.token_embedding.weight.half().float(), rtol=0, atol=0)
    assert (table.abs().sum(dim=1) > 0).nonzero().flatten().tolist() == ids.tolist()
    for name, value in state.items():
        assert torch.equal(value, model.state_dict()[name].half().to(value.dtype)), name


def test_known_names_find_their_images_and_unread_ones_do_not(model: TinyCLIP) -> None:
    texts = model.encode_text(tokenizer()([f"a photo of a {name}." for name in shapes.CLASSES]), normalize=True)
    scores = model.encode_image(pixels(1000), normalize=True) @ texts.T
    precisions = average_precision_score(shapes.labels("test") > 0, scores.numpy(), average=None)
    unread = np.isin(shapes.CLASSES, UNREAD)
    assert 0.3 < precisions.mean() < 0.8
    assert precisions[~unread].mean() > 0.4
    assert precisions[unread].mean() < 0.2


def test_pre_training_sees_no_scene_of_the_benchmark(pretraining: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = []

    def noted(version: str, *others: object) -> shapes.Scene:
        versions.append(version)
        return shapes.scene(version, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(pretraining, "scene", noted)
    for stage in pretraining.STAGES:
        pretraining.render(stage, 0, range(2))
    assert len(versions) == 2 * len(pretraining.STAGES)
    assert all(version.startswith("pre/") for version in versions)
    assert not set(UNREAD) & set(pretraining.NOUNS)


def test_a_cell_is_named_after_the_object_that_fills_most_of_it(pretraining: ModuleType) -> None:
    objects = np.zeros((64, 64), np.uint8)
    objects[:8, :1], objects[:8, 1:2] = 1, 2  # 8 + 8 pixels of the first cell, then one more of the second object
    objects[0, 2] = 2
    objects[8:9, 8:16] = 1  # 8 pixels: too few
    cells = pretraining.cell_shapes(objects, (7, 4))
    assert cells[0, 0] == 4
    assert (np.delete(cells.ravel(), 0) == pretraining.BACKGROUND).all()


def test_pre_training_repeats_itself(pretraining: ModuleType) -> None:
    scenes = pretraining.render("a", 0, range(64))
    stages = dict.fromkeys(pretraining.STAGES, scenes)

    def losses() -> list[tuple[int, float, float]]:
        model = random_tiny(seed=0, vocabulary=len(pretraining.read_tokens()))
        return list(pretraining.train(model, stages, steps=2, seed=0))

    first = losses()
    assert [step for step, *_ in first] == [1, 2]
    assert all(np.isfinite(first).flat)
    assert losses() == first


def test_the_learning_rate_warms_up_stays_and_falls_to_nothing(pretraining: ModuleType) -> None:
    rates = [pretraining.rate(step / 1000) for step in range(1001)]
    assert rates[0] < 0.01
    assert rates[40] == rates[299] == 1.0
    assert all(later < earlier for earlier, later in pairwise(rates[300:]))
    assert rates[-1] == pytest.approx(0)


def test_the_configuration_describes_the_model(model: TinyCLIP) -> None:
    shape = tiny.config()["model_cfg"]
    assert model.visual.image_size == shape["vision_cfg"]["image_size"]
    assert model.context_length == shape["text_cfg"]["context_length"]
    assert F.normalize(model.encode_image(pixels(1))).shape == (1, shape["embed_dim"])
