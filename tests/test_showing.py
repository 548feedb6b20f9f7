"""What a run shows elsewhere than on a terminal: whole lines, now and then."""

from io import StringIO

from rich.console import Console

from vlrm import showing
from vlrm.lineage.ledger import Stage
from vlrm.showing import Display

STAGE = Stage("round_01.rm_training.train_reward_model", "01", {}, (), {})


def test_a_line_names_its_stage_and_what_it_said_and_comes_not_too_often(monkeypatch):
    shown = StringIO()
    display = Display(Console(file=shown, width=160))
    display.begins(STAGE, "3/9")
    display.says(STAGE.name, "step 1 of 40")
    assert shown.getvalue() == ""
    monkeypatch.setattr(showing, "_QUIET_SECONDS", 0.0)
    display.says(STAGE.name, "step [2] of 40")
    display.ends(STAGE, "3/9", "1.5 s")
    said, ended = shown.getvalue().splitlines()
    assert said.split() == ["3/9", "round", "01", "rm_training.train_reward_model", "step", "[2]", "of", "40"]
    assert ended.split()[-2:] == ["1.5", "s"]


def test_a_count_tells_how_long_its_stage_still_needs(monkeypatch):
    shown, now = StringIO(), [0.0]
    monkeypatch.setattr(showing.time, "monotonic", lambda: now[0])
    display = Display(Console(file=shown, width=160))
    display.begins(STAGE, "3/9")
    for step in (1, 2, 3):
        now[0] += 60
        display.says(STAGE.name, f"step {step} of 40")
    assert shown.getvalue().splitlines()[-1].endswith("step 3 of 40 (about 37 min left)")


def test_a_terminal_shows_all_stages_at_work():
    shown = StringIO()
    display = Display(Console(file=shown, width=160, force_terminal=True, highlight=False))
    other = Stage("round_02.expert_annotation.draw_prompts", "02", {}, (), {})
    with display.live():
        display.begins(STAGE, "3/9")
        display.begins(other, "4/9")
        display.says(other.name, "prompt 5 of 150")
        assert "train_reward_model" in str(display._status.status) and "prompt 5 of 150" in str(display._status.status)
        display.ends(STAGE, "3/9", "1.5 s")
        assert "train_reward_model" not in str(display._status.status)
    assert "1.5 s" in shown.getvalue()
