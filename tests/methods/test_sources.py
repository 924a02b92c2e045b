"""Towers are checked by name before anything is loaded: what is unusable is refused, what isn't here is named."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import open_clip
import pytest
import torch

from pmll_methods.method import MethodError
from pmll_methods.registry import find
from pmll_methods.towers import sources
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.cnn import load_trunk
from pmll_methods.towers.sources import clip_sources, trunk_sources
from pmll_methods.towers.weights import official_name, tower_identity, words_path

HF_NAMES = [
    name
    for name in open_clip.list_models()
    if "hf_tokenizer_name" in open_clip.get_model_config(name)["text_cfg"] and not name.startswith("coca")
]


@pytest.fixture(autouse=True)
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights on this machine."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(sources, "try_to_load_from_cache", lambda repository, file: None)


def hint_of(error: pytest.ExceptionInfo[MethodError]) -> str:
    return str(error.value.hint)


@pytest.mark.parametrize("name", ["resnet101", "timm:resnet50", "mobilenetv3_large_100"])
def test_a_cnn_given_to_a_clip_method_is_shown_the_way(name: str) -> None:
    with pytest.raises(MethodError, match="is a CNN without a text encoder") as caught:
        clip_sources(name, None, 224)
    assert "--set tower=RN101:openai" in hint_of(caught)
    assert "bce" in hint_of(caught)
    with pytest.raises(MethodError, match="is a CNN without a text encoder"):
        load_clip(name)


def test_a_clip_given_to_a_cnn_method_is_shown_the_way() -> None:
    with pytest.raises(MethodError, match="unknown trunk 'RN101:openai'") as caught:
        trunk_sources("RN101:openai", None, 448)
    assert "--set tower=clip:RN101:openai" in hint_of(caught)


def test_names_of_a_hub_are_refused_with_the_reason() -> None:
    for look in (lambda: clip_sources("hf-hub:timm/some", None, 224), lambda: load_clip("hf-hub:timm/some")):
        with pytest.raises(MethodError, match="the content of a repository may change") as caught:
            look()
        assert "local-dir:FOLDER" in hint_of(caught)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ViT-B/32:openai", "ViT-B-32:openai"),
        ("ViT-L/14:openai", "ViT-L-14:openai"),
        ("ViT-L/14@336px:openai", "ViT-L-14-336:openai"),
        ("RN50x4:openai", "RN50x4:openai"),
        ("local-dir:some/ViT-like/folder", "local-dir:some/ViT-like/folder"),
    ],
)
def test_names_as_openai_writes_them_are_understood(given: str, meant: str) -> None:
    assert official_name(given) == meant
    if not given.startswith("local-dir:"):
        assert clip_sources(given, None, 224) == clip_sources(meant, None, 224)
        assert tower_identity(given, None) == tower_identity(meant, None) == meant
        assert tower_identity(f"clip:{given}", None) == f"clip:{meant}"
        assert words_path(given) is None


def test_there_are_names_with_a_hugging_face_tokenizer() -> None:
    assert len(HF_NAMES) >= 48


@pytest.mark.parametrize("name", HF_NAMES)
def test_a_hugging_face_tokenizer_needs_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda package: None)
    with pytest.raises(MethodError, match=f"the tokenizer of {name} needs transformers") as caught:
        clip_sources(name, "random", 224)
    assert "pmll-bench[hf]" in hint_of(caught)


def test_a_hugging_face_tokenizer_is_downloaded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda package: importlib.util.find_spec("json"))
    tokenizer, weights = clip_sources("xlm-roberta-base-ViT-B-32:laion5b_s13b_b90k", None, 224)
    assert tokenizer.what == "the tokenizer of xlm-roberta-base-ViT-B-32"
    assert "xlm-roberta-base" in tokenizer.url
    assert weights.what == "the weights laion5b_s13b_b90k of xlm-roberta-base-ViT-B-32"


@pytest.mark.parametrize(
    ("look", "tower", "side"),
    [
        (clip_sources, "MobileCLIP-B:datacompdr", 224),
        (clip_sources, "ViTamin-S:datacomp1b", 224),
        (clip_sources, "vit_medium_patch16_gap_256", 256),
        (trunk_sources, "vit_base_patch16_224", 224),
        (trunk_sources, "timm:vit_base_patch16_384", 384),
        (trunk_sources, "swin_base_patch4_window7_224", 224),
    ],
)
def test_a_tower_that_sees_one_size_alone_is_refused_at_another(look: object, tower: str, side: int) -> None:
    assert callable(look)
    with pytest.raises(MethodError, match=f"supports only images of {side} pixels, the recipe has 448") as caught:
        look(tower, "random", 448)
    assert hint_of(caught) == f"--set recipe.resolution={side}"
    look(tower, "random", side)


@pytest.mark.parametrize("tower", ["ViT-B-32:openai", "convnext_base:laion400m_s13b_b51k", "RN50:openai"])
def test_other_image_halves_see_any_size(tower: str) -> None:
    clip_sources(tower, "random", 448)


def test_a_folder_is_looked_at_as_well(tmp_path: Path) -> None:
    shape = {"vision_cfg": {"timm_model_name": "vit_base_patch16_224", "image_size": 224}, "text_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": shape}))
    with pytest.raises(MethodError, match="only images of 224 pixels"):
        clip_sources(f"local-dir:{tmp_path}", None, 448)
    assert clip_sources(f"local-dir:{tmp_path}", None, 224) == ()


@pytest.mark.parametrize(
    ("tower", "what", "host"),
    [
        ("RN101:openai", "the weights openai of RN101", "huggingface.co"),
        ("RN50:yfcc15m", "the weights yfcc15m of RN50", ""),
    ],
)
def test_weights_that_are_not_here_are_named_with_their_address(tower: str, what: str, host: str) -> None:
    (source,) = clip_sources(tower, None, 224)
    assert source.what == what
    assert source.url.startswith("https://")
    assert host in source.url
    assert "--set weights=PATH" in source.hint


def test_a_cnn_has_its_address_and_is_found_once_it_is_there(tmp_path: Path) -> None:
    (source,) = trunk_sources("resnet101", None, 448)
    assert source.url == "https://download.pytorch.org/models/resnet101-63fe2227.pth"
    assert source.what == "the weights IMAGENET1K_V1 of resnet101"
    path = Path(torch.hub.get_dir()) / "checkpoints" / "resnet101-63fe2227.pth"
    assert str(path) in source.hint
    path.parent.mkdir(parents=True)
    path.touch()
    assert trunk_sources("resnet101", None, 448) == ()


def test_weights_of_timm_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = trunk_sources("timm:resnet50.a1_in1k", None, 224)
    assert "timm/resnet50.a1_in1k" in source.url
    monkeypatch.setattr(sources, "try_to_load_from_cache", lambda repository, file: "/some/where")
    assert trunk_sources("timm:resnet50.a1_in1k", None, 224) == ()
    assert clip_sources("RN101:openai", None, 224) == ()
    with pytest.raises(MethodError, match=r"timm has no weights resnet50\.mine") as caught:
        trunk_sources("timm:resnet50.mine", None, 224)
    assert "a1_in1k" in hint_of(caught)


@pytest.mark.parametrize("weights", ["random", "/some/file.pt"])
def test_given_weights_are_not_downloaded(weights: str) -> None:
    assert clip_sources("RN101:openai", weights, 224) == trunk_sources("resnet101", weights, 224) == ()


@pytest.mark.parametrize(
    "name",
    ["googlenet", "inception_v3", "mnasnet0_5", "regnet_y_400mf", "shufflenet_v2_x0_5", "swin_t", "vit_b_16"],
)
@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
def test_networks_without_a_feature_map_are_refused_by_name_as_on_loading(name: str) -> None:
    for look in (lambda: trunk_sources(name, "random", 224), lambda: load_trunk(name, "random")):
        with pytest.raises(MethodError, match=f"torchvision's {name} has no plain feature map") as caught:
            look()
        assert "--set tower=timm:" in hint_of(caught)


@pytest.mark.parametrize("name", ["mobilenet_v2", "squeezenet1_1", "resnext50_32x4d", "vgg11", "densenet121"])
def test_networks_with_a_feature_map_are_taken(name: str) -> None:
    assert trunk_sources(name, "random", 448) == ()


def test_tiny_needs_nothing() -> None:
    assert clip_sources("tiny", None, 64) == trunk_sources("tiny", None, 64) == ()


@pytest.mark.parametrize(
    ("method", "changes", "what"),
    [
        ("bce", {}, "resnet101"),
        ("dualcoop", {}, "RN101"),
        ("bce", {"tower": "clip:RN101:openai"}, "RN101"),
        ("linear-probe", {}, "resnet101"),
    ],
)
def test_methods_say_what_their_tower_needs(method: str, changes: dict[str, str], what: str) -> None:
    kind = find(method)
    needed = kind.cls.tower_sources(kind.settings_class(**changes), kind.card.tracks["paper"].recipe)  # type: ignore[attr-defined]
    assert [source.what.rsplit(" ", 1)[-1] for source in needed] == [what]
