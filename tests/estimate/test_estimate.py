"""Counts come from the parameters, costs from the sample: what grows, what does not, and what is not known."""

from dataclasses import replace

import pyarrow as pa
import pytest
from rich.console import Console

from vlrm.estimate.extrapolate import Prices, estimate
from vlrm.estimate.measured import Measured, Unit, Yields, timed
from vlrm.estimate.table import between, clock, estimate_table
from vlrm.estimate.tried import criticised_sides
from vlrm.estimate.work import ExamSize, Sizes, all_work
from vlrm.progress import say
from vlrm.schema import QUESTION

SIZES = Sizes(
    rounds=3, round_prompts=150, calibration_scenes=300, calibration_prompts=120,
    gate=ExamSize(60, 22, 44, 0, 150, 4), report=ExamSize(134, 50, 110, 50, 300, 4), candidates=4, critiques=2, on_policy=1,
    exam_critiques=2, budget=280, critic_epochs=1, critic_rows=24, reward_epochs=4, reward_pairs=8, best_prompts=80,
    best_candidates=16, truth=True, criticised=160, flipped=60,
)  # fmt: skip
YIELDS = Yields(quad_images=1.7, criticised=6, offered=9, accepted=3, sides=1.8, targets=0.25)
KINDS = {work.kind for work in all_work(SIZES, YIELDS)}


def measured(**changed):
    units = {kind: Unit(seconds=[1.0], cpu_seconds=1.0) for kind in KINDS} | changed
    return Measured(
        prompts=16, seconds=9, units={k: u for k, u in units.items() if u}, yields=YIELDS
    )  # fmt: skip


def items(sizes, kind, number):
    return sum(work.items for work in all_work(sizes, YIELDS) if (work.kind, work.round) == (kind, number))


def test_the_default_run_is_counted_as_it_is():
    """Figures of a finished run with default parameters: its log says how many of each there were."""
    assert items(SIZES, "candidate", 1) == 600
    assert [items(SIZES, "reward step", number) for number in (1, 2, 3)] == [140, 280, 420]
    plain = next(w for w in all_work(SIZES, YIELDS) if (w.stage, w.round, w.kind) == ("evaluation", 3, "critique"))
    assert plain.low == 680 + 640 + 600 + 240
    assert plain.high == 680 + 1416 + 600 + 640 + 640


def test_training_learns_from_all_rounds_so_it_grows_and_sampling_does_not():
    assert items(SIZES, "critique with evidence", 1) == items(SIZES, "critique with evidence", 3)
    assert items(SIZES, "critic step", 3) > 2 * items(SIZES, "critic step", 1)


def test_the_budget_bounds_what_is_kept():
    assert estimate(SIZES, measured()).kept_pairs == 280
    assert estimate(replace(SIZES, round_prompts=50), measured()).kept_pairs == 150


def test_without_truth_nothing_is_drawn_for_the_exam_and_no_best_of_n_is_chosen():
    own = replace(SIZES, truth=False, best=False, calibration_prompts=0)
    assert items(own, "prompt", 0) == 450 < items(replace(own, truth=True), "prompt", 0)
    assert items(own, "candidate", None) == 0 < items(replace(own, best=True), "candidate", None)


def test_seconds_are_items_times_cost_and_the_range_is_of_what_was_measured():
    found = estimate(SIZES, measured(**{"reward step": Unit(seconds=[1.0, 3.0])}))
    line = next(line for line in found.lines if line.work == "reward step")
    assert (line.items, line.seconds, line.low, line.high) == (840, 1680, 840, 2520)
    assert sum(found.by_round.values()) == pytest.approx(found.total.seconds)


def test_what_could_not_be_tried_is_named_and_not_counted():
    found = estimate(SIZES, measured(**{"critic step": None}))
    line = next(line for line in found.lines if line.work == "critic step")
    assert line.seconds is None and line.items > 0
    assert any("Not measured" in note and "critic step" in note for note in found.notes)


def test_stages_side_by_side_bound_the_run_from_below():
    one, two = (estimate(replace(SIZES, workers=workers), measured()) for workers in (1, 2))
    assert one.total == two.total
    half, whole = round(two.total.seconds / 120), round(two.total.seconds / 60)
    assert any(f"between {half} and {whole} minutes" in note for note in two.notes)
    assert not any("workers" in note for note in one.notes)


def test_a_busy_machine_is_told():
    quiet = estimate(SIZES, measured())
    busy = estimate(SIZES, measured(**{"candidate": Unit(seconds=[100.0], cpu_seconds=1.0)}))
    assert not any("processor" in note for note in quiet.notes)
    assert any("processor" in note for note in busy.notes)


def test_only_what_an_endpoint_writes_has_a_price():
    tokens = {"prompt_tokens": 1000.0, "completion_tokens": 100.0, "requests": 1.0}
    units = {kind: Unit(seconds=[1.0], **tokens) for kind in ("candidate", "critique with evidence", "critique")}
    found = estimate(SIZES, measured(**units), Prices(prompt=2.0, completion=10.0))
    cost = {line.work: line.cost for line in found.lines if line.stage == "critique_generation"}
    assert cost["candidate"] == pytest.approx(1800 * (1000 * 2 + 100 * 10) / 1e6)
    assert cost["image annotated"] is None
    assert all(line.cost is None for line in found.lines if line.work == "critique")
    assert found.total.cost > cost["candidate"]
    assert estimate(SIZES, measured(**units)).total.cost is None


def test_steps_are_timed_from_one_to_the_next():
    with timed("step") as lap:
        for text in ("loading", "step 1", "step 2", "step 3"):
            say(text)
    assert len(lap.steps) == 2


def test_the_table_has_every_stage_and_the_total():
    console = Console(width=160, record=True, file=open("/dev/null", "w"))
    console.print(estimate_table(estimate(SIZES, measured(**{"critic step": None}))))
    shown = console.export_text()
    for name in ("groundwork", "critique_generation", "rm_training", "evaluation", "total", "not measured"):
        assert name in shown


@pytest.mark.parametrize(("seconds", "told"), [(4.21, "4.2 s"), (185, "3 min 05 s"), (7805, "2 h 10 min")])
def test_times_are_told_as_people_say_them(seconds, told):
    assert clock(seconds) == told


@pytest.mark.parametrize(
    ("ends", "told"), [((7.6, 12.2), "8-12 s"), ((700, 1090), "12-18 min"), ((3960, 4680), "1.1-1.3 h")]
)
def test_a_range_has_one_unit(ends, told):
    assert between(*ends) == told


def test_critiques_are_counted_of_answers_and_not_of_claim_questions():
    def kept(source: str, number: int) -> dict[str, object]:
        return {"source": source, "chosen_id": f"{source} c{number}", "rejected_id": f"{source} r{number}"}

    answers = [kept("candidates", number) for number in range(6)]
    pairs = pa.Table.from_pylist([*answers, *(kept(QUESTION, number) for number in range(14))])
    assert criticised_sides(pairs, questions=1.0) == pytest.approx(12 / 20)
    assert criticised_sides(pairs, questions=0.4) == pytest.approx(2 * 0.6)
    assert criticised_sides(pa.Table.from_pylist(answers), questions=0.4) == 2
    assert criticised_sides(pa.Table.from_pylist([kept(QUESTION, 0)]), questions=0.4) == 0
