"""Measure how reading images scales, beside other work as well, and what the libraries that make pixels cost.

python benchmark/perf/readers.py --images 64 --rounds 7

The images are made-up photographs of 640 x 480 pixels. A round reads all of them with each number of threads
(`ImageSet.batches`) and of processes (torch's `DataLoader`) in turn, so that other work on the machine weighs on all
alike. The ideal of n readers is n times the rate of one thread in the same round, up to the number of cores. The
libraries are compared in one thread, by CPU time. At last, a ResNet-18 computes beside the readers.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torchvision
from in_turn import in_turn
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from pmll_bench.machine import cores
from pmll_datasets.dataset import Images
from pmll_datasets.files import images as image_files
from pmll_datasets.loader import ImageSet
from pmll_datasets.rendering import BY_PILLOW, LIBRARIES, Rendering
from pmll_datasets.views import parse_view, render, view_generator

Read: TypeAlias = Callable[[], Iterable[np.ndarray]]
"""Reads all images once, in batches."""

SIZE = (640, 480)
QUALITY = 88
BATCH = 4


def photographs(folder: Path, count: int) -> list[Path]:
    """Write JPEG files with structure at all scales, of about the size of photographs on the web."""
    generator = np.random.default_rng(0)
    paths = []
    for number in range(count):
        pixels = np.zeros((SIZE[1], SIZE[0], 3))
        for side in (3, 10, 30, 100, 300):
            coarse = Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=np.uint8))
            pixels += np.asarray(coarse.resize(SIZE, Image.Resampling.BICUBIC), np.float64) / side**0.4
        levels = 255 * (pixels - pixels.min()) / np.ptp(pixels)
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(levels.astype(np.uint8)).save(paths[-1], quality=QUALITY, subsampling="4:2:0")
    return paths


class Views(Dataset[np.ndarray]):
    """The same images and view for `DataLoader`."""

    def __init__(self, images: Images, view: str, resolution: int) -> None:
        self.images, self.view, self.resolution = images, view, resolution

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> np.ndarray:
        generator = view_generator(0, 0, self.images.ids[position], 0)
        return render(self.images.read(position), parse_view(self.view), self.resolution, generator)


def by_threads(images: Images, view: str, resolution: int, readers: int, rendering: Rendering = BY_PILLOW) -> Read:
    """Reads with so many threads; 0 for the main thread."""
    batches = np.array_split(np.arange(len(images)), -(-len(images) // BATCH))
    found = ImageSet(images, readers, rendering)
    return lambda: (pixels for _, (pixels,) in found.batches(batches, [view], resolution))


def by_processes(images: Images, view: str, resolution: int, readers: int) -> Read:
    """Reads with so many processes, which are started once."""
    loader = DataLoader(Views(images, view, resolution), BATCH, num_workers=readers, persistent_workers=True)
    return lambda: (batch.numpy() for batch in loader)


def taken(read: Read, clock: Callable[[], float]) -> float:
    """Seconds to read all images."""
    started = clock()
    for _ in read():
        pass
    return clock() - started


def alternating(sides: Mapping[tuple[str, str], Read], rounds: int, clock: Callable[[], float]) -> list[list[float]]:
    """The seconds of each side in each round, by a clock."""
    read = {side: partial(lambda read, _: (taken(read, clock), None), each) for side, each in sides.items()}
    return list(in_turn(read, rounds, lambda _: None).values())


def shown(values: Sequence[float], digits: int = 0) -> str:
    """Median and range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def compare_readers(images: Images, view: str, resolution: int, numbers: Sequence[int], rounds: int) -> None:
    """Print the images per second of threads and processes, and the share of the ideal."""
    sides = {
        (str(number), kind): make(images, view, resolution, number)
        for kind, make in (("threads", by_threads), ("processes", by_processes))
        for number in numbers
    }
    seen = [np.concatenate(list(read())) for read in sides.values()]  # starts the processes, too
    assert all(np.array_equal(each, seen[0]) for each in seen), "readers made different pixels"
    seconds = alternating(sides, rounds, time.perf_counter)
    print(f"{'readers':14}{'images per second':24}share of the ideal")
    for (number, kind), of_side in zip(sides, seconds, strict=True):
        ideal = [one * numbers[0] / min(int(number), cores()) for one in seconds[0]]
        shares = [best / each for best, each in zip(ideal, of_side, strict=True)]
        print(f"{f'{number} {kind}':14}{shown([len(images) / each for each in of_side]):24}{shown(shares, 2)}")


def compare_libraries(images: Images, view: str, resolution: int, rounds: int) -> None:
    """Print the CPU time of an image with each pair of libraries, and the gain over Pillow alone."""
    pairs = list(product(LIBRARIES, LIBRARIES))
    sides = {pair: by_threads(images, view, resolution, 0, Rendering(*pair)) for pair in pairs}
    for read in sides.values():
        taken(read, time.process_time)  # imports torchvision
    seconds = alternating(sides, rounds, time.process_time)
    print(f"\n{'decode':14}{'resize':14}{'CPU ms per image':24}gain")
    for (decode, resize), of_side in zip(pairs, seconds, strict=True):
        gains = [pillow / each for pillow, each in zip(seconds[0], of_side, strict=True)]
        milliseconds = [1000 * each / len(images) for each in of_side]
        print(f"{decode:14}{resize:14}{shown(milliseconds, 2):24}{shown(gains, 2)}")


def compare_beside(images: Images, numbers: Sequence[int], rounds: int) -> None:
    """Print the rate and the CPU time of reading for a network that computes, with numbers of readers."""
    network = torchvision.models.resnet18(weights=None).eval()
    sides = {
        (str(threads), str(readers)): computing(network, threads, by_threads(images, "squash", 224, readers))
        for threads in (1, 2)
        for readers in numbers
    }
    seconds = alternating(sides, rounds, time.perf_counter)
    cpu = alternating(sides, rounds, time.process_time)
    print(f"\n{'computing':14}{'readers':14}{'images per second':24}CPU ms per image")
    for (threads, readers), of_side, of_cpu in zip(sides, seconds, cpu, strict=True):
        rates, milliseconds = ([len(images) / each for each in of_side], [1000 * each / len(images) for each in of_cpu])
        print(f"{threads:14}{readers:14}{shown(rates, 1):24}{shown(milliseconds, 1)}")


def computing(network: torch.nn.Module, threads: int, read: Read) -> Read:
    """Reads, and computes the network on each batch with so many threads."""

    def computed() -> Iterator[np.ndarray]:
        torch.set_num_threads(threads)
        for pixels in read():
            with torch.no_grad():
                yield network(torch.from_numpy(pixels).float() / 255).numpy()

    return computed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 2, 4], help="numbers of threads and processes")
    parser.add_argument("--view", default="squash")
    parser.add_argument("--resolution", type=int, default=448)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message="This DataLoader will create")  # more processes than cores
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = photographs(Path(folder), asked.images)
        images = image_files([path.stem for path in paths], paths)
        size = statistics.mean(path.stat().st_size for path in paths) / 1000
        print(f"JPEG files of {size:.0f} kB, {asked.view} at {asked.resolution} px; {cores()} cores")
        compare_readers(images, asked.view, asked.resolution, asked.readers, asked.rounds)
        compare_libraries(images, asked.view, asked.resolution, asked.rounds)
        compare_beside(images, asked.readers, asked.rounds)


if __name__ == "__main__":
    main()
