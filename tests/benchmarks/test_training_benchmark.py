"""The training benchmark on its tiny model: every figure is there, both ways compute the same, operations are counted."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from vlrm.reward.layout import Layout

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    path = BENCHMARKS / "training.py"
    spec = importlib.util.spec_from_file_location("training_benchmark", path)
    sys.path.insert(0, str(BENCHMARKS))  # as for a script: what benchmarks share stands beside them
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def model(benchmark, tmp_path):
    return benchmark.reward_model(benchmark.SMALL, tmp_path)


def made_up(benchmark, model):
    from training_models import rows

    return rows(model, benchmark.SMALL, 2, 2, benchmark.SMALL.short, seed=0)


def test_the_last_line_has_every_figure(benchmark, tmp_path, monkeypatch, capsys):
    out = tmp_path / "result.json"
    monkeypatch.setattr(sys, "argv", ["training.py", "--small", "--repeats", "1", "--out", str(out)])
    benchmark.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found == json.loads(out.read_text())
    missing = {name for name in benchmark.GOALS if found[name] is None}
    assert missing == set(found["not_measured"]) <= {"vs_trl_speedup"}
    for name in set(benchmark.GOALS) - missing:
        low, high = found["spread"][name]
        assert 0 < low <= found[name] <= high
    assert found["met"]["max_reward_error"] and found["met"]["max_gradient_error"]
    assert {"qwen2_5_vl", "gemma3"} == set(found["details"]["max_reward_error"])
    # A prompt of 40 tokens and answers of about 23 with their question: 2 (40 + 23) against 40 + 2 x 23 tokens.
    assert 0.5 < found["saved_tensor_ratio"] < 0.8 and 0.5 < found["flop_ratio"] < 0.8
    assert 1 / 8 < found["scoring_memory_ratio"] < 1
    if "vs_trl_speedup" not in missing:
        assert found["details"]["vs_trl_speedup"]["largest_loss_difference"] <= 5e-6


def test_rows_have_the_stated_lengths(benchmark, model):
    trees, _ = model._trees(made_up(benchmark, model), 0)
    least, most = benchmark.SMALL.short
    assert [len(tree.prefix) for tree in trees] == [benchmark.SMALL.prefix] * 2
    assert all(least <= len(branch.response) <= most for tree in trees for branch in tree.branches)


def test_ways_that_differ_are_not_compared(benchmark, model, monkeypatch):
    from training_steps import Ways

    given = made_up(benchmark, model)
    assert Ways(model, given).model.layout is Layout.PACKED
    monkeypatch.setattr(type(model), "forward", lambda self, rows: torch.zeros(len(rows)))
    with pytest.raises(RuntimeError, match="nothing to compare"):
        Ways(model, given)


def test_steps_of_both_ways_have_the_same_gradients(benchmark, model):
    from training_padded import bradley_terry
    from training_steps import Ways

    ways = Ways(model, made_up(benchmark, model))

    def gradients(way):
        model.zero_grad()
        bradley_terry(way()).backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    padded, shared = gradients(ways.padded), gradients(ways.shared)
    assert padded.keys() == shared.keys() and not any("visual" in name for name in padded)
    for name, value in padded.items():
        torch.testing.assert_close(shared[name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("keys", [5, 7])
def test_attention_on_a_cpu_is_counted_like_its_products(benchmark, keys):
    """PyTorch's own count of the same attention written as products is the yardstick."""
    from training_steps import CPU_ATTENTION

    def counted(backend):
        query = torch.randn(2, 3, 5, 8, requires_grad=True)
        key, value = (torch.randn(2, 3, keys, 8, requires_grad=True) for _ in range(2))
        with sdpa_kernel(backend), FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
            forward = scaled_dot_product_attention(query, key, value)
            before = counter.get_total_flops()
            forward.sum().backward()
        return before, counter.get_total_flops() - before

    forward, backward = counted(SDPBackend.FLASH_ATTENTION)
    assert forward == counted(SDPBackend.MATH)[0] == 4 * 2 * 3 * 5 * keys * 8
    # The flash form makes the scores once more on the way back: five products where the plain one has four.
    assert backward == counted(SDPBackend.MATH)[1] * 5 / 4


def test_losses_that_part_are_not_compared(benchmark):
    from training_trl import _in_step

    ways = {"trl": lambda _: torch.tensor(0.7), "shared": lambda _: torch.tensor(0.70001)}
    with pytest.raises(RuntimeError, match="losses of TRL"):
        _in_step(ways, [[], []])


def test_a_missing_trl_is_said(benchmark, monkeypatch):
    import training_trl

    monkeypatch.setattr(training_trl, "find_spec", lambda name: None)
    figure = training_trl.against_trl(benchmark.SMALL, 1)
    assert figure.median is None and "trl is not installed" in figure.why_not
