from __future__ import annotations

import pytest

from vlrm.reward.schedule import warm_cosine


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11, 300])
def test_the_rate_rises_to_its_peak_and_falls_whatever_the_number_of_steps(steps):
    rates = [warm_cosine(step, steps) for step in range(steps + 1)]
    assert max(rates) == 1.0
    assert all(0.0 <= rate <= 1.0 for rate in rates)
    peak = rates.index(1.0)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
