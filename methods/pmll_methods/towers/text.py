"""Text features of a CLIP model, for whole prompts or for learned contexts, from the necessary tokens only.

With a causal mask, a token depends only on earlier tokens. The computation therefore stops at the end token, computes a
prefix that prompts share once, and runs the last layer only at the end tokens. Features and context gradients equal
those of the full computation up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ..method import MethodError

Ids = Int64[Tensor, "c l"]
LABELS_PER_SEQUENCE = 96  # the attention of a packed sequence costs the square of its length
MOST_TOKENS = 2**14  # tokens per set of contexts whose activations are kept for backward: 6 GB on RN101's text tower
PART = 2**12  # tokens of a part: with more than MOST_TOKENS, the backward pass computes one part after another again


@dataclass(frozen=True, eq=False)
class Rows:
    """`s` token sequences of length `l`, each read at `m` positions."""

    ids: Int64[Tensor, "s l"]
    positions: Int64[Tensor, " l"]
    ends: Int64[Tensor, "s m"]
    mask: Float[Tensor, "l l"] | None  # added to attention logits: 0 where the row attends to the column, else -inf

    def to(self, like: Tensor) -> Rows:
        """A copy on the device of `like`, with the mask in the type of `like`."""
        ids, positions, ends = (tensor.to(like.device) for tensor in (self.ids, self.positions, self.ends))
        return Rows(ids, positions, ends, None if self.mask is None else self.mask.to(like))


@dataclass(frozen=True, eq=False)
class Plan:
    """The layout of the prompts of one label set; `n_ctx` slots after the start token are for contexts.

    `packed`: labels share their contexts, in one sequence [start, contexts, rest of label 1, rest of label 2, …].
    `truncated`: one sequence per label, cut after the last end token. `plain`: full sequences, for the stated `reason`.
    """

    form: Literal["packed", "truncated", "plain"]
    n_ctx: int
    rows: tuple[Rows, ...]
    reason: str | None = None


class TextTower:
    """The text modules of an open_clip `CLIP` or `CustomTextCLIP`, or of a model with the same attribute names.

    `joint`: whether the tokens of two or three sequences have their queries, keys and values from one product, which
    rounds differently (see `_projected`).
    """

    def __init__(self, model: Any, precision: Literal["fp32", "bf16"] = "fp32", *, joint: bool = False) -> None:
        self.model = model
        self.precision = precision
        self.joint = joint
        self.part = getattr(model, "text", model)
        self.pool_type: str = getattr(self.part, "pool_type", getattr(model, "text_pool_type", "argmax"))
        self.end_id: Any = getattr(self.part, "eos_id", getattr(model, "text_eos_id", None))
        self.unusual = _unusual(self.part)

    @property
    def token_table(self) -> Float[Tensor, "v d"]:
        """The embedding of every token."""
        if self.unusual:
            raise MethodError(f"contexts cannot be learned on this text tower: {self.unusual}")
        table: Tensor = self.part.token_embedding.weight
        return table

    @property
    def width(self) -> int:
        """The width d of a token embedding."""
        return self.token_table.shape[1]

    @property
    def bidirectional(self) -> str | None:
        """Why nothing can be truncated or shared; None for a causal tower that is read at the end token."""
        mask = self.part.attn_mask
        if mask is None or not torch.equal(mask, _causal(len(mask)).to(mask)):
            return "its attention is not causal"
        if self.pool_type not in ("argmax", "eos"):
            return f"it is read at the {self.pool_type} token, not at the end token"
        return None

    def ends(self, ids: Ids) -> Int64[Tensor, " c"]:
        """The position at which each prompt is read."""
        if self.pool_type in ("first", "last"):
            return torch.full((len(ids),), 0 if self.pool_type == "first" else ids.shape[1] - 1)
        if self.pool_type == "eos":
            return torch.eq(ids, self.end_id).int().argmax(dim=1)
        return ids.argmax(dim=1)

    def encode_ids(self, ids: Ids) -> Float[Tensor, "c e"]:
        """The features of whole prompts."""
        if self.unusual:
            features: Tensor = self.model.encode_text(ids)
            return features
        none = self.token_table.new_empty(1, len(ids), 0, self.width)
        return encode(self, plan_prompts(self, ids, n_ctx=0, shared=False), none)[0]


def plan_prompts(tower: TextTower, ids: Ids, *, n_ctx: int, shared: bool) -> Plan:
    """The layout, for `encode`, of prompts with ids [start, n_ctx placeholders, rest, end, padding].

    `shared`: whether all labels have the same contexts instead of separate ones.
    """
    ends, reason = tower.ends(ids), tower.bidirectional
    if reason is not None:
        plan = Plan("plain", n_ctx, (_one_per_label(ids, ends, tower.part.attn_mask),), reason)
    elif shared:
        chunks = zip(*(torch.split(part, LABELS_PER_SEQUENCE) for part in (ids, ends)), strict=True)
        plan = Plan("packed", n_ctx, tuple(_packed(part, at, 1 + n_ctx) for part, at in chunks))
    else:
        longest = int(ends.max()) + 1
        plan = Plan("truncated", n_ctx, (_one_per_label(ids[:, :longest], ends, _causal(longest)),))
    return replace(plan, rows=tuple(rows.to(tower.token_table) for rows in plan.rows))


def encode(tower: TextTower, plan: Plan, contexts: Float[Tensor, "g s n d"]) -> Float[Tensor, "g c e"]:
    """Text features of all labels for each of `g` sets of contexts; s = 1 for shared contexts, else s = c.

    It runs in the precision of the contexts and ignores the autocast around it: packing makes it cheap, and half
    precision is coarser than the updates of the contexts. With `tower.precision` bf16 it has its own autocast. More
    than `MOST_TOKENS` (separate contexts of 700 labels or more) are encoded in parts, which may round differently.
    """
    tokens, n_ctx = sum(rows.ids.numel() for rows in plan.rows), plan.n_ctx
    half = tower.precision == "bf16"
    with torch.autocast(contexts.device.type, dtype=torch.bfloat16, enabled=half):
        if tokens <= MOST_TOKENS:
            parts = [_encode_rows(tower, rows, n_ctx, contexts) for rows in plan.rows]
        else:
            again = partial(checkpoint, _encode_rows, use_reentrant=False, preserve_rng_state=False)
            parts = [again(tower, rows, n_ctx, own) for rows, own in _parts(plan, contexts)]
        return torch.cat(parts, dim=1).to(contexts)


def _parts(plan: Plan, contexts: Float[Tensor, "g s n d"]) -> Iterator[tuple[Rows, Float[Tensor, "g s n d"]]]:
    """The sequences of a plan with their contexts, in parts of about `PART` tokens."""
    sets, shared = contexts.shape[0], contexts.shape[1] == 1
    for rows in plan.rows:
        size = max(1, PART // (sets * rows.ids.shape[1]))
        for start in range(0, len(rows.ids), size):
            some = slice(start, start + size)
            part = replace(rows, ids=rows.ids[some], ends=rows.ends[some])
            yield part, contexts if shared else contexts[:, some]


def _encode_rows(
    tower: TextTower, rows: Rows, n_ctx: int, contexts: Float[Tensor, "g s n d"]
) -> Float[Tensor, "g c e"]:
    part, sets = tower.part, len(contexts)
    contexts = contexts.expand(-1, len(rows.ids), -1, -1)
    embedded = part.token_embedding(rows.ids).expand(sets, -1, -1, -1)
    x = torch.cat([embedded[:, :, :1], contexts, embedded[:, :, 1 + n_ctx :]], dim=2)
    x = (x + part.positional_embedding[rows.positions]).flatten(0, 1)
    *blocks, last = part.transformer.resblocks
    for block in blocks:
        x = attend(block, x, rows.mask, joint=tower.joint)
    x = part.ln_final(attend(last, x, rows.mask, at=rows.ends.repeat(sets, 1), joint=tower.joint))
    projection = part.text_projection
    if projection is not None:
        x = projection(x) if isinstance(projection, nn.Linear) else x @ projection
    features: Tensor = x.reshape(sets, -1, x.shape[-1])
    return features


def attend(
    block: Any,
    x: Float[Tensor, "b l d"],
    mask: Float[Tensor, "l l"] | None,
    at: Int64[Tensor, "b m"] | None = None,
    *,
    joint: bool = False,
) -> Float[Tensor, "b m d"]:
    """One pre-norm transformer block; with `at`, computed only at those positions of each sequence."""
    normed: Tensor = block.ln_1(x)
    read = normed
    if at is not None:
        x, read = (torch.take_along_dim(tokens, at[..., None], dim=1) for tokens in (x, normed))
    if mask is None:
        attended = block.attn(read, normed, normed, need_weights=False)[0]
    else:
        attended = _masked_attention(block.attn, read, normed, mask if at is None else mask[at][:, None], joint)
    x = x + block.ls_1(attended)
    out: Tensor = x + block.ls_2(block.mlp(block.ln_2(x)))
    return out


def _masked_attention(
    attn: nn.MultiheadAttention,
    read: Float[Tensor, "b m d"],
    tokens: Float[Tensor, "b l d"],
    mask: Float[Tensor, "*b m l"],
    joint: bool,
) -> Float[Tensor, "b m d"]:
    """The attention of `attn` from the positions `read` to all tokens, without its copies of queries, keys and values
    in another order; unless `joint`, the same to the bit."""
    weight, bias, width = attn.in_proj_weight, attn.in_proj_bias, read.shape[-1]
    projected = partial(_projected, joint=joint)
    if read is tokens:
        parts = [*projected(tokens, weight, bias).chunk(3, dim=-1)]
    else:
        parts = [projected(read, weight[:width], bias[:width])]
        parts += projected(tokens, weight[width:], bias[width:]).chunk(2, dim=-1)
    query, key, value = (part.unflatten(-1, (attn.num_heads, -1)).transpose(1, 2) for part in parts)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    attended: Tensor = attn.out_proj(mixed.transpose(1, 2).flatten(2))
    return attended


def _projected(
    x: Float[Tensor, "b l d"], weight: Float[Tensor, "k d"], bias: Float[Tensor, " k"], joint: bool
) -> Float[Tensor, "b l k"]:
    """x Wᵀ + b; unless `joint`, rounded as by `nn.MultiheadAttention`.

    It multiplies two or three sequences token by token, which takes several times as long as one product over all
    tokens. With four or more, both round alike.
    """
    if len(x) in (2, 3) and not joint:
        return F.linear(x.transpose(0, 1), weight, bias).transpose(0, 1)
    return F.linear(x, weight, bias) if len(x) == 1 else F.linear(x, weight) + bias


def _unusual(part: Any) -> str | None:
    """Why a text tower can only run as a whole; None for open_clip's usual transformer."""
    if not hasattr(part, "token_embedding"):
        return "it is not open_clip's"
    if getattr(part, "cls_emb", None) is not None:
        return "it is read at an appended class token"
    if not isinstance(part.transformer.resblocks[0].attn, nn.MultiheadAttention):
        return "its attention is not plain multi-head attention"
    return None


def _causal(length: int) -> Float[Tensor, "l l"]:
    return torch.full((length, length), -torch.inf).triu(1)


def _one_per_label(ids: Ids, ends: Int64[Tensor, " c"], mask: Tensor | None) -> Rows:
    return Rows(ids, torch.arange(ids.shape[1]), ends[:, None], mask)


def _packed(ids: Ids, ends: Int64[Tensor, " c"], prefix: int) -> Rows:
    """[prefix, rest of label 1, rest of label 2, …]; positions restart after the prefix for every label.

    A token attends to the prefix and to the same label, up to its position.
    """
    rests = [range(prefix, int(end) + 1) for end in ends]
    row_ids = torch.cat([ids[0, :prefix], *(ids[c, rest.start : rest.stop] for c, rest in enumerate(rests))])
    positions = torch.tensor([*range(prefix), *(position for rest in rests for position in rest)])
    label = torch.tensor([-1] * prefix + [c for c, rest in enumerate(rests) for _ in rest])
    sees = ((label[None] == -1) | (label[None] == label[:, None])) & (positions[None] <= positions[:, None])
    mask = torch.zeros(sees.shape).masked_fill(~sees, -torch.inf)
    lengths = torch.tensor([len(rest) for rest in rests])
    return Rows(row_ids[None], positions, (prefix - 1 + lengths.cumsum(0))[None], mask)
