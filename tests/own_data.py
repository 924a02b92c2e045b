"""A user's own data set, written for tests: images of one colour and a table of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layouts import write_image


def own_data(folder: Path, train: Sequence[str], test: Sequence[str] = ("1,-1", "-1,1"), name: str = "toys.csv") -> str:
    """The path of a table with the classes cat and dog; each of `train` and `test` holds the cells of one image."""
    lines = ["path,split,cat,dog"]
    for split, rows in (("train", train), ("test", test)):
        for number, row in enumerate(rows):
            write_image(folder / f"{split}{number}.png", colour=(90 * number % 256, 40, 40))
            lines.append(f"{split}{number}.png,{split},{row}")
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder / name)
