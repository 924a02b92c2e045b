"""Load CLIP towers: open_clip models by name, folder or file, and the embedded `tiny`. Both encoders are frozen."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from textwrap import shorten
from typing import Any

import open_clip
import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from open_clip.pretrained import download_pretrained, get_pretrained_cfg, list_pretrained_tags_by_model
from torch import Tensor

from ..method import MethodError
from .clip_tower import ClipTower, Tokenize, clip_tower
from .embedded import embedded
from .sources import check_tag, local_config, published_config, refuse_coca, refuse_hub
from .state import content_summary, read_state
from .tiny import tokenizer as tiny_tokenizer
from .weights import LOCAL_DIR, RANDOM, folder_weights, official_name, split_tag, weights_file

RELEASE_EXTRAS = ("input_resolution", "context_length", "vocab_size")  # stored next to the weights in OpenAI's archives


@lru_cache(maxsize=4)
def load_clip(name: str, weights: str | None = None) -> ClipTower:
    """A frozen image-text model.

    `name` is an open_clip name with a tag of published weights (`RN101:openai`), `local-dir:FOLDER` with a
    configuration and weights, the path of a configuration file, or `tiny`. `weights` is a file or `random` (from a
    fixed seed), instead of the weights of `name`. Calls with the same arguments return the same object. Raises
    `MethodError` for an unknown name, and for weights that do not fit or cannot be obtained.
    """
    name = official_name(name)
    refuse_hub(name)
    if name == "tiny":
        tiny, mean, std = embedded(weights)
        return clip_tower("tiny", tiny, tiny_tokenizer(), mean, std)
    if name.startswith(LOCAL_DIR) or name.endswith(".json"):
        return _local(name, weights)
    return _published(*split_tag(name), weights)


def _local(name: str, weights: str | None) -> ClipTower:
    """A model from a configuration on disk; a folder also contains the weights."""
    folder = Path(name.removeprefix(LOCAL_DIR)).expanduser()
    config = local_config(name)
    if weights is None and not folder.is_dir():
        raise MethodError(f"no weights for {folder}", hint="give a file: --set weights=PATH")
    shape, preprocess = config["model_cfg"], config["preprocess_cfg"]
    text = shape["text_cfg"]
    if text.get("hf_tokenizer_name"):
        tokenizer = _tokenizer(f"{LOCAL_DIR}{folder if folder.is_dir() else folder.parent}")
    else:
        options = {"context_length": text.get("context_length", 77), **text.get("tokenizer_kwargs", {})}
        tokenizer = open_clip.SimpleTokenizer(**options)
    model = _model(shape, folder_weights(folder) if weights is None else _given(weights))
    mean = preprocess.get("mean", open_clip.OPENAI_DATASET_MEAN)
    return clip_tower(name, model, tokenizer, mean, preprocess.get("std", open_clip.OPENAI_DATASET_STD))


def _published(name: str, tag: str | None, weights: str | None) -> ClipTower:
    """An open_clip model with published weights, weights from a file, or random weights."""
    config = published_config(name)
    tags = list_pretrained_tags_by_model(name)
    if weights is None:
        check_tag(name, tag)
    published = [get_pretrained_cfg(name, known) for known in ([tag] if tag in tags else tags)]
    if _agreed(published, "quick_gelu", default=False):
        config["quick_gelu"] = True  # open_clip itself would only warn that RN101 was trained with it
    model = _model(config, _downloaded(name, tag, published[0]) if weights is None else _given(weights))
    mean = _agreed(published, "mean", default=open_clip.OPENAI_DATASET_MEAN)
    std = _agreed(published, "std", default=open_clip.OPENAI_DATASET_STD)
    return clip_tower(name, model, _tokenizer(name), mean, std)


def _tokenizer(name: str) -> Tokenize:
    try:
        tokenizer: Tokenize = open_clip.get_tokenizer(name)
    except Exception as error:  # hub clients raise various classes
        raise MethodError(
            f"the tokenizer of {name} could not be obtained: {error}", hint="load it once with network access"
        ) from error
    return tokenizer


def _given(weights: str) -> Path | None:
    """The file that the setting `weights` names; None for random weights."""
    return None if weights == RANDOM else weights_file(weights)


def _agreed(published: Sequence[Mapping[str, Any]], key: str, *, default: Any) -> Any:
    """The value that all published weights of an architecture share, which then holds for a file as well."""
    values = {entry.get(key, default) for entry in published}
    return values.pop() if len(values) == 1 else default


def _downloaded(name: str, tag: str | None, entry: Mapping[str, Any]) -> Path:
    try:
        return Path(download_pretrained(entry))
    except Exception as error:  # hub clients raise various classes
        source = entry.get("url") or f"the repository {entry.get('hf_hub')}"
        raise MethodError(
            f"the weights {tag} of {name} could not be downloaded: {error}",
            hint=f"download them from {source} and give the file: --set weights=PATH",
        ) from error


def _model(config: Mapping[str, Any], file: Path | None) -> Any:
    """open_clip's model for a configuration, with weights from a file or random weights."""
    shape = copy.deepcopy(dict(config))
    custom = shape.pop("custom_text", False) or "hf_model_name" in shape["text_cfg"]
    refuse_coca(shape)
    if "timm_model_name" in shape["vision_cfg"]:
        shape["vision_cfg"]["timm_model_pretrained"] = False
    if "hf_model_name" in shape["text_cfg"]:
        shape["text_cfg"]["hf_model_pretrained"] = False
    state = {} if file is None else read_state(file)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**shape)
    if file is not None:
        _load(model, state, where=str(file))
    return model


def _load(model: Any, tensors: Mapping[str, Tensor], where: str) -> None:
    state = {name: tensor for name, tensor in tensors.items() if name not in RELEASE_EXTRAS}
    state = convert_state_dict(model, state)
    if hasattr(model, "text"):
        state = convert_to_custom_text_state_dict(state)
    for scalar in ("logit_scale", "logit_bias"):
        if scalar in state:
            state[scalar] = state[scalar].reshape(getattr(model, scalar).shape)
    state.pop("text.transformer.embeddings.position_ids", None)  # in older files of Hugging Face text encoders
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = shorten(str(error).splitlines()[1], 100, placeholder=" ...")
        raise MethodError(
            f"the weights do not fit the model: {first}; {content_summary(tensors)}",
            where=where,
            hint="see the settings `tower` and `weights`",
        ) from error
