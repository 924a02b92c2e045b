"""The slots of the local launcher: the device of each, and its share of cores and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...machine import choose_device, cores, gpus, usual_workers
from ...running.execution import Execution
from .gpus import check_present

MOST = 8  # slots at most by default: each has its own towers and images in memory


def slots_here(
    slots: int | None,
    device: str | None,
    threads: int | None,
    chosen_gpus: Sequence[str] = (),
    *,
    workers: int | None = None,
) -> tuple[Execution, ...]:
    """The device of each slot and its share of the cores.

    By default there is one slot per GPU, or as many slots as the cores allow. "cuda" means every GPU, assigned in
    turn; "cuda:1" means that GPU alone. With `chosen_gpus`, each slot sees one of these alone, assigned in turn. Raises
    `ConfigError` for a device that is not available.
    """
    if chosen_gpus:
        check_present(chosen_gpus)
        places = [Execution(device="cuda", gpu=gpu) for gpu in chosen_gpus]
    elif (chosen := choose_device(device)) == "cuda":
        places = [Execution(device=f"cuda:{number}") for number in range(gpus())]
    else:
        places = [Execution(device=chosen)]
    if slots is None:
        slots = max(1, min(MOST, cores() // (threads or 1))) if places[0].device == "cpu" else len(places)
    share = max(1, cores() // slots)
    threads, workers = threads or share, workers or usual_workers(share)
    memory = 1 / -(-slots // len(places))  # of its device
    own = [replace(place, threads=threads, workers=workers, share=memory) for place in places]
    return tuple(own[number % len(own)] for number in range(slots))
