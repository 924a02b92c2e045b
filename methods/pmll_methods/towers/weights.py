"""Identities of towers and word vectors: the files that they are loaded from, and their SHA-256. Imports no torch."""

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
OPENAI_NAME = re.compile(r"(ViT-[A-Z])/(\d+)(?:@(\d+)px)?")  # OpenAI's spelling of ViT-B-32 and ViT-L-14-336
TIMM = "timm:"
CLIP = "clip:"  # prefix of a CLIP model whose image encoder is used as a trunk
RANDOM = "random"
CONFIG = "open_clip_config.json"
TINY = Path(__file__).parent / "tiny"
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".npz")
WORDS_SUFFIXES = (".txt", ".vec", ".npy")
ONE_HOT = "one-hot"  # one-hot word vectors, without similarities between classes
READ_SUFFIXES = (".json", ".txt", ".model")  # a model's configuration and its tokenizer


@dataclass(frozen=True)
class Source:
    """A missing file that must be downloaded before a method can run."""

    what: str
    url: str
    hint: str


def tower_identity(tower: str, weights: str | None) -> str:
    """A tower in a cell's identity: its name, and the digest of local weights.

    >>> tower_identity("RN101:openai", None), tower_identity("RN101:openai", "random")
    ('RN101:openai', 'RN101:random')

    Raises `MethodError` if a path does not exist.
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
    """Word vectors in a cell's identity: the digest of a file, or the `tower_identity` of a tower.

    An official GloVe file is identified by its name, since its content never changes. Raises `MethodError` if a file
    does not exist.
    """
    if words == ONE_HOT or words in GLOVE:
        return GLOVE.get(words, words)
    path = words_path(words)
    return tower_identity(words, None) if path is None else f"sha256:{content_digest(path)}"


def words_path(words: str) -> Path | None:
    """The file with word vectors that the setting `words` names; None if it names an image-text tower or GloVe.

    Raises `MethodError` if the file does not exist.
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
    """The name of a tower in open_clip's spelling.

    >>> official_name("ViT-B/32:openai"), official_name("ViT-L/14@336px:openai")
    ('ViT-B-32:openai', 'ViT-L-14-336:openai')
    """
    return OPENAI_NAME.sub(lambda found: "-".join(part for part in found.groups() if part), tower)


def split_tag(tower: str) -> tuple[str, str | None]:
    """The architecture in a tower's name, and the tag of published weights after it, if any.

    >>> split_tag("RN101:openai"), split_tag("resnet101"), split_tag("timm:resnet50")
    (('RN101', 'openai'), ('resnet101', None), ('timm:resnet50', None))
    """
    library = TIMM if tower.startswith(TIMM) else ""
    name, _, tag = tower.removeprefix(library).partition(":")
    return library + name, tag or None


def weights_file(weights: str) -> Path:
    """The file that the setting `weights` names. Raises `MethodError` if it does not exist."""
    path = Path(weights).expanduser()
    if not path.is_file():
        hint = "weights is a file or `random`; published ones are named in the tower, as in tower=RN101:openai"
        raise MethodError(f"no weights at {path}", hint=hint)
    return path


def content_digest(path: Path) -> str:
    """SHA-256 of a file; for a folder, over names and contents of the files that a model is loaded from.

    Raises `MethodError` if the path does not exist, or if the folder has no weights file or several.
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
    """The single weights file of a model's folder, or `open_clip_model.safetensors` if there are several."""
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
    """Cached, since planning hashes the same file once per cell; size and modification time show changes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
