"""The GPUs of `run --launcher local --gpus`: which there are, and what the process of a slot sees of them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from ...errors import ConfigError, UsageError
from ...machine import gpus

OPTION = "--gpus"
VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
VALID = r"\d+|GPU-[0-9A-Za-z-]+|MIG-[0-9A-Za-z/-]+"


def check_ids(asked: Sequence[str]) -> None:
    """Raise `UsageError` for ids that no GPU can have, and for repeated ids."""
    for name, count in Counter(asked).items():
        if not re.fullmatch(VALID, name):
            hint = "write numbers or UUIDs as 'nvidia-smi -L' shows them: --gpus 0 1"
            raise UsageError(f"invalid GPU {name!r}", where=OPTION, hint=hint)
        if count > 1:
            hint = "for several slots on one GPU, add --slots N"
            raise UsageError(f"{_called(name)} is given {count} times", where=OPTION, hint=hint)


def check_present(asked: Sequence[str]) -> None:
    """Raise `ConfigError` for GPUs that this process may not use.

    If the variable CUDA_VISIBLE_DEVICES is set, they must be in it, written as there. Otherwise numbers are those of
    nvidia-smi; whether there is a GPU with a UUID is found out by its slot.
    """
    if not (number := gpus()):
        raise ConfigError("there is no GPU", where=OPTION, hint="leave out --gpus to use the CPU")
    listed = os.environ.get(VISIBLE)
    here = [str(each) for each in range(number)] if listed is None else [each.strip() for each in listed.split(",")]
    for name in asked:
        if name not in here and (listed is not None or name.isdecimal()):
            known = f"{VISIBLE} allows: {listed}" if listed is not None else f"available: {', '.join(here)}"
            raise ConfigError(f"{_called(name)} is not available", where=OPTION, hint=known)


def variables(gpu: str) -> Mapping[str, str]:
    """The environment variables by which a process sees one GPU alone, as "cuda".

    Numbers are made to mean the order of nvidia-smi, unless the user's environment has given them a meaning already.
    """
    decided = VISIBLE in os.environ or ORDER in os.environ
    return {VISIBLE: gpu} if decided else {VISIBLE: gpu, ORDER: "PCI_BUS_ID"}


def check_seen(gpu: str) -> None:
    """Raise `ConfigError` if the process of a slot does not see its GPU."""
    if not gpus():
        raise ConfigError(f"{_called(gpu)} is not available", where=OPTION, hint="see 'nvidia-smi -L'")


def _called(gpu: str) -> str:
    """A GPU in messages: "GPU 0", or its UUID, which begins with such a word."""
    return f"GPU {gpu}" if gpu.isdecimal() else gpu
