"""The Triton kernels against float64, in Triton's interpreter and, where there is one, on a GPU."""

import json
import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

CASES = Path(__file__).with_name("kernel_cases.py")
KERNELS = Path(__file__).parents[2] / "kernels"

pytestmark = [
    pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed"),
    pytest.mark.xdist_group("triton_interpreter"),  # the cases run once
]


def run(device):
    environment = os.environ | {"PYTHONPATH": str(KERNELS)}
    environment.pop("TRITON_INTERPRET", None)
    if device == "cpu":
        environment["TRITON_INTERPRET"] = "1"
    command = [sys.executable, str(CASES), device]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def cases():
    return run("cpu")


def beyond(cases, figure, bound):
    return [(c["kernel"], c["case"], c[figure]) for c in cases if not c.get(figure, 0) <= bound]


def test_at_least_300_cases_of_every_kernel_and_form(cases):
    assert len(cases) >= 300
    counts = Counter(c["kernel"] for c in cases)
    assert set(counts) == {
        "pair_margin",
        "reward_head",
        *(f"lm_head {f}" for f in ("score", "frozen", "two_pass", "pairs")),
    }
    assert min(counts.values()) >= 15


def test_float32_losses_within_1e_6(cases):
    assert beyond([c for c in cases if c["exact"]], "loss", 1e-6) == []


def test_float32_gradients_within_1e_5(cases):
    assert beyond([c for c in cases if c["exact"]], "gradient", 1e-5) == []


def test_metrics_within_1e_6(cases):
    assert sum("metrics" in c for c in cases) > 100
    assert beyond(cases, "metrics", 1e-6) == []


def test_bf16_within_1e_2(cases):
    half = [c for c in cases if not c["exact"]]
    assert len(half) >= 6
    assert beyond(half, "loss", 1e-2) == beyond(half, "gradient", 1e-2) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_same_cases_on_a_gpu():
    # The device's exp is an approximation: 2 units in the last place of its argument's exponent.
    cases = run("cuda")
    exact = [c for c in cases if c["exact"]]
    assert beyond(exact, "loss", 1e-5) == beyond(exact, "gradient", 1e-4) == []
    assert beyond(cases, "loss", 1e-2) == beyond(cases, "gradient", 2e-2) == []
