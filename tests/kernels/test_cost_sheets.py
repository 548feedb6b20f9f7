"""The cost sheets: their arithmetic, and that the documentation shows what the code says."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vlrm_kernels.lm_head import cost as lm_head
from vlrm_kernels.lm_head.benchmark import Setting, ways
from vlrm_kernels.pair_margin import cost as pair_margin
from vlrm_kernels.reward_head import cost as reward_head
from vlrm_kernels.roofline import Cost, counted, sheet

PAGE = Path(__file__).parents[2] / "docs" / "kernels.md"


@pytest.mark.parametrize("module", [pair_margin, reward_head, lm_head])
def test_the_documentation_shows_the_sheet(module):
    assert sheet(module.costs()) in PAGE.read_text()


def test_the_roofline_is_the_slower_of_memory_and_arithmetic():
    assert Cost("memory", 3.35e9, 1.0, 1, 0).seconds() == pytest.approx(1e-3)
    assert Cost("arithmetic", 1.0, 989e9, 1, 0).seconds() == pytest.approx(1e-3)


def test_bytes_are_counted_as_eager_runs():
    x, rows = torch.zeros(100, 4, device="meta"), torch.zeros(3, dtype=torch.long, device="meta")
    assert counted(lambda: x + x) == (3 * 1600, 1)
    assert counted(lambda: x.T[0]) == (0, 0)  # views move nothing
    assert counted(lambda: x[rows]) == (3 * 8 + 2 * 48, 1)  # rows read and written, and their numbers


@pytest.mark.parametrize("way", ["naive, frozen", "naive, trainable"])
def test_operations_of_the_naive_form_are_those_that_pytorch_counts(way):
    setting = Setting(tokens=512, words=1000, width=64, pairs=4)
    with FlopCounterMode(display=False) as counter:
        ways(setting, "meta")[way]()
    costs = {c.name: c for c in lm_head.costs(setting.tokens, setting.words, setting.width, setting.pairs)}
    assert costs[way].operations == counter.get_total_flops()


def test_the_sheet_holds_what_the_bounds_ask():
    costs = {c.name: c for c in lm_head.costs()}
    assert costs["one pass, frozen"].held <= 0.06 * costs["naive, frozen"].held
    assert costs["pair by pair, trainable"].held <= 0.2 * costs["naive, trainable"].held
