"""Read weights files as tensors by name. Errors describe the content of the file."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..method import MethodError

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Names under which training checkpoints keep the weights."""
PREFIXES = ("module.", "_orig_mod.")
"""Prefixes that torch's wrappers (data parallel, compiled) add to the names."""
MASK = "mask"
"""Part of the names of attention masks, the only tensors that may be infinite."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, floating-point ones in float32; no code in the file is run.

    Accepts safetensors, torch files (a state dict, or one under a name in `WRAPPERS`) and TorchScript archives, the
    format of CLIP's release. Raises `MethodError` for any other file, and for weights that are not finite.
    """
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _torch_state(path)
    except MethodError:
        raise
    except Exception as error:
        what = f"not a weights file: {_trouble(path, error)}"
        hint = "give safetensors or a torch state dict that loads with weights_only=True"
        raise MethodError(what, where=str(path), hint=hint) from error
    tensors = {_bare(name): value for name, value in state.items() if isinstance(value, Tensor)}
    _refuse_not_finite(tensors, path)
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def _trouble(path: Path, error: Exception) -> str:
    """The reason why a file cannot be read as weights."""
    with path.open("rb") as file:
        begin = file.read(2)
    if not begin:
        return "it is empty"
    if begin == b"PK" and not zipfile.is_zipfile(path):
        return "it is truncated"
    if path.suffix == ".npz":
        return "it is a NumPy archive"
    if isinstance(error, pickle.UnpicklingError) and "Unsupported global" in str(error):
        return "it contains a pickled model or other pickled objects"
    return type(error).__name__


def content_summary(tensors: Mapping[str, Tensor]) -> str:
    """The content of a file in words: the number of tensors, the first name, and the prefix that all names share."""
    if not tensors:
        return "the file contains no tensors"
    begins = {name.partition(".")[0] for name in tensors}
    common = f", all names begin with {begins.pop() + '.'!r}" if len(begins) == 1 and len(tensors) > 1 else ""
    return f"the file contains {len(tensors)} tensors{common}, the first is {next(iter(tensors))!r}"


def _bare(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _torch_state(path: Path) -> dict[str, Any]:
    if _is_torchscript(path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # TorchScript is deprecated, but published files use it
            return dict(torch.jit.load(path, map_location="cpu").state_dict())
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(loaded, Mapping):
        what = f"not a weights file: it contains a {type(loaded).__name__}, not tensors by name"
        raise MethodError(what, where=str(path), hint="save model.state_dict()")
    for name in WRAPPERS:
        if _is_state(loaded.get(name)):
            return dict(loaded[name])
    if not _is_state(loaded) or any(_is_state(value) for value in loaded.values()):
        raise _wrapped(path, loaded)
    return dict(loaded)


def _is_state(found: object) -> bool:
    """Whether an object maps names to tensors, possibly among other values."""
    return isinstance(found, Mapping) and any(isinstance(value, Tensor) for value in found.values())


def _wrapped(path: Path, loaded: Mapping[str, Any]) -> MethodError:
    """The error for a checkpoint with weights under an unknown name, or without weights."""
    states = [str(name) for name, value in loaded.items() if _is_state(value)]
    found = ", ".join(f"{name!r} ({len(loaded[name])} entries)" for name in states) or "none"
    there = ", ".join(repr(str(name)) for name in loaded) or "nothing"
    under = ", ".join(WRAPPERS)
    what = f"no weights at the top level or under {under}: the file contains {there}, tensors by name are in {found}"
    hint = f"save them as a separate file: torch.save(torch.load(FILE)[{states[0]!r}], NEW)" if states else None
    return MethodError(what, where=str(path), hint=hint)


def _refuse_not_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    wrong = [
        name
        for name, value in tensors.items()
        if value.is_floating_point() and MASK not in name and not bool(torch.isfinite(value).all())
    ]
    if wrong:
        what = f"NaN or infinite weights in {len(wrong)} of {len(tensors)} tensors, the first is {wrong[0]}"
        raise MethodError(what, where=str(path), hint="the training that made them diverged, or the file is damaged")


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
