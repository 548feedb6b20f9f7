"""What MLflow gets of a round: headline figures first, the others in sections, counts, series, a table of rounds."""

import pyarrow as pa
import pytest

from vlrm.registry.tracked import as_csv, note, numbers, tracked
from vlrm.schema import WATERFALL

FIGURE = {"value": 0.8, "low": 0.7, "high": 0.9}


def test_only_numbers_are_figures():
    data = {"a": 1, "b": {"c": 0.5, "d": "text", "e": None, "f": True}, "g h%": 2}
    assert numbers(data) == {"a": 1.0, "b.c": 0.5, "g h_": 2.0}
    assert numbers({}) == {}


def test_headline_figures_stand_before_the_sections_with_their_intervals():
    data = {
        "figures": {
            "quad_accuracy": 0.8,
            "blank_image_accuracy": 0.5,
            "blank_image_accuracy_all": 0.6,
            "kind_count": 0.4,
        },
        "metrics": {"figures": {"quad_accuracy": FIGURE}},
        "gate": {"gate-00001": 1.0},
        "baselines": {"text_only": FIGURE},
    }
    found = tracked("metrics_02", data)
    assert found.round == 2
    assert found.figures == {
        "quad_accuracy": 0.8,
        "blank_image_accuracy": 0.5,
        "controls/blank_image_accuracy_all": 0.6,
        "kind/count": 0.4,
        "intervals/quad_accuracy low": 0.7,
        "intervals/quad_accuracy high": 0.9,
    }


def test_the_waterfall_is_counted_over_its_sources():
    rows = [("offered", 0, 9), ("undecided", 4, 5), ("kept", 0, 5)]
    tables = [
        {"source": s, "test": t, "refused": r, "left": n} for s in ("candidates", "counterfactual") for t, r, n in rows
    ]
    table = pa.Table.from_pylist(tables, WATERFALL)
    assert tracked("round_01.waterfall", table).figures == {
        "pairs/offered": 18,
        "pairs refused/undecided": 8,
        "pairs/kept": 10,
    }
    assert as_csv(table).splitlines()[1] == '"candidates","offered",0,9'


def test_training_is_a_series_over_its_own_steps():
    steps = [{"step": 1, "total": 2, "loss": 0.7, "accuracy": 0.5}, {"step": 2, "total": 2, "loss": 0.4, "accuracy": 1}]
    found = tracked("round_03.summary_training", {"pairs": 9, "critiques": 4, "steps": steps})
    assert (found.round, found.figures) == (3, {})
    assert found.series == {"training/loss": [(1, 0.7), (2, 0.4)], "training/accuracy": [(1, 0.5), (2, 1.0)]}


def test_the_quality_of_critiques_has_a_section_for_each_kind():
    one = {"critiques": 9, "responses": 5, "figures": {"parsed": FIGURE}, "refused": {"unparsed": 2}}
    one |= {"templates": ["embedded-1"], "tokens_mean": 40.0, "tokens_p95": None}
    found = tracked("round_02.summary_critique_quality", {"with_evidence": one, "on_policy": one | {"refused": {}}})
    assert found.round == 2
    assert found.figures == {
        "critiques with evidence/parsed": FIGURE["value"],
        "critiques with evidence refused/unparsed": 2.0,
        "critiques with evidence/tokens_mean": 40.0,
        "critiques on policy/parsed": FIGURE["value"],
        "critiques on policy/tokens_mean": 40.0,
    }


@pytest.mark.parametrize("name", ["promotion", "pairs_01", "round_01.candidates", "round_01.audit"])
def test_other_datasets_are_not_tracked(name):
    assert tracked(name, {"value": 1}) is None


def test_the_note_is_a_table_of_rounds():
    one = {"round": 1, "pairs_offered": 90, "pairs_kept": 40, "quad_accuracy": FIGURE, "organic_accuracy": None}
    text = note({"rounds": [one], "champion": None, "seconds": 1.0, "peak_memory_mb": 1.0})
    assert text.splitlines()[-3:] == [
        "| round | pairs offered | kept | quad |",
        "| ---: | ---: | ---: | ---: |",
        "| 1 | 90 | 40 | 80.0 (70.0-90.0) |",
    ]
    assert "Champion: none yet." in text


def test_an_ablation_gives_the_headline_figures_of_every_arm():
    arm = {
        "name": "no_quads",
        "figures": {"quad_accuracy": FIGURE, "edited_accuracy": FIGURE, "organic_accuracy": None},
    }
    found = tracked(
        "ablation_summary",
        {"rounds": 3, "arms": [arm], "gap_recovered": {"quad_accuracy": FIGURE, "organic_accuracy": None}},
    )
    assert found.round == 3
    assert found.figures == {"ablation no_quads/quad_accuracy": 0.8, "gap recovered/quad_accuracy": 0.8}
