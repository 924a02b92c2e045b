"""The prompts of all cells of a group in one call of the text tower, with `recipe.text_batch = "group"`.

Cells whose prompts have the same layout are encoded together::

    texts = encode(contexts of all cells)
    for each cell: loss(texts of the cell).backward()     # up to its texts
    texts.backward(gradients of all cells)                # from the texts to the contexts of every cell
    for each cell: optimizer.step()

A GPU then starts the kernels of the text tower once per step instead of once per cell. Products over more rows round
differently: features and gradients differ from those of a cell alone by about 1e-6 of the largest, and depend on the
cells of the group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..nn.prompts import PromptContexts
from ..towers.text import encode
from .isolation import isolate_errors
from .member import Member


@dataclass(frozen=True, eq=False)
class Sharing:
    """Members whose prompts differ in their contexts alone, and their texts in the current step."""

    members: Sequence[Member]
    prompts: Sequence[PromptContexts]

    def encode(self) -> Float[Tensor, "g c e"]:
        """The texts of all members. Each gets its part, up to which it computes its gradients."""
        first = self.prompts[0]
        texts = encode(first.tower, first.plan, torch.cat([each.contexts for each in self.prompts]))
        parts = texts.detach().split([len(each.contexts) for each in self.prompts])
        for prompts, part in zip(self.prompts, parts, strict=True):
            prompts.encoded = part.requires_grad_()
        return texts

    def backward(self, texts: Float[Tensor, "g c e"]) -> None:
        """Pass the gradients of the parts on to the contexts; a member that failed passes on none."""
        parts = [each.encoded for each in self.prompts if each.encoded is not None]
        texts.backward(torch.cat([torch.zeros_like(part) if part.grad is None else part.grad for part in parts]))

    def fail(self, error: Exception) -> None:
        """End the training of all members, if their texts cannot be computed."""
        for member in self.members:
            member.fail(error)


@contextmanager
def shared_texts(members: Sequence[Member]) -> Iterator[None]:
    """Within the block, members compute their gradients; those that share texts take their steps at its end."""
    sharing = _of_one_layout(members)
    try:
        texts: list[tuple[Sharing, Tensor]] = []
        for mates in sharing:
            with isolate_errors(mates.fail):
                texts.append((mates, mates.encode()))
            for member in mates.members:
                member.waits = True
        yield
        for mates, made in texts:
            with isolate_errors(mates.fail):
                mates.backward(made)
            for member in mates.members:
                if member.failure is None:
                    with isolate_errors(member.fail):
                        member.finish_step()
    finally:
        for mates in sharing:
            for member, prompts in zip(mates.members, mates.prompts, strict=True):
                member.waits, prompts.encoded = False, None


def _of_one_layout(members: Sequence[Member]) -> list[Sharing]:
    """The members that share their texts, together if their prompts have the same layout."""
    found: list[tuple[list[Member], list[PromptContexts]]] = []
    for member in members:
        prompts = getattr(member.learner, "prompts", None)
        if member.recipe.text_batch == "group" and isinstance(prompts, PromptContexts):
            mates = next((each for each in found if each[1][0].same_layout(prompts)), None)
            if mates is None:
                found.append(([member], [prompts]))
            else:
                mates[0].append(member)
                mates[1].append(prompts)
    return [Sharing(*mates) for mates in found]
