"""``make gpu-check`` on a machine without a GPU: the equality part runs, and what is not equal is noticed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CPU = torch.device("cpu")
SMALL = ([(9, (4, 3))], [(5, (1, 1, 6)), (7, ()), (1, (2,))])


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))  # as for a script: what benchmarks share stands beside them
    module = importlib.import_module("gpu_parts")
    monkeypatch.setattr(module, "SHAPES", SMALL)
    return module


@pytest.fixture
def check(parts, monkeypatch):
    module = importlib.import_module("gpu_check")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return module


def run(check, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", *words])
    return check.main()


def test_attention_is_equal_in_every_way(parts):
    found = list(parts.attention_checks(CPU))
    assert len(found) == 2 * 2 * 2 * len(SMALL) and all(one.holds for one in found)
    assert max(one.error for one in found if "float32" in one.what) < 1e-5


def test_rewards_are_equal_in_every_layout_and_precision(parts, monkeypatch):
    monkeypatch.setattr(parts, "KINDS", ("qwen3_vl",))
    found = list(parts.reward_checks(CPU))
    assert len(found) == 2 * (2 * 3 + 1)
    assert all(one.holds for one in found), [one for one in found if not one.holds]


def test_an_answer_that_sees_another_is_noticed(parts, check, monkeypatch, capsys):
    def leaking(leaves, segments):
        merged = [
            (prompt, [(branches[0][0], branches[-1][1])] if branches else []) for prompt, branches in segments.trees
        ]
        return parts.padded(leaves, parts.Segments(merged, segments.device))

    monkeypatch.setattr(parts, "one_call", leaking)
    monkeypatch.setattr(parts, "reward_checks", lambda device: [])
    monkeypatch.setattr(parts, "kernel_checks", lambda device: [])
    assert run(check, monkeypatch, "--allow-cpu") == 1
    assert "NOT EQUAL" in capsys.readouterr().out


def test_without_a_gpu_it_says_so_and_needs_leave(parts, check, monkeypatch, capsys):
    for words, code in (((), 1), (("--allow-cpu",), 0)):
        monkeypatch.setattr(check, "checks", lambda device: list(parts.attention_checks(device)))
        assert run(check, monkeypatch, *words) == code
        said = capsys.readouterr().out
        assert "sees no CUDA device" in said and "comparisons are equal" in said and "NOT EQUAL" not in said


def test_no_number_is_not_equal(parts):
    assert not parts.Check("x", float("nan"), 1.0).holds


def test_a_kernel_case_that_is_off_is_noticed(parts, monkeypatch, tmp_path):
    """The cases themselves are tests/kernels: here a file of two stands for them, one with no number in it."""
    cases = [{"kernel": "k", "exact": True, "loss": 1e-8, "gradient": error} for error in (1e-7, float("nan"))]
    (tmp_path / "cases.py").write_text(
        f"import json\nprint(json.dumps({cases!r}.copy()))".replace("nan", "float('nan')")
    )
    monkeypatch.setattr(parts, "CASES", tmp_path / "cases.py")
    assert [one.holds for one in parts.kernel_checks(CPU)] == [True, False]
    (tmp_path / "cases.py").write_text("raise SystemExit('no compiler')")
    (failed,) = parts.kernel_checks(CPU)
    assert not failed.holds and "no compiler" in failed.what


def test_the_roofline_of_attention_counts_what_is_seen(check):
    pair = check.attention_cost([(2, (1, 1))])
    keys_seen = 1 + 2 + 3 + 3
    assert pair.operations == 3.5 * 4 * keys_seen * 128 * 28
    assert pair.moved == 3 * 2 * 4 * 128 * (2 * 28 + 2 * 4)
    alone = check.attention_cost([(1350, (450,))] * 2)
    assert 1.35 < alone.seconds() / check.attention_cost([(1350, (450, 450))]).seconds() < 1.45
