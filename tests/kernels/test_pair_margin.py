"""The pairwise margin loss on a CPU: against float64, its edges, autograd and torch.compile."""

import subprocess
import sys

import pytest
import torch
from torch.nn.functional import softplus

from vlrm_kernels.pair_margin import pair_margin, pair_margin_loss

KINDS = ("bradley_terry", "hinge")


def batch(size, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    c, r, w, m = torch.rand(4, size, generator=generator, dtype=torch.float64)
    return [(8 * c - 4).to(dtype), (8 * r - 4).to(dtype), w.to(dtype), m.to(dtype)]


def plain(c, r, w, m, kind, centring):
    x = m - (c - r)
    each = softplus(x) if kind == "bradley_terry" else x.clamp_min(0)
    return (w * each).sum() / w.sum() + centring * torch.cat([c, r]).square().mean()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 33, 1500])
def test_loss_and_gradient_equal_the_formula_in_float64(kind, size):
    c, r, w, m = batch(size)
    c.requires_grad_(), r.requires_grad_()
    got = pair_margin(c, r, w, m, kind=kind, centring=0.01)
    got.loss.backward()
    C, R = c.detach().double().requires_grad_(), r.detach().double().requires_grad_()
    want = plain(C, R, w.double(), m.double(), kind, 0.01)
    want.backward()
    assert got.loss.item() == pytest.approx(want.item(), rel=1e-6)
    for a, b in ((c, C), (r, R)):
        assert torch.allclose(a.grad.double(), b.grad, rtol=1e-5, atol=1e-9)


def test_the_old_name_is_the_plain_loss():
    c, r, w, m = batch(9, torch.float64)
    assert pair_margin_loss(c, r, w, m).item() == pytest.approx(
        plain(c, r, w, m, "bradley_terry", 0.0).item(), rel=1e-12
    )


def test_tails_are_exact():
    def loss(x):
        one = torch.ones(1)
        c = torch.tensor([-x], requires_grad=True)
        out = pair_margin_loss(c, 0 * one, one, 0 * one)
        out.backward()
        return out.item(), c.grad.item()

    assert loss(300.0) == (300.0, -1.0)
    assert loss(-300.0) == (0.0, 0.0)  # exp(-300) is below float32
    small, slope = loss(-80.0)
    assert small == pytest.approx(1.8048513878454153e-35, rel=1e-6) and slope == pytest.approx(-small, rel=1e-6)


def test_hinge_has_no_slope_at_the_kink():
    c = torch.tensor([0.25], requires_grad=True)
    loss = pair_margin(c, torch.zeros(1), torch.ones(1), torch.tensor([0.25]), kind="hinge").loss
    loss.backward()
    assert loss.item() == 0 and c.grad.item() == 0


def test_without_any_weight_only_centring_is_left():
    c = torch.tensor([1.0, 2.0], requires_grad=True)
    out = pair_margin(c, torch.zeros(2), torch.zeros(2), torch.zeros(2), centring=0.1)
    out.loss.backward()
    assert out.loss.item() == pytest.approx(0.1 * 5 / 4) and torch.allclose(c.grad, 0.1 * c.detach() / 2)


def test_metrics():
    c, r = torch.tensor([1.0, -1.0, 2.0, 0.5]), torch.tensor([0.0, 1.0, 2.0, -3.0])
    got = pair_margin(c, r, torch.ones(4), torch.zeros(4), centring=0.5)
    assert got.metrics.accuracy.item() == 0.5  # a tie is wrong
    assert got.metrics.margin.item() == pytest.approx((1 - 2 + 0 + 3.5) / 4)
    assert (got.metrics.chosen.item(), got.metrics.rejected.item()) == (0.625, 0.0)
    assert (got.metrics.minimum.item(), got.metrics.maximum.item()) == (-3.0, 2.0)
    assert got.metrics.pair_loss.item() + got.metrics.centring.item() == pytest.approx(got.loss.item())
    assert not got.metrics.margin.requires_grad


def test_bf16_rewards_keep_their_type_in_the_gradient():
    c, r, w, m = batch(16, torch.bfloat16)
    c.requires_grad_()
    out = pair_margin(c, r, w, m)
    out.loss.backward()
    assert out.loss.dtype == torch.float32 and c.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("wrong", [torch.zeros(0), torch.zeros(2, 2), torch.zeros(3)])
def test_shapes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="one length"):
        pair_margin(wrong, torch.zeros(2), torch.zeros(2), torch.zeros(2))


def test_operator_keeps_pytorch_s_rules():
    c, r, w, m = batch(5)
    for hinge in (False, True):
        inputs = (c.clone().requires_grad_(), r.clone().requires_grad_(), w, m, hinge, 0.01)
        torch.library.opcheck(torch.ops.vlrm_kernels.pair_margin.default, inputs)


@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
def test_compiles_whole(backend):
    def step(c, r, w, m):
        out = pair_margin(c, r, w, m, centring=0.01)
        return out.loss, out.metrics.accuracy

    compiled = torch.compile(step, backend=backend, fullgraph=True)
    results = []
    for function in (step, compiled):
        c, r, w, m = batch(12)
        c.requires_grad_()
        loss, accuracy = function(c, r, w, m)
        loss.backward()
        results.append((loss.item(), accuracy.item(), c.grad))
    assert results[0][:2] == results[1][:2] and torch.allclose(results[0][2], results[1][2], rtol=1e-6)


def test_triton_is_imported_on_a_gpu_only():
    code = """
import sys, torch
import vlrm_kernels.lm_head, vlrm_kernels.pair_margin as p, vlrm_kernels.reward_head
assert "triton" not in sys.modules
p.pair_margin_loss(*torch.rand(4, 3))  # PyTorch's compiler may import Triton here; we do not
assert not [name for name in sys.modules if name.startswith("vlrm_kernels") and "kernel" in name.split(".")]
assert "vlrm_kernels.triton_math" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
