"""Files in a store that pmll-bench did not write, or no longer knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .store import Store
from .temporary import BEGINNINGS, files_in

NUMBER, JOB, NAME, DIGEST = r"\d{4,}", r"\d+(_\d+)?", r"[^/]+", r"[0-9a-f]{64}"
CELL = rf"cells/{NAME}/{NAME}/[0-9a-f]{{16}}"
IN_CELL = r"cell\.json|result\.json|queue\.json|tries\.json|lease|packed\.zip"
IN_ATTEMPT = (
    r"attempt\.json|end\.json|events\.jsonl|traceback\.txt|result\.json|scores\.npz|checkpoint-\d+\.pt"
    r"|selected\.(npz|safetensors)|model\.safetensors"
)
DAMAGED = r"(\.damaged-\d+)?"
KNOWN = re.compile(
    "|".join(
        (
            r"store\.json|index\.jsonl|merges\.jsonl|\.merge\.lock",
            rf"{CELL}/({IN_CELL}){DAMAGED}",
            rf"{CELL}/(tries/{NAME}/)?attempts/{NUMBER}/({IN_ATTEMPT}){DAMAGED}",
            rf"disputed/{NAME}/{NAME}/[0-9a-f]{{16}}/{DIGEST}/({IN_CELL}|attempts/{NUMBER}/scores\.npz)",
            rf"evidence/{DIGEST}/((submission|check|rerun)\.json|methods/{NAME}\.py)",
            r"methods/[0-9a-f]+\.py",
            r"outcomes/[^/]+",
            r"(tensorboard|wandb)/.*",
            r"slurm/(\.submission_file_[0-9a-f]{32}\.sh|[0-9a-f]{32}_\d+\.pkl)",
            rf"slurm/(absent|{JOB})\.json",
            rf"slurm/{JOB}/{JOB}_.*",
            rf"slurm/held/{NAME}/{NAME}(\.json|/sound|/[0-9a-f]{{16}})",
        )
    )
)


def orphans(store: Store, of: Sequence[Path] = ()) -> Iterator[Path]:
    """The files of a store, or of the folders `of` in it, that pmll-bench does not know; temporary ones are known."""
    for place in of or (store.root,):
        for path in files_in(place):
            name = path.relative_to(store.root)
            temporary = any(part.startswith(BEGINNINGS) for part in name.parts)
            if not temporary and not KNOWN.fullmatch(name.as_posix()):
                yield path
