"""Random and edge cases of the Triton kernels against float64, as one JSON list.

Run by test_triton_kernels.py in a process of its own: Triton's interpreter wants TRITON_INTERPRET=1 before Triton is
first imported, and would disturb every other test that imports it. With the argument ``cuda`` on a GPU, without it.
"""

from __future__ import annotations

import json
import random
import sys
from contextlib import nullcontext
from itertools import product

import torch

from vlrm_kernels.dispatch import interpreted, runs_triton
from vlrm_kernels.lm_head import logprob_margin_loss, sequence_logprob, token_logprob
from vlrm_kernels.pair_margin import pair_margin
from vlrm_kernels.reward_head import reward_head

KINDS = ("bradley_terry", "hinge")


def norm_error(got, want, scale=None):
    """Largest error of a tensor, relative to its largest entry, or to ``scale``."""
    return (got.double() - want).abs().max().item() / max(want.abs().max().item() if scale is None else scale, 1e-30)


def exact(tensors):
    return [t.detach().double().requires_grad_(t.requires_grad) for t in tensors]


def margin64(c, r, w, m, kind, centring):
    x = m - (c - r)
    each = x.clamp_min(0) if kind == "hinge" else torch.logaddexp(x, torch.zeros_like(x))
    total = w.sum()
    pair = (w * each).sum() / total if total > 0 else 0 * each.sum()
    return pair + centring * torch.cat([c, r]).square().mean()


def margin_case(name, c, r, w, m, kind, centring=0.01):
    c, r = c.clone().requires_grad_(), r.clone().requires_grad_()
    got = pair_margin(c, r, w, m, kind=kind, centring=centring)
    got.loss.backward()
    C, R, W, M = exact((c, r, w, m))
    want = margin64(C, R, W, M, kind, centring)
    want.backward()
    d = (C - R).detach()
    metrics = {
        "accuracy": (d > 0).double().mean(), "margin": d.mean(), "chosen": C.mean(), "rejected": R.mean(),
        "minimum": torch.cat([C, R]).min(), "maximum": torch.cat([C, R]).max(), "pair_loss": margin64(C, R, W, M, kind, 0.0), "centring": centring * torch.cat([C, R]).square().mean(),
    }  # fmt: skip
    size = torch.cat([C, R]).abs().max().item()  # a mean of rewards of both signs is as exact as they are
    return {
        "kernel": "pair_margin", "case": name, "exact": c.dtype == torch.float32,
        "loss": abs(got.loss.item() - want.item()) / max(abs(want.item()), 1e-30),
        "gradient": max(norm_error(c.grad, C.grad), norm_error(r.grad, R.grad)),
        "metrics": max(abs(getattr(got.metrics, k).item() - v.item()) / max(size, abs(v.item()), 1e-30) for k, v in metrics.items()),
    }  # fmt: skip


def margin_cases():
    for i in range(150):
        size = random.choice([1, 2, 3, 7, 8, 31, 64, 65, 200])
        spread = random.choice([0.1, 1.0, 20.0])
        c, r = spread * torch.randn(2, size)
        w = torch.rand(size) * (torch.rand(size) > random.choice([0, 0.5])) + (torch.arange(size) == 0)
        yield margin_case(f"random {i}", c, r, w, torch.rand(size), KINDS[i % 2], random.choice([0.0, 0.01, 1.0]))
    ones, zeros = torch.ones(4), torch.zeros(4)
    for kind in KINDS:
        for x in (300.0, -300.0, 80.0, -80.0, 20.0, -20.0, 0.0):
            yield margin_case(f"x = {x}", -x * ones[:1], zeros[:1], ones[:1], zeros[:1], kind, 0.0)
        yield margin_case(
            "all |x| = 300", torch.tensor([150.0, -150, 300, 0]), torch.tensor([-150.0, 150, 0, 300]), ones, zeros, kind
        )
        yield margin_case("kink", 0.25 * ones, zeros, ones, 0.25 * ones, kind)
        yield margin_case(
            "beside the kink",
            torch.tensor([1000.1, 1000.2, 0.1, 7.7]),
            torch.tensor([1000.0, 1000.0, 0.0, 7.6]),
            ones,
            0.1 * ones,
            kind,
            0.0,
        )
        yield margin_case("no weight at all", torch.randn(4), torch.randn(4), zeros, ones, kind)
        yield margin_case("no weight, no centring", torch.randn(4), torch.randn(4), zeros, ones, kind, 0.0)
        yield margin_case("one pair", torch.randn(1), torch.randn(1), torch.tensor([0.3]), torch.tensor([0.1]), kind)
        yield margin_case(
            "over two blocks", torch.randn(2049), torch.randn(2049), torch.rand(2049), torch.rand(2049), kind
        )
        columns = torch.randn(9, 2)
        yield margin_case("columns of a matrix", columns[:, 0], columns[:, 1], torch.rand(9), torch.rand(18)[::2], kind)
        half = torch.randn(2, 33).bfloat16()
        yield margin_case("bf16", half[0], half[1], torch.rand(33), torch.rand(33), kind)


def head64(x, rows, first, first_bias, last, last_bias):
    return torch.nn.functional.silu(x[rows] @ first.T + first_bias) * last[0], last_bias


def head_case(name, tokens, rows, size, width, scale=1.0, dtype=torch.float32, grads=True):
    x = torch.randn(tokens, width).to(dtype).requires_grad_()
    first = (scale * torch.randn(size, width) / width**0.5).requires_grad_()
    weights = [first, *(torch.randn(s).requires_grad_(grads) for s in ((size,), (1, size), (1,)))]
    first.requires_grad_(grads)
    got = reward_head(x, rows, *weights)
    towards = torch.randn(rows.shape[0])
    (got * towards).sum().backward()
    inputs = exact((x, *weights))
    terms, last_bias = head64(inputs[0], rows, *inputs[1:])
    want = terms.sum(1) + last_bias
    (want * towards.double()).sum().backward()
    pairs = [(a, b) for a, b in zip((x, *weights), inputs, strict=True) if a.requires_grad]
    # A reward is a sum of terms of both signs, and the SiLU's slope has a zero: errors are relative to what is added.
    size = (terms.abs().sum(1) + last_bias.abs()).max().item()
    steepest = max(b.grad.abs().max().item() for _, b in pairs)
    return {
        "kernel": "reward_head", "case": name, "exact": dtype == torch.float32,
        "loss": norm_error(got, want.detach(), size), "gradient": max(norm_error(a.grad, b.grad, steepest) for a, b in pairs),
    }  # fmt: skip


def head_cases():
    for i in range(50):
        tokens, count = random.choice([1, 5, 40]), random.choice([1, 3, 16, 17])
        rows = torch.randint(0, tokens, (count,))
        size, width = random.choice([1, 8, 33, 64, 65]), random.choice([3, 16, 64, 70])
        yield head_case(f"random {i}", tokens, rows, size, width, grads=i % 5 > 0)
    yield head_case("one row again and again", 4, torch.tensor([2] * 19), 8, 16)
    yield head_case("large activations", 6, torch.arange(6), 16, 32, scale=300.0)
    yield head_case("bf16 states", 20, torch.tensor([0, 3, 19]), 64, 48, dtype=torch.bfloat16)


def sums64(logp, owner, sequences, mean):
    sums = torch.zeros(sequences, dtype=logp.dtype).index_add(0, owner, logp)
    return sums / torch.bincount(owner, minlength=sequences).clamp_min(1) if mean else sums


def logp64(x, weight, targets, bias, softcap):
    logits = x @ weight.T if bias is None else x @ weight.T + bias
    logits = softcap * torch.tanh(logits / softcap) if softcap else logits
    return torch.log_softmax(logits, 1).gather(1, targets[:, None])[:, 0]


def lm_case(
    name, form, tokens, words, width, softcap=0.0, has_bias=False, scale=1.0, dtype=torch.float32, mean=True, keep=None
):
    """``form``: score, frozen, two_pass (sequence_logprob), or pairs (logprob_margin_loss on a trainable head)."""
    x = (scale * torch.randn(tokens, width)).to(dtype).requires_grad_()
    trainable = form in ("two_pass", "pairs")
    weight = (torch.randn(words, width) / width**0.5).to(dtype).requires_grad_(trainable)
    bias = torch.randn(words).to(dtype).requires_grad_(trainable) if has_bias else None
    targets, owner = torch.randint(0, words, (tokens,)), torch.randint(0, 4, (tokens,))
    how = {"bias": bias, "softcap": softcap, "chunk": random.choice([3, 16, 128])}
    leaves = [t for t in (x, weight, bias) if t is not None]
    X, W, *B = exact(leaves)
    logp = logp64(X, W, targets, B[0] if B else None, softcap)
    sums = sums64(logp, owner, 4, mean)
    result = {"kernel": f"lm_head {form}", "case": name, "exact": dtype == torch.float32, "gradient": 0.0}
    if form == "score":
        with torch.no_grad():
            return result | {"loss": norm_error(token_logprob(x, weight, targets, **how), logp.detach())}
    if form == "two_pass":
        towards = torch.randn(4)
        got = sequence_logprob(x, weight, targets, owner, 4, mean=mean, **how)
        (got * towards).sum().backward()
        (sums * towards.double()).sum().backward()
        result["loss"] = norm_error(got, sums.detach())
    else:
        kind, w, m = random.choice(KINDS), torch.rand(2) + 0.1, torch.rand(2) + 5
        loss = logprob_margin_loss(
            x, weight, targets, owner, w, m, mean=mean, kind=kind, centring=0.01, keep=keep, **how
        ).loss
        loss.backward()
        want = margin64(sums[::2], sums[1::2], w.double(), m.double(), kind, 0.01)
        want.backward()
        # The loss is a difference of rewards: its rounding is theirs.
        result["loss"] = abs(loss.item() - want.item()) / max(abs(want.item()), sums.abs().max().item())
    pairs = [(a, b) for a, b in zip(leaves, (X, W, *B), strict=True) if a.requires_grad]
    return result | {"gradient": max(norm_error(a.grad, b.grad) for a, b in pairs)}


def lm_cases():
    forms = ("score", "frozen", "two_pass", "pairs")
    for i in range(60):
        tokens, words, width = (
            random.choice([1, 2, 9, 20]),
            random.choice([2, 65, 200, 513]),
            random.choice([3, 16, 33]),
        )
        how = {
            "softcap": random.choice([0.0, 3.0]),
            "has_bias": i % 3 == 0,
            "mean": i % 2 == 0,
            "keep": random.choice([None, 1]),
        }
        yield lm_case(f"random {i}", forms[i % 4], tokens, words, width, **how)
    for form, softcap in product(forms, (0.0, 30.0)):
        yield lm_case(f"logits of 300, soft cap {softcap}", form, 5, 65, 16, scale=100.0, softcap=softcap)
    for form in forms:
        yield lm_case("vocabulary over a block", form, 3, 4099, 8)
        yield lm_case("bf16", form, 5, 129, 16, dtype=torch.bfloat16)
    yield lm_case("tokens over a tile", "score", 65, 70, 16)


def main(device: str) -> None:
    torch.manual_seed(0)
    random.seed(0)
    torch.set_default_device(device)
    with interpreted() if device == "cpu" else nullcontext():
        assert runs_triton(torch.zeros(1)), "these cases are for the Triton kernels"
        print(json.dumps([*margin_cases(), *head_cases(), *lm_cases()]))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu")
