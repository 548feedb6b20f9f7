"""The margin loss of pairs on their log-probabilities: the LM-head kernel and the pairwise margin loss together."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from vlrm_kernels.dispatch import autocast, compute_dtype
from vlrm_kernels.lm_head import chunked
from vlrm_kernels.lm_head.operator import by_sequence, sequence_logprob
from vlrm_kernels.pair_margin import Metrics, pair_margin
from vlrm_kernels.pair_margin.reference import METRICS


class LogprobMargin(NamedTuple):
    """A loss to call ``backward`` on, what to log beside it, and the rewards (B,), detached."""

    loss: Tensor
    metrics: Metrics
    rewards: Tensor


class _Room:
    """Logits of as many chunks of a pair as fit into ``keep`` bytes, at least one."""

    def __init__(self, head: chunked.Head, longest: int, keep: int) -> None:
        self.head = head
        first = head.buffer(longest)
        size = first.shape[0] * first.stride(0) * first.element_size()
        slots = min(max(1, keep // max(size, 1)), -(-longest // head.chunk))
        self.slots = [first, *(head.buffer(longest) for _ in range(slots - 1))]
        self.kept: dict[int, tuple[int, Tensor]] = {}

    def read(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """log p(target) and logsumexp; the last chunks' logits stay."""
        self.kept = {}
        logp, lse = hidden.new_empty((2, hidden.shape[0]), dtype=compute_dtype(hidden))
        for at in self.head.chunks(hidden.shape[0]):
            slot = at.start // self.head.chunk % len(self.slots)
            logits = self.head.logits(hidden[at], self.slots[slot])
            self.kept[slot] = at.start, logits
            logp[at], lse[at] = self.head.form.read(logits, targets[at], self.head.softcap)
        return logp, lse

    def gradient(
        self, hidden: Tensor, targets: Tensor, factor: Tensor, lse: Tensor, weights: chunked.WeightGradient
    ) -> Tensor:
        """Gradient of the hidden states; the weights' is added to ``weights``."""
        out = torch.empty_like(hidden)
        kept = dict(self.kept.values())
        # Kept chunks first: the others need their room.
        for at in sorted(self.head.chunks(hidden.shape[0]), key=lambda at: at.start not in kept):
            logits = kept[at.start] if at.start in kept else self.head.logits(hidden[at], self.slots[0])
            self.head.form.bracket_(logits, targets[at], self.head.softcap, factor[at], lse[at])
            torch.mm(logits, self.head.weight, out=out[at])
            weights.add(logits, hidden[at])
        return out


@torch.library.custom_op(
    "vlrm_kernels::logprob_pairs",
    mutates_args=(),
    schema="(Tensor hidden, Tensor weight, Tensor targets, Tensor owner, Tensor pair_weight, Tensor margin,"
    " Tensor scale, Tensor offset, Tensor? bias, bool mean, bool hinge, float centring, float softcap, int chunk,"
    " int keep) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def _logprob_pairs(
    hidden: Tensor, weight: Tensor, targets: Tensor, owner: Tensor, pair_weight: Tensor, margin: Tensor, scale: Tensor,
    offset: Tensor, bias: Tensor | None, mean: bool, hinge: bool, centring: float, softcap: float, chunk: int,
    keep: int,
) -> Any:  # fmt: skip
    """Loss, metrics, log-probabilities (B,), and the loss's gradient in rewards (B,), hidden states, weight and bias.

    Pair by pair: a pair's factors follow from its own two sequences, so they are known while its logits still exist.
    """
    head, margin_op = chunked.Head(weight, bias, softcap, chunk), torch.ops.vlrm_kernels.pair_margin
    hidden_grad, weight_grad = torch.empty_like(hidden), chunked.WeightGradient(head)
    logprob = offset.new_empty(offset.shape)
    grad = offset.new_empty(offset.shape)
    pairs, one = margin.shape[0], torch.ones_like(margin[:1])
    total = pair_weight.sum()
    share = torch.where(total > 0, pair_weight / torch.where(total > 0, total, 1), 0)
    lengths = torch.bincount(owner // 2, minlength=pairs).tolist()
    room = _Room(head, max(lengths), keep)
    for i, index in enumerate(torch.argsort(owner // 2, stable=True).split(lengths)):
        both, states, words, side = slice(2 * i, 2 * i + 2), hidden[index], targets[index], owner[index] % 2
        logp, lse = room.read(states, words)
        logprob[both] = by_sequence(logp, side, 2, mean)
        rewards = scale * logprob[both] + offset[both]
        slopes = margin_op(rewards[:1], rewards[1:], one, margin[i : i + 1], hinge, 0.0)[2:]
        grad[both] = share[i] * torch.cat(slopes) + centring / pairs * rewards
        counts = torch.bincount(side, minlength=2).clamp_min(1) if mean else 1
        hidden_grad[index] = room.gradient(states, words, (scale * grad[both] / counts)[side], lse, weight_grad)
    rewards = scale * logprob + offset
    loss, metrics, *_ = margin_op(rewards[::2], rewards[1::2], pair_weight, margin, hinge, centring)
    return loss, metrics, logprob, grad, hidden_grad, *weight_grad.done()


@_logprob_pairs.register_fake
def _(
    hidden: Tensor, weight: Tensor, targets: Tensor, owner: Tensor, pair_weight: Tensor, margin: Tensor, scale: Tensor,
    offset: Tensor, bias: Tensor | None, mean: bool, hinge: bool, centring: float, softcap: float, chunk: int,
    keep: int,
) -> Any:  # fmt: skip
    numbers = (
        offset.new_empty(()),
        offset.new_empty((len(METRICS),)),
        torch.empty_like(offset),
        torch.empty_like(offset),
    )
    bias_grad = weight.new_empty((0,) if bias is None else bias.shape)
    return *numbers, torch.empty_like(hidden), torch.empty_like(weight), bias_grad


def _setup_context(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)  # else zeros as large as the head are made for its gradient
    ctx.save_for_backward(*output[2:])
    ctx.has_bias = inputs[8] is not None


def _backward(ctx: Any, grad: Tensor | None, *_: Any) -> Any:
    if grad is None:
        return (None,) * 15
    logprob, rewards_grad, hidden_grad, weight_grad, bias_grad = ctx.saved_tensors
    rewards_grad = grad * rewards_grad
    # In place: a second copy of the head's gradient would be the largest tensor here.
    weight_grad.mul_(grad)
    return (
        (grad * hidden_grad).to(hidden_grad.dtype),
        weight_grad if ctx.needs_input_grad[1] else None,
        None, None, None, None,
        (rewards_grad * logprob).sum() if ctx.needs_input_grad[6] else None,
        rewards_grad,
        (grad * bias_grad).to(bias_grad.dtype) if ctx.has_bias and ctx.needs_input_grad[8] else None,
        None, None, None, None, None, None,
    )  # fmt: skip


_logprob_pairs.register_autograd(_backward, setup_context=_setup_context)


def logprob_margin_loss(
    hidden_TD: Tensor,
    weight_VD: Tensor,
    targets_T: Tensor,
    owner_T: Tensor,
    pair_weight_P: Tensor,
    margin_P: Tensor,
    *,
    mean: bool = True,
    scale: Tensor | float = 1.0,
    offset_B: Tensor | None = None,
    kind: Literal["bradley_terry", "hinge"] = "bradley_terry",
    centring: float = 0.0,
    bias: Tensor | None = None,
    softcap: float = 0.0,
    chunk: int | None = None,
    keep: int | None = None,
) -> LogprobMargin:
    """:func:`vlrm_kernels.pair_margin.pair_margin` of the rewards ``scale * log p + offset``, (B,) = (2P,).

    Pair ``i`` is sequence ``2i``, chosen, and ``2i + 1``, rejected; ``owner_T`` says whose token is whose and ``mean``
    whether log p is a mean or a sum, as in :func:`vlrm_kernels.lm_head.sequence_logprob`. ``offset_B`` is the rest of
    the reward (yes/no odds, head). Differentiable in hidden states, scale, offset, and the head where it wants a
    gradient: then the pairs are gone through one by one, and a pair's logits are formed once where they fit in
    ``keep`` bytes (32 MiB on a CPU, 1 GiB on a GPU), else what does not fit is formed twice. That form reads the
    pairs' lengths back to the host, one sync, forms the gradients with the loss, and its ``backward`` runs once.
    """
    hidden_TD, weight_VD, bias = autocast(hidden_TD, weight_VD, bias)
    pairs, inner = margin_P.shape[0], compute_dtype(hidden_TD)
    kwargs: dict[str, Any] = {"bias": bias, "softcap": softcap, "chunk": chunk}
    scale_ = torch.as_tensor(scale, dtype=inner, device=hidden_TD.device)
    offset = hidden_TD.new_zeros(2 * pairs, dtype=inner) if offset_B is None else offset_B.to(inner)
    trainable = weight_VD.requires_grad or (bias is not None and bias.requires_grad)
    if not (trainable and torch.is_grad_enabled()):
        logprob = sequence_logprob(hidden_TD, weight_VD, targets_T, owner_T, 2 * pairs, mean=mean, **kwargs)
        rewards = scale_ * logprob + offset
        sides = rewards[::2], rewards[1::2]
        return LogprobMargin(
            *pair_margin(*sides, pair_weight_P, margin_P, kind=kind, centring=centring), rewards.detach()
        )
    loss, metrics, logprob, *_ = _logprob_pairs(
        hidden_TD.contiguous(), weight_VD.contiguous(), targets_T, owner_T, pair_weight_P.to(inner), margin_P.to(inner),
        scale_, offset, bias, mean, kind == "hinge", float(centring), float(softcap),
        chunk or chunked.default_chunk(hidden_TD), chunked.default_keep(hidden_TD) if keep is None else keep,
    )  # fmt: skip
    return LogprobMargin(loss, Metrics(*metrics.unbind()), (scale_ * logprob + offset).detach())
