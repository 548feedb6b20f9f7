"""Log-probabilities through an LM head on a CPU: equal to the naive form in every form, in little memory."""

import pytest
import torch

from vlrm_kernels.lm_head import logprob_margin_loss, sequence_logprob, token_logprob
from vlrm_kernels.lm_head.benchmark import Setting, peak_bytes, ways
from vlrm_kernels.lm_head.chunked import default_chunk
from vlrm_kernels.lm_head.reference import naive
from vlrm_kernels.pair_margin import pair_margin

T, V, D, PAIRS = 40, 67, 12, 3


def problem(dtype=torch.float64, seed=0, trainable=True, bias=True):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(T, D, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    weight = torch.randn(V, D, generator=generator, dtype=torch.float64).to(dtype).requires_grad_(trainable)
    bias = (
        torch.randn(V, generator=generator, dtype=torch.float64).to(dtype).requires_grad_(trainable) if bias else None
    )
    targets = torch.randint(0, V, (T,), generator=generator)
    owner = torch.randint(0, 2 * PAIRS, (T,), generator=generator)
    return hidden, weight, bias, targets, owner


def by_loops(logp, owner, sequences, mean):
    sums = [logp[owner == b] for b in range(sequences)]
    return torch.stack([(s.mean() if mean and len(s) else s.sum()) for s in sums])


@pytest.mark.parametrize("softcap", [0.0, 5.0])
@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("chunk", [1, 7, 64])
@pytest.mark.parametrize("trainable", [True, False])
def test_sequences_equal_the_naive_form(softcap, mean, chunk, trainable):
    hidden, weight, bias, targets, owner = problem(trainable=trainable)
    leaves = [t for t in (hidden, weight, bias) if t.requires_grad]
    towards = torch.randn(7, dtype=torch.float64)  # the seventh sequence has no token
    got = sequence_logprob(hidden, weight, targets, owner, 7, mean=mean, bias=bias, softcap=softcap, chunk=chunk)
    want = by_loops(naive(hidden, weight, targets, bias, softcap), owner, 7, mean)
    assert torch.allclose(got, want) and got[6] == 0
    gradients = [torch.autograd.grad((s * towards).sum(), leaves) for s in (got, want)]
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b)


@pytest.mark.parametrize("kind", ["bradley_terry", "hinge"])
@pytest.mark.parametrize("keep", [None, 1, 2 * 5 * 128 * 8])
@pytest.mark.parametrize("trainable", [True, False])
def test_margin_loss_equals_the_naive_form(kind, keep, trainable):
    hidden, weight, bias, targets, owner = problem(trainable=trainable)
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(2 * PAIRS, dtype=torch.float64, requires_grad=True)
    w, m = torch.rand(2, PAIRS, dtype=torch.float64)
    got = logprob_margin_loss(
        hidden, weight, targets, owner, w, m, scale=scale, offset_B=offset, bias=bias, kind=kind, centring=0.01,
        chunk=5, keep=keep,
    )  # fmt: skip
    rewards = scale * by_loops(naive(hidden, weight, targets, bias, 0.0), owner, 2 * PAIRS, True) + offset
    want = pair_margin(rewards[::2], rewards[1::2], w, m, kind=kind, centring=0.01)
    assert torch.allclose(got.loss, want.loss) and torch.allclose(got.rewards, rewards)
    assert all(torch.allclose(a, b) for a, b in zip(got.metrics, want.metrics, strict=True))
    leaves = [t for t in (hidden, weight, bias, scale, offset) if t.requires_grad]
    gradients = [torch.autograd.grad(3 * loss, leaves) for loss in (got.loss, want.loss)]
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b)


def test_float32_within_the_bounds():
    hidden, weight, bias, targets, owner = problem(torch.float32)
    exact = [t.detach().double().requires_grad_() for t in (hidden, weight, bias)]
    w, m = torch.ones(PAIRS), torch.ones(PAIRS)
    got = logprob_margin_loss(hidden, weight, targets, owner, w, m, bias=bias)
    want = logprob_margin_loss(*exact[:2], targets, owner, w.double(), m.double(), bias=exact[2])
    assert got.loss.item() == pytest.approx(want.loss.item(), rel=1e-6)
    got.loss.backward(), want.loss.backward()
    for a, b in zip((hidden, weight, bias), exact, strict=True):
        assert ((a.grad - b.grad).abs().max() / b.grad.abs().max()).item() <= 1e-5


def test_bf16_two_passes_equal_the_naive_form_bit_for_bit_in_the_hidden_states():
    hidden, weight, _, targets, owner = problem(torch.bfloat16)
    sums = sequence_logprob(hidden, weight, targets, owner, 6, mean=False)
    want = by_loops(naive(hidden, weight, targets, None, 0.0), owner, 6, False)
    a, b = (torch.autograd.grad(s.sum(), (hidden, weight)) for s in (sums, want))
    assert torch.equal(a[0], b[0])
    assert torch.allclose(a[1].float(), b[1].float(), atol=2e-2)


def test_bf16_one_pass_rounds_twice():
    hidden, weight, _, targets, owner = problem(torch.bfloat16, trainable=False)
    sums = sequence_logprob(hidden, weight, targets, owner, 6, mean=True)
    want = by_loops(naive(hidden, weight, targets, None, 0.0), owner, 6, True)
    a, b = (torch.autograd.grad(s.square().sum(), hidden)[0].float() for s in (sums, want))
    assert ((a - b).abs().max() / b.abs().max()).item() < 1e-2


def test_scores_do_not_depend_on_the_chunk_or_on_other_sequences():
    hidden, weight, bias, targets, owner = problem(torch.float32)
    with torch.no_grad():
        whole = sequence_logprob(hidden, weight, targets, owner, 6, mean=True, bias=bias)
        for b in range(6):
            own = owner == b
            alone = sequence_logprob(
                hidden[own], weight, targets[own], owner[own] * 0, 1, mean=True, bias=bias, chunk=3
            )
            assert torch.allclose(alone[0], whole[b], rtol=1e-6)


def test_a_logit_scale_is_a_factor_on_the_hidden_states():
    hidden, weight, _, targets, _ = problem(bias=False)
    want = torch.log_softmax(0.25 * (hidden @ weight.T), 1).gather(1, targets[:, None])[:, 0]
    assert torch.allclose(token_logprob(0.25 * hidden, weight, targets), want)


def test_gradients_by_finite_differences():
    hidden, weight, bias, targets, owner = problem()
    leaves = [t.detach()[:k].requires_grad_() for t, k in ((hidden, 6), (weight, V), (bias, V))]
    leaves[1] = weight.detach()[:9].requires_grad_()
    leaves[2] = bias.detach()[:9].requires_grad_()
    words = targets[:6] % 9

    def sums(h, w, b):
        return sequence_logprob(h, w, words, owner[:6], 6, mean=True, bias=b, softcap=2.0, chunk=4)

    assert torch.autograd.gradcheck(sums, leaves)


def test_what_does_not_fit_is_refused():
    hidden, weight, _, targets, _ = problem()
    with pytest.raises(ValueError, match="hidden \\(T, D\\)"):
        token_logprob(hidden, weight, targets[:-1])
    with pytest.raises(ValueError, match="cast one"):
        token_logprob(hidden, weight.float(), targets)


def test_autocast_casts_as_it_does_a_linear_layer():
    hidden, weight, _, targets, owner = problem(torch.float32)
    w, m = torch.ones(2, PAIRS)
    with torch.autocast("cpu", torch.bfloat16):
        want = by_loops(naive(hidden, weight, targets, None, 0.0), owner, 6, True)
        got = sequence_logprob(hidden, weight, targets, owner, 6, mean=True)
        loss = logprob_margin_loss(hidden, weight, targets, owner, w, m).loss
    assert torch.allclose(got, want, rtol=1e-5)
    assert loss.item() == pytest.approx(pair_margin(want[::2], want[1::2], w, m).loss.item(), rel=1e-5)
    for gradient in (*torch.autograd.grad(got.sum(), (hidden, weight)), *torch.autograd.grad(loss, (hidden, weight))):
        assert gradient.dtype == torch.float32


@pytest.mark.parametrize(("tokens", "chunk"), [(1, 128), (1536, 128), (3071, 128), (3072, 256), (100000, 512)])
def test_more_tokens_a_chunk_where_that_is_little_of_all(tokens, chunk):
    assert default_chunk(torch.empty(tokens, 1)) == chunk


def test_no_token_at_all():
    hidden, weight, _, targets, owner = problem()
    assert sequence_logprob(hidden[:0], weight, targets[:0], owner[:0], 3, mean=True).tolist() == [0, 0, 0]


@pytest.mark.parametrize("form", [0, 1, 2])
def test_operators_keep_pytorch_s_rules(form):
    hidden, weight, bias, targets, _ = problem(trainable=form == 2)
    hidden = hidden.detach().requires_grad_(form > 0)
    inputs = (hidden, weight, targets, bias, 0.0, 16, form)
    torch.library.opcheck(torch.ops.vlrm_kernels.linear_logprob.default, inputs)


@pytest.mark.parametrize("trainable", [True, False])
def test_compiles_whole(trainable):
    hidden, weight, bias, targets, owner = problem(trainable=trainable)
    leaves = [t for t in (hidden, weight, bias) if t.requires_grad]

    def sums(h, w, b):
        return sequence_logprob(h, w, targets, owner, 6, mean=True, bias=b).square().sum()

    compiled = torch.compile(sums, backend="aot_eager", fullgraph=True)
    a, b = (torch.autograd.grad(f(hidden, weight, bias), leaves) for f in (sums, compiled))
    assert all(torch.allclose(x, y) for x, y in zip(a, b, strict=True))


def test_peak_memory_against_the_naive_form():
    """The bounds of the project: 0.06 of the naive form's peak with a frozen head, 0.2 with a trainable one."""
    setting = Setting(tokens=1536, words=4000, width=64, pairs=4)  # the benchmark's, an eighth of it each way
    peaks = {name: peak_bytes(way) for name, way in ways(setting, "cpu").items()}
    assert peaks["naive, frozen"] >= 3 * setting.tokens * setting.words * 4  # logits, log-softmax and its gradient
    assert peaks["one pass, frozen"] <= 0.06 * peaks["naive, frozen"]
    assert peaks["pair by pair, trainable"] <= 0.2 * peaks["naive, trainable"]
    assert peaks["two passes, trainable"] <= 0.2 * peaks["naive, trainable"]
    assert peaks["scoring"] <= 0.06 * peaks["naive scoring"]


def test_peak_memory_does_not_grow_with_the_sequences():
    short, long = (
        peak_bytes(ways(Setting(tokens=n, words=8000, width=16, pairs=2), "cpu", chunk=128)["one pass, frozen"])
        for n in (512, 4096)
    )
    logits = (4096 - 512) * 8000 * 4
    assert long - short < 0.02 * logits
