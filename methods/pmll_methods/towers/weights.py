"""Names towers by content for identities: which file a tower is loaded from, and its SHA-256. Needs no torch."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..method import MethodError
from .glove import FILES as GLOVE

LOCAL_DIR = "local-dir:"
HUB = "hf-hub:"
OPENAI_NAME = re.compile(r"(ViT-[A-Z])/(\d+)(?:@(\d+)px)?")  # as OpenAI writes ViT-B-32 and ViT-L-14-336
TIMM = "timm:"
CLIP = "clip:"  # in front of a CLIP whose image half is taken as a trunk
RANDOM = "random"
CONFIG = "open_clip_config.json"
TINY = Path(__file__).parent / "tiny"
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".npz")
WORDS_SUFFIXES = (".txt", ".vec", ".npy")
ONE_HOT = "one-hot"  # word vectors that say nothing but which class it is
READ_SUFFIXES = (".json", ".txt", ".model")  # a model's configuration and its tokenizer


@dataclass(frozen=True)
class Source:
    """A file that isn't here and has to be downloaded before a method can run."""

    what: str
    url: str
    hint: str


def tower_identity(tower: str, weights: str | None) -> str:
    """What stands for a tower in a cell's identity: its name, and local weights by content.

    >>> tower_identity("RN101:openai", None), tower_identity("RN101:openai", "random")
    ('RN101:openai', 'RN101:random')

    Raises `MethodError` for a path that isn't there.
    """
    tower = official_name(tower)
    if tower.startswith(CLIP):
        return CLIP + tower_identity(tower.removeprefix(CLIP), weights)
    if tower == "tiny":
        name = f"tiny:{content_digest(TINY)}" if weights is None else "tiny"
    elif tower.startswith(LOCAL_DIR):
        name = f"{LOCAL_DIR}{content_digest(Path(tower.removeprefix(LOCAL_DIR)))}"
    elif tower.endswith(".json"):
        name = f"config:{content_digest(Path(tower))}"
    else:
        name = tower if weights is None else split_tag(tower)[0]
    if weights is None or weights == RANDOM:
        return name if weights is None else f"{name}:{RANDOM}"
    return f"{name}:sha256:{content_digest(weights_file(weights))}"


def words_identity(words: str) -> str:
    """What stands for word vectors in a cell's identity: a file by content, a tower as `tower_identity` has it.

    The official GloVe files have one content and go by their names. Raises `MethodError` for a file that isn't there.
    """
    if words == ONE_HOT or words in GLOVE:
        return GLOVE.get(words, words)
    path = words_path(words)
    return tower_identity(words, None) if path is None else f"sha256:{content_digest(path)}"


def words_path(words: str) -> Path | None:
    """The file with word vectors that the setting `words` names; None where it names an image-text tower or GloVe.

    Raises `MethodError` for a file that isn't there.
    """
    words = official_name(words)
    if words == "tiny" or words in GLOVE or words.startswith(LOCAL_DIR) or words.endswith(".json"):
        return None
    path = Path(words).expanduser()
    if path.is_file():
        return path
    if len(path.parts) > 1 or path.suffix in WORDS_SUFFIXES:
        hint = "--set words=PATH: a GloVe text file or an .npy matrix; or a tower, as in words=RN101:openai"
        raise MethodError(f"no word vectors at {words}", hint=hint)
    return None


def official_name(tower: str) -> str:
    """A tower's name as open_clip has it.

    >>> official_name("ViT-B/32:openai"), official_name("ViT-L/14@336px:openai")
    ('ViT-B-32:openai', 'ViT-L-14-336:openai')
    """
    return OPENAI_NAME.sub(lambda found: "-".join(part for part in found.groups() if part), tower)


def split_tag(tower: str) -> tuple[str, str | None]:
    """An architecture and the published weights named behind it.

    >>> split_tag("RN101:openai"), split_tag("resnet101"), split_tag("timm:resnet50")
    (('RN101', 'openai'), ('resnet101', None), ('timm:resnet50', None))
    """
    library = TIMM if tower.startswith(TIMM) else ""
    name, _, tag = tower.removeprefix(library).partition(":")
    return library + name, tag or None


def weights_file(weights: str) -> Path:
    """The file that the setting `weights` names. Raises `MethodError` where there is none."""
    path = Path(weights).expanduser()
    if not path.is_file():
        hint = "weights is a file or `random`; published ones are named in the tower, as in tower=RN101:openai"
        raise MethodError(f"no weights at {path}", hint=hint)
    return path


def content_digest(path: Path) -> str:
    """SHA-256 of a file; of a folder, over names and contents of what a model is loaded from.

    Raises `MethodError` naming what is missing.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return _file_digest(path)
    if not path.is_dir():
        raise MethodError(f"no such file or folder: {path}", hint="see the setting `tower`")
    parts = [*sorted(file for file in path.iterdir() if file.suffix in READ_SUFFIXES), folder_weights(path)]
    total = hashlib.sha256()
    for part in parts:
        total.update(f"{part.name}\0{_file_digest(part)}\n".encode())
    return total.hexdigest()


def folder_weights(folder: Path) -> Path:
    """The one weights file of a model's folder; with several, `open_clip_model.safetensors`."""
    found = sorted(file for file in folder.iterdir() if file.suffix in WEIGHTS_SUFFIXES)
    preferred = [file for file in found if file.name == "open_clip_model.safetensors"]
    chosen = preferred or found
    if len(chosen) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise MethodError(f"expected one weights file, found {names}", where=str(folder))
    return chosen[0]


def _file_digest(path: Path) -> str:
    status = path.stat()
    return _hashed(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _hashed(path: Path, size: int, mtime_ns: int) -> str:
    """Planning asks for the same file once a cell; size and time tell when it has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
