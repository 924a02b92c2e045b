"""The embedded tower `tiny`: a pretrained CLIP model of 1.7 MB for the 64-pixel scenes of `shapes`, see `CARD.md`.

Its input is `pixels / 127.5 - 1`. Texts are tokenised by CLIP's tokenizer, `tokenizer()`. The file contains only the
embeddings of tokens seen in pretraining; all others are zero, so any text can be encoded and unseen words have no
effect.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import torch
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import load, save
from torch import Tensor

from .model import TinyCLIP

__all__ = ["TinyCLIP", "config", "load_tiny", "pack", "random_tiny", "tokenizer", "unpack"]

TABLE = "token_embedding.weight"


def config() -> dict[str, Any]:
    """The configuration of the model and of its input, in the format of an `open_clip_config.json`."""
    read: dict[str, Any] = json.loads(files(__name__).joinpath("open_clip_config.json").read_text("utf-8"))
    return read


def tokenizer() -> SimpleTokenizer:
    """CLIP's tokenizer, truncated to the model's context length."""
    return SimpleTokenizer(context_length=config()["model_cfg"]["text_cfg"]["context_length"])


def random_tiny(seed: int, vocabulary: int | None = None) -> TinyCLIP:
    """The untrained model, in training mode; a function of the seed and of the size of its vocabulary."""
    cfg = config()["model_cfg"]
    if vocabulary is not None:
        cfg["text_cfg"]["vocab_size"] = vocabulary
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TinyCLIP(**cfg)


def load_tiny() -> TinyCLIP:
    """The pretrained model, fp32 on the CPU, in evaluation mode."""
    model = random_tiny(seed=0)
    model.load_state_dict(unpack(files(__name__).joinpath("weights.safetensors").read_bytes(), model.vocab_size))
    return model.eval()


def pack(model: TinyCLIP, token_ids: Tensor) -> bytes:
    """The weights as a safetensors file in fp16; row k of the model's token table belongs to token `token_ids[k]`."""
    state = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    rows = state.pop(TABLE)
    packed: bytes = save({**state, "token_rows": rows, "token_ids": token_ids})
    return packed


def unpack(packed: bytes, vocabulary: int) -> dict[str, Tensor]:
    """The inverse of `pack`: a state dict in fp32 with a row for every token; rows that were not stored are zero."""
    state = {name: value.float() if value.is_floating_point() else value for name, value in load(packed).items()}
    rows = state.pop("token_rows")
    state[TABLE] = torch.zeros(vocabulary, rows.shape[1]).index_copy(0, state.pop("token_ids"), rows)
    return state
