"""How long a stage and a run still need."""

from __future__ import annotations

import pytest

from vlrm.time_left import RunTime, StageTime, said


def test_a_stage_goes_on_at_the_pace_of_its_count():
    clock = StageTime()
    assert clock.left("model loaded", 0.0) is None
    assert clock.left("step 4 of 20, loss 0.3", 5.0) is None
    assert clock.left("step 5 of 20, loss 0.3", 7.0) is None  # too early to tell
    assert clock.left("step 8 of 20, loss 0.3", 45.0) == pytest.approx(120.0)
    assert clock.left("response 1 of 9 scored", 50.0) is None  # another count
    assert clock.left("response 3 of 9 scored", 70.0) == pytest.approx(60.0)


def test_a_run_needs_what_the_round_before_took():
    run = RunTime(["round_01.train", "round_01.measure", "round_02.train", "round_02.measure", "report"], {})
    run.done("round_01.train", 100.0)
    assert run.left() is None  # nobody knows how long measuring takes
    run.done("round_01.measure", 20.0)
    assert run.left() == 120.0
    run.done("round_02.train", 150.0)
    assert run.left() == 20.0
    run.done("round_02.measure", None)
    assert run.left() is None


def test_a_run_that_goes_on_knows_from_before_and_workers_share_the_work():
    run = RunTime(["round_02.train", "round_03.train"], {"round_00.train": 10.0, "round_01.train": 60.0})
    run.workers = 2
    assert run.left() == 60.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "about 1 s"), (89, "about 89 s"), (700, "about 12 min"), (4800, "about 80 min"), (7500, "about 2 h 05 min")],
)
def test_it_is_said_in_round_numbers(seconds, words):
    assert said(seconds) == words
