"""Learned prompts: contexts in front of class names, read through the frozen text tower (CoOp, DualCoOp)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..method import MethodError
from ..towers.clip import ClipTower, Tokenize
from ..towers.text import encode, plan_prompts

PLACEHOLDER = "X"


class PromptContexts(nn.Module):
    """Contexts that are learned in front of "name." for each class; `forward` gives the text features.

    `prompts` is the number of prompts a class has (CoOp 1, DualCoOp 2). Contexts are shared by the classes or
    `class_specific`. They start from N(0, `sd`²) (`sd` None: that of the tower's own token embeddings), or from
    `words`, one phrase a prompt (None: that prompt from noise), which also set `n_ctx`.

    Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022, as in the released code.
    """

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
        self.plan = plan_prompts(tower.text, ids, n_ctx=n_ctx, shared=not class_specific)

    def forward(self) -> Float[Tensor, "prompts c e"]:
        return encode(self.tower, self.plan, self.contexts)


def prompt_ids(tokenize: Tokenize, names: Sequence[str], n_ctx: int) -> Int64[Tensor, "c l"]:
    """Token ids of [start, n_ctx placeholders, name, full stop, end]; underscores in names read as spaces.

    Raises `MethodError` where a name doesn't fit, or the tokenizer leaves no room for contexts.
    """
    slots = " ".join([PLACEHOLDER] * n_ctx)
    endings = [f"{name.replace('_', ' ')}." for name in names]
    ids = tokenize([f"{slots} {ending}".strip() for ending in endings])
    length = ids.shape[1]
    if n_ctx > length - 4:  # the start, a name of one token, its full stop, the end
        raise MethodError(
            f"{n_ctx} context tokens leave no room for a class name among {length} tokens",
            hint="learn fewer: --set n_ctx=16",
        )
    if n_ctx and not (ids[:, 1 : 1 + n_ctx] == ids[0, 1]).all():
        raise MethodError("contexts can't be learned with this tokenizer", hint="take a CLIP with CLIP's tokenizer")
    for name, ending in zip(names, endings, strict=True):
        tokens = 2 + n_ctx + _count(tokenize, ending)  # with the start and the end
        if tokens > length:
            raise MethodError(
                f"the class name {name!r} behind {n_ctx} context tokens takes {tokens} tokens, "
                f"the text tower reads at most {length}",
                hint="shorten the name, or learn fewer context tokens: --set n_ctx=4",
            )
    return ids


def _count(tokenize: Tokenize, text: str) -> int:
    """How many tokens a text has, word by word: tokens never span a space, and a whole text may be cut off."""
    return int((tokenize(text.split()).argmax(dim=1) - 1).sum())


def _phrases(tower: ClipTower, words: Sequence[str | None], prompts: int) -> dict[int, Float[Tensor, "n d"]]:
    """The embedded words of the prompts that start from a phrase, by prompt."""
    given = {prompt: phrase for prompt, phrase in enumerate(words) if phrase is not None}
    if not given:
        return {}
    if len(words) != prompts:
        raise MethodError(f"{prompts} prompts need {prompts} phrases to start from, not {len(words)}")
    ids = tower.tokenize(list(given.values()))
    lengths = ids.argmax(dim=1) - 1
    if (lengths != lengths[0]).any():
        raise MethodError(f"the phrases differ in length: {lengths.tolist()} tokens", where=f"words = {list(words)}")
    table = tower.text.token_table
    embedded = table[ids[:, 1 : 1 + int(lengths[0])].to(table.device)].detach().cpu()
    return dict(zip(given, embedded, strict=True))


def _token_sd(table: Float[Tensor, "v d"]) -> float:
    """The spread of the embeddings of tokens that were seen in training (the others may be zero)."""
    return float(table[(table != 0).any(dim=1)].std())
