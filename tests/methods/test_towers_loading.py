"""Where towers come from: names, folders and files; what is refused, and what identifies a tower."""

from __future__ import annotations

import copy
import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pmll_methods.method import MethodError
from pmll_methods.towers import clip
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.weights import content_digest, tower_identity
from small_clips import VIT, close, images, small_clip, tower_of


def test_towers_of_different_weights_have_different_digests() -> None:
    model = small_clip(VIT)
    first = tower_of(copy.deepcopy(model)).digest
    assert tower_of(copy.deepcopy(model)).digest == first
    model.logit_scale.data += 1
    assert tower_of(model).digest != first


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(clip, "download_pretrained", refuse)
    load_clip.cache_clear()


@pytest.mark.usefixtures("no_network")
def test_weights_that_cannot_be_downloaded_are_named_with_what_to_do() -> None:
    with pytest.raises(MethodError, match="weights openai of RN50 could not be downloaded: no route to host") as caught:
        load_clip("RN50:openai")
    assert caught.value.hint is not None
    assert "RN50.pt" in caught.value.hint
    assert "--set weights=PATH" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "weights", "message", "hint"),
    [
        ("RN-101:openai", None, "unknown image-text model 'RN-101'", "did you mean 'RN101'"),
        ("RN101", None, "RN101 needs weights", "RN101:openai, RN101:yfcc15m; or a file: --set weights=PATH"),
        ("RN101:openia", None, "RN101 has no published weights 'openia'", "RN101:openai"),
        ("RN101:openai", "nowhere/RN101.pt", "no weights at nowhere/RN101.pt", "weights is a file or `random`"),
        ("RN101", "openai", "no weights at openai", "tower=RN101:openai"),
        ("local-dir:nowhere", None, "no model configuration at nowhere/open_clip_config.json", "tower"),
        ("tiny", "openai", "for tiny", "do not set"),
    ],
)
def test_what_cannot_be_loaded_says_what_to_give(name: str, weights: str | None, message: str, hint: str) -> None:
    with pytest.raises(MethodError, match=re.escape(message)) as caught:
        load_clip(name, weights)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "the model configuration is damaged"), ("[]", "no vision_cfg"), ('{"vision_cfg": {}}', "no text_cfg")],
)
def test_a_damaged_model_configuration_is_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(content)
    with pytest.raises(MethodError, match=message) as caught:
        load_clip(str(path), "random")
    assert caught.value.where == str(path)


def saved_as(kind: str, model: Any, path: Path) -> Path:
    """The weights of a model as a file of a kind that is in use."""
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if kind == "safetensors":
        save_file(state, path.with_suffix(".safetensors"))
        return path.with_suffix(".safetensors")
    if kind == "torchscript":
        holder = nn.Module()
        for name, tensor in {**state, "input_resolution": torch.tensor(64)}.items():
            *parents, last = name.split(".")
            place = holder
            for parent in parents:
                if not hasattr(place, parent):
                    place.add_module(parent, nn.Module())
                place = getattr(place, parent)
            place.register_buffer(last, tensor.half() if tensor.is_floating_point() else tensor)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.script(holder), path.with_suffix(".pt"))
        return path.with_suffix(".pt")
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


@pytest.mark.parametrize("kind", ["safetensors", "training checkpoint", "torchscript"])
def test_a_file_of_each_kind_in_use_is_read(kind: str, tmp_path: Path) -> None:
    model = small_clip(VIT)
    config = tmp_path / "small.json"
    config.write_text(
        json.dumps({"embed_dim": 24, "vision_cfg": VIT, "text_cfg": {"width": 32, "heads": 4, "layers": 3}})
    )
    tower = load_clip(str(config), str(saved_as(kind, model, tmp_path / "weights")))
    assert not any(parameter.dtype != torch.float32 for parameter in tower.model.parameters())
    close(tower.pooled(images(64)), model.encode_image(images(64)).detach(), 3e-3 if kind == "torchscript" else 5e-6)


def test_a_file_with_code_in_it_is_refused(tmp_path: Path) -> None:
    torch.save({"a": print}, tmp_path / "weights.pt")
    with pytest.raises(MethodError, match="not a weights file"):
        load_clip("RN50", str(tmp_path / "weights.pt"))


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    save_file({"logit_scale": torch.tensor(1.0)}, tmp_path / "weights.safetensors")
    with pytest.raises(MethodError, match="do not fit the model: Missing key") as caught:
        load_clip("RN50", str(tmp_path / "weights.safetensors"))
    assert len(caught.value.what) < 200


@pytest.mark.parametrize("tower", ["resnet101", "RN101:openai", "timm:resnet50.a1_in1k"])
def test_a_published_tower_is_identified_by_name(tower: str) -> None:
    assert tower_identity(tower, None) == tower


def test_local_weights_are_identified_by_content_wherever_they_lie(tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "w.pt", tmp_path / "b" / "v.pt"
    for path in (one, other):
        path.parent.mkdir()
        path.write_bytes(b"weights")
    assert tower_identity("RN101:openai", str(one)) == tower_identity("RN101", str(other))
    assert tower_identity("RN101", str(one)) != tower_identity("RN50", str(one))
    other.write_bytes(b"others!")
    assert tower_identity("RN101", str(one)) != tower_identity("RN101", str(other))
    with pytest.raises(MethodError, match="no weights at"):
        tower_identity("RN101", str(tmp_path / "c.pt"))


def test_a_folder_is_identified_by_all_that_is_loaded_from_it(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(MethodError, match="expected one weights file, found none"):
        content_digest(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = tower_identity(f"local-dir:{tmp_path}", None)
    (tmp_path / "README.md").write_text("not loaded")
    assert tower_identity(f"local-dir:{tmp_path}", None) == before
    (tmp_path / "open_clip_config.json").write_text('{"model_cfg": {}}')
    assert tower_identity(f"local-dir:{tmp_path}", None) != before
    with pytest.raises(MethodError, match="no such file or folder"):
        tower_identity(f"local-dir:{tmp_path / 'nowhere'}", None)
