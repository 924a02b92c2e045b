"""Check the name of a tower before it is loaded, and list the files that must be downloaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
from huggingface_hub import hf_hub_url, try_to_load_from_cache
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torchvision import models

from pmll_errors import nearest

from ..method import MethodError
from .weights import CONFIG, HUB, LOCAL_DIR, TIMM, Source, official_name, split_tag

DEFAULT_WEIGHTS = "IMAGENET1K_V1"  # the initial weights of the released ResNet-101 methods
MAPLESS = (
    "vit_",
    "swin_",
    "maxvit",
    "regnet_",
    "googlenet",
    "inception",
    "mnasnet",
    "shufflenet",
)  # torchvision networks without a plain feature map
OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
TIMM_FILES = ("model.safetensors", "pytorch_model.bin")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def clip_sources(tower: str, weights: str | None, resolution: int) -> tuple[Source, ...]:
    """The files that must be downloaded before `load_clip` can load a tower for images of `resolution` pixels.

    Raises `MethodError` for an unknown or unsupported name, for a Hugging Face tokenizer if `transformers` is not
    installed, and for a resolution that the tower does not support.
    """
    tower = official_name(tower)
    refuse_hub(tower)
    if tower == "tiny":
        return ()
    if tower.startswith(LOCAL_DIR) or tower.endswith(".json"):
        _check_shape(tower, local_config(tower)["model_cfg"], resolution)
        return ()
    name, tag = split_tag(tower)
    config = published_config(name)
    _check_shape(tower, config, resolution)
    tokenizer = config["text_cfg"].get("hf_tokenizer_name")
    needed = (
        _on_hub(f"the tokenizer of {name}", tokenizer, TOKENIZER_FILES, "load it once with network access"),
        _published_weights(name, tag) if weights is None else None,
    )
    return tuple(source for source in needed if source is not None)


def trunk_sources(tower: str, weights: str | None, resolution: int) -> tuple[Source, ...]:
    """The files that must be downloaded before `load_trunk` can load a trunk for images of `resolution` pixels.

    Raises `MethodError` for an unknown name or tag, and for a resolution that the trunk does not support.
    """
    if tower == "tiny":
        return ()
    name, tag = split_tag(tower)
    if name in models.list_models(module=models):
        if name.startswith(MAPLESS):
            raise mapless(name)
        url = torchvision_url(name, tag or DEFAULT_WEIGHTS)
        path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
        hint = f"download {url} to {path}, or give a file: --set weights=PATH"
        missing = weights is None and not path.is_file()
        return (Source(f"the weights {tag or DEFAULT_WEIGHTS} of {name}", url, hint),) if missing else ()
    refuse_unknown_trunk(tower)
    config = _timm_config(tower.removeprefix(TIMM))
    _check_timm_size(tower, config, resolution)
    if weights is not None or config is None:
        return ()
    hint = "download them with network access, and give the file: --set weights=PATH"
    found = _on_hub(f"the weights of timm's {tower.removeprefix(TIMM)}", config.hf_hub_id, TIMM_FILES, hint)
    return () if found is None else (found,)


def refuse_hub(tower: str) -> None:
    """Refuse `hf-hub:` names: the content of a repository may change, so its name cannot identify a tower."""
    if tower.startswith(HUB):
        raise MethodError(
            f"{tower}: the content of a repository may change",
            hint="download its files and give their folder: --set tower=local-dir:FOLDER",
        )


def published_config(name: str) -> dict[str, Any]:
    """open_clip's configuration of an architecture. Raises `MethodError` with the nearest name if it is unknown."""
    config: dict[str, Any] | None = open_clip.get_model_config(name)
    if config is not None:
        return config
    if name in models.list_models(module=models) or timm.is_model(name.removeprefix(TIMM)):
        raise MethodError(
            f"{name} is a CNN without a text encoder",
            hint="use a CLIP model, such as --set tower=RN101:openai, or a method of the CNN family, such as bce",
        )
    hint = nearest(name, open_clip.list_models(), "give an open_clip name, local-dir:FOLDER or tiny")
    raise MethodError(f"unknown image-text model {name!r}", hint=hint)


def check_tag(name: str, tag: str | None) -> None:
    """Refuse a missing tag, or one for which open_clip has no weights. The error lists the available tags."""
    tags = list_pretrained_tags_by_model(name)
    if tag not in tags:
        hint = f"give one of: {', '.join(f'{name}:{known}' for known in tags)}; or a file: --set weights=PATH"
        raise MethodError(f"{name} has no published weights {tag!r}" if tag else f"{name} needs weights", hint=hint)


def torchvision_url(name: str, tag: str) -> str:
    """The URL of torchvision's weights. Raises `MethodError` for an unknown tag."""
    known = models.get_model_weights(name).__members__
    if tag not in known:
        raise MethodError(f"torchvision has no weights {tag!r} for {name}", hint=f"available: {', '.join(known)}")
    url: str = known[tag].url
    return url


def mapless(name: str) -> MethodError:
    """The error for a torchvision network without a plain feature map."""
    hint = "use timm's version: --set tower=timm:NAME, such as timm:vit_base_patch16_224"
    return MethodError(f"torchvision's {name} has no plain feature map", hint=hint)


def refuse_unknown_trunk(tower: str) -> None:
    """Refuse a name that is unknown to torchvision and timm. The hint names the nearest one or a CLIP image encoder."""
    if timm.is_model(tower.removeprefix(TIMM)):
        return
    if open_clip.get_model_config(split_tag(tower)[0]) is not None:
        hint = f"{tower} is an image-text model; use its image encoder with --set tower=clip:{tower}"
        raise MethodError(f"unknown trunk {tower!r}", hint=hint)
    known = [*models.list_models(module=models), *timm.list_models()]
    hint = nearest(tower, known, "give a torchvision or timm name, tiny, or clip:NAME")
    raise MethodError(f"unknown trunk {tower!r}", hint=hint)


def refuse_coca(shape: Mapping[str, Any]) -> None:
    """Refuse the configuration of a model that writes captions."""
    if "multimodal_cfg" in shape:
        raise MethodError("CoCa models are not supported", hint="use a CLIP model")


def local_config(tower: str) -> dict[str, Any]:
    """A configuration on disk, from `local-dir:FOLDER` or a file, with `model_cfg` and `preprocess_cfg`.

    Raises `MethodError` if it is missing or damaged.
    """
    folder = Path(tower.removeprefix(LOCAL_DIR)).expanduser()
    path = folder if tower.endswith(".json") else folder / CONFIG
    if not path.is_file():
        raise MethodError(f"no model configuration at {path}", hint="see the setting `tower`")
    hint = "give open_clip's configuration of the model"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MethodError(f"the model configuration is damaged: {error}", where=str(path), hint=hint) from error
    shape = config.get("model_cfg", config) if isinstance(config, dict) else None
    if not isinstance(shape, dict) or not all(isinstance(shape.get(half), dict) for half in ("vision_cfg", "text_cfg")):
        raise MethodError("the model configuration has no vision_cfg or no text_cfg", where=str(path), hint=hint)
    return {"model_cfg": shape, "preprocess_cfg": config.get("preprocess_cfg", {})}


def _check_shape(tower: str, shape: Mapping[str, Any], resolution: int) -> None:
    """Refuse towers that cannot be loaded or do not support the resolution."""
    refuse_coca(shape)
    if shape["text_cfg"].get("hf_tokenizer_name") and find_spec("transformers") is None:
        raise MethodError(f"the tokenizer of {tower} needs transformers", hint="pip install 'pmll-bench[hf]'")
    vision = shape["vision_cfg"]
    if "timm_model_name" in vision:
        _check_timm_size(tower, _timm_config(vision["timm_model_name"]), resolution, vision.get("image_size"))


def _check_timm_size(tower: str, config: Any, resolution: int, size: int | None = None) -> None:
    if config is None or not config.fixed_input_size:
        return
    side = size or config.input_size[-1]
    if resolution != side:
        raise MethodError(
            f"{tower} supports only images of {side} pixels, the recipe has {resolution}",
            hint=f"--set recipe.resolution={side}",
        )


def _timm_config(name: str) -> Any:
    """timm's configuration of an architecture, with or without a tag of weights; None if it has none."""
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        architecture = name.partition(".")[0]
        known = ", ".join(timm.list_pretrained(f"{architecture}.*")) or "none"
        raise MethodError(f"timm has no weights {name}", hint=f"available: {known}") from error


def _published_weights(name: str, tag: str | None) -> Source | None:
    """open_clip's weights; None if they are on this machine."""
    check_tag(name, tag)
    entry = get_pretrained_cfg(name, tag)
    what, hint = (
        f"the weights {tag} of {name}",
        "download them with network access, or give a file: --set weights=PATH",
    )
    if entry.get("hf_hub"):
        repository, _, file = entry["hf_hub"].rpartition("/")
        names = (f"{file.rpartition('.')[0]}.safetensors", file) if file else OPEN_CLIP_FILES
        return _on_hub(what, repository, names, hint)
    here = Path("~/.cache/clip").expanduser() / entry["url"].rsplit("/", 1)[-1]
    return None if here.is_file() else Source(what, entry["url"], hint)


def _on_hub(what: str, repository: str | None, files: Sequence[str], hint: str) -> Source | None:
    """A file of a hub repository, which may have any of these names; None if one of them is cached."""
    if not repository or any(isinstance(try_to_load_from_cache(repository, file), str) for file in files):
        return None
    return Source(what, hf_hub_url(repository, files[0]), hint)
