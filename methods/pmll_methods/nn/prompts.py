"""Learned prompts: context vectors before the class names, encoded by the frozen text tower (CoOp, DualCoOp)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..method import MethodError
from ..towers.clip_tower import ClipTower, Tokenize
from ..towers.text import encode, plan_prompts

PLACEHOLDER = "X"


class PromptContexts(nn.Module):
    """Learned context vectors before "name." for each class; `forward` returns the text features.

    Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022, as in the released code.

    Args:
        prompts: number of prompts per class (CoOp 1, DualCoOp 2).
        n_ctx: number of context vectors per prompt.
        class_specific: separate contexts for every class, instead of contexts shared by all classes.
        sd: the contexts are initialised from N(0, `sd`²); None: the standard deviation of the token embeddings.
        words: one phrase per prompt, whose token embeddings initialise the context and determine `n_ctx`. None:
            initialise that prompt from noise.
    """

    if TYPE_CHECKING:  # nn.Module's own declaration returns Any

        def __call__(self) -> Tensor: ...

    def __init__(
        self,
        tower: ClipTower,
        names: Sequence[str],
        *,
        prompts: int = 1,
        n_ctx: int = 16,
        class_specific: bool = False,
        sd: float | None = 0.02,
        words: Sequence[str | None] = (),
    ) -> None:
        super().__init__()
        phrases = _phrases(tower, words, prompts)
        n_ctx = len(next(iter(phrases.values()))) if phrases else n_ctx
        spread = _token_sd(tower.text.token_table) if sd is None else sd
        contexts = torch.randn(prompts, len(names) if class_specific else 1, n_ctx, tower.text.width) * spread
        for prompt, phrase in phrases.items():
            contexts[prompt] = phrase
        self.contexts = nn.Parameter(contexts)
        self.tower = tower.text
        ids = prompt_ids(tower.tokenize, names, n_ctx)
        self.ids = ids
        self.plan = plan_prompts(tower.text, ids, n_ctx=n_ctx, shared=not class_specific)
        self.encoded: Tensor | None = None  # the text features while the loop computes those of several cells at once

    def forward(self) -> Float[Tensor, "prompts c e"]:
        return encode(self.tower, self.plan, self.contexts) if self.encoded is None else self.encoded

    def same_layout(self, other: PromptContexts) -> bool:
        """Whether one call of `encode` can compute the features of both."""
        towers = self.tower.model is other.tower.model and self.tower.precision == other.tower.precision
        shapes = self.contexts.shape[1:] == other.contexts.shape[1:]
        return towers and shapes and torch.equal(self.ids, other.ids)


def prompt_ids(tokenize: Tokenize, names: Sequence[str], n_ctx: int) -> Int64[Tensor, "c l"]:
    """Token ids of [start, n_ctx placeholders, name, full stop, end]; underscores in names become spaces.

    Raises `MethodError` if a name is too long, or if the tokenizer leaves no room for contexts.
    """
    slots = " ".join([PLACEHOLDER] * n_ctx)
    endings = [f"{name.replace('_', ' ')}." for name in names]
    ids = tokenize([f"{slots} {ending}".strip() for ending in endings])
    length = ids.shape[1]
    if n_ctx > length - 4:  # start, a name of one token, full stop, end
        raise MethodError(
            f"{n_ctx} context tokens leave no room for a class name: the text tower reads {length} tokens",
            hint="use fewer context tokens: --set n_ctx=16",
        )
    if n_ctx and not (ids[:, 1 : 1 + n_ctx] == ids[0, 1]).all():
        raise MethodError("contexts cannot be learned with this tokenizer", hint="use a model with CLIP's tokenizer")
    for name, ending in zip(names, endings, strict=True):
        tokens = 2 + n_ctx + _count(tokenize, ending)  # with start and end
        if tokens > length:
            raise MethodError(
                f"the class name {name!r} with {n_ctx} context tokens takes {tokens} tokens, "
                f"but the text tower reads at most {length}",
                hint="shorten the name, or use fewer context tokens: --set n_ctx=4",
            )
    return ids


def _count(tokenize: Tokenize, text: str) -> int:
    """The number of tokens of a text, counted per word: the tokenizer truncates long texts, and no token spans a
    space."""
    return int((tokenize(text.split()).argmax(dim=1) - 1).sum())


def _phrases(tower: ClipTower, words: Sequence[str | None], prompts: int) -> dict[int, Float[Tensor, "n d"]]:
    """The token embeddings of the phrases that initialise prompts, by prompt number."""
    given = {prompt: phrase for prompt, phrase in enumerate(words) if phrase is not None}
    if not given:
        return {}
    if len(words) != prompts:
        raise MethodError(f"expected {prompts} phrases, one per prompt, got {len(words)}")
    ids = tower.tokenize(list(given.values()))
    lengths = ids.argmax(dim=1) - 1
    if (lengths != lengths[0]).any():
        raise MethodError(f"the phrases differ in length: {lengths.tolist()} tokens", where=f"words = {list(words)}")
    table = tower.text.token_table
    embedded = table[ids[:, 1 : 1 + int(lengths[0])].to(table.device)].detach().cpu()
    return dict(zip(given, embedded, strict=True))


def _token_sd(table: Float[Tensor, "v d"]) -> float:
    """The standard deviation of the nonzero token embeddings; embeddings of unseen tokens may be zero."""
    return float(table[(table != 0).any(dim=1)].std())
