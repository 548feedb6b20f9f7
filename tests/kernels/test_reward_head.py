"""The reward head at chosen rows on a CPU: equal to the model's head, differentiable, compilable."""

import pytest
import torch

from vlrm.reward.head import Head
from vlrm_kernels.reward_head import reward_head


def head(width=24, hidden=10):
    torch.manual_seed(1)
    made = Head(width, hidden)
    torch.nn.init.normal_(made.last.weight)
    torch.nn.init.normal_(made.last.bias)
    return made


def weights(made):
    return made.first.weight, made.first.bias, made.last.weight, made.last.bias


@pytest.mark.parametrize("rows", [[0], [6, 2, 4], [3, 3, 3, 0], []])
def test_equal_to_the_model_s_head_with_its_gradients(rows):
    made, rows = head(), torch.tensor(rows, dtype=torch.long)
    x = torch.randn(7, 24, requires_grad=True)
    towards = torch.randn(rows.shape[0])
    leaves = (x, *weights(made))
    want = torch.autograd.grad((made(x[rows]) * towards).sum(), leaves)
    rewards = reward_head(x, rows, *weights(made))
    got = torch.autograd.grad((rewards * towards).sum(), leaves)
    assert torch.allclose(rewards, made(x[rows]), atol=1e-6)
    for a, b in zip(got, want, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_gradient_by_finite_differences():
    made, rows = head(5, 3).double(), torch.tensor([2, 0, 2])
    leaves = [t.detach().requires_grad_() for t in (torch.randn(4, 5, dtype=torch.float64), *weights(made))]
    assert torch.autograd.gradcheck(lambda x, *w: reward_head(x, rows, *w), leaves)


def test_only_what_is_asked_for_gets_a_gradient():
    made, rows = head().requires_grad_(False), torch.tensor([1, 5])
    x = torch.randn(7, 24, requires_grad=True)
    reward_head(x, rows, *weights(made)).sum().backward()
    assert x.grad[[0, 2, 3, 4, 6]].eq(0).all() and x.grad[[1, 5]].abs().sum() > 0
    made.requires_grad_()
    reward_head(x.detach(), rows, *weights(made)).sum().backward()
    assert all(w.grad is not None for w in weights(made))


def test_bf16_states_are_read_in_float32():
    made, rows = head(), torch.tensor([0, 6])
    x = torch.randn(7, 24).bfloat16().requires_grad_()
    rewards = reward_head(x, rows, *weights(made))
    rewards.sum().backward()
    assert rewards.dtype == torch.float32 and x.grad.dtype == torch.bfloat16
    assert torch.allclose(rewards, made(x.detach().float()[rows]), atol=1e-6)


def test_autocast_does_not_change_it():
    made, rows, x = head(), torch.tensor([0, 6]), torch.randn(7, 24)
    with torch.autocast("cpu", torch.bfloat16):
        rewards = reward_head(x, rows, *weights(made))
    assert torch.equal(rewards, reward_head(x, rows, *weights(made)))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="hidden \\(T, D\\)"):
        reward_head(torch.zeros(3, 23), torch.tensor([0]), *weights(head()))


def test_operators_keep_pytorch_s_rules():
    made, rows = head(), torch.tensor([1, 4, 1])
    x, (first, first_bias, last, last_bias) = torch.randn(7, 24, requires_grad=True), weights(made)
    inputs = (x, rows, first, first_bias, last.detach()[0].requires_grad_(), last_bias)
    torch.library.opcheck(torch.ops.vlrm_kernels.reward_head.default, inputs)


def test_compiles_whole():
    made, rows = head(), torch.tensor([1, 4])
    x = torch.randn(7, 24)
    compiled = torch.compile(lambda x: reward_head(x, rows, *weights(made)), backend="aot_eager", fullgraph=True)
    want = torch.autograd.grad(reward_head(x.requires_grad_(), rows, *weights(made)).sum(), x)
    got = torch.autograd.grad(compiled(x).sum(), x)
    assert torch.equal(got[0], want[0])
