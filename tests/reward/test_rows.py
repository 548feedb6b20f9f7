"""The critiques in the head's input: on-policy, without their verdicts, half of the rows bare, some made wrong."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from vlrm.critiques import grammar
from vlrm.reward.rows import TrainingPair, critique_texts, rows_of
from vlrm.reward.train import RewardTraining
from vlrm.schema import CRITIQUES

SEEN = "See: star. Check: red star: yes."
OTHER = "See: star. Check: two stars: no."
PAIR = TrainingPair("image", "What is there?", "A red star.", "Two stars.", "c", "r", 1.0, 0.1, None)
DEFAULT = RewardTraining()


def drawn(times: int = 4000, **critiques: list[str]) -> list[tuple]:
    rng = np.random.default_rng(0)
    said = critiques or {"c": [SEEN], "r": [OTHER]}
    return [rows_of(PAIR, said, rng, DEFAULT.with_critique, DEFAULT.perturbed) for _ in range(times)]


def test_half_of_the_rows_carry_no_critique_and_both_sides_of_a_pair_do_alike():
    rows = drawn()
    bare = [(chosen.critique is None, rejected.critique is None) for chosen, rejected in rows]
    assert np.mean([a for a, _ in bare]) == pytest.approx(0.5, abs=0.03)
    assert all(a == b for a, b in bare)


def test_fifteen_percent_of_the_carried_critiques_are_made_wrong_and_the_label_stays():
    rows = [chosen for chosen, _ in drawn() if chosen.critique is not None]
    wrong = [row.critique for row in rows if row.critique != SEEN]
    assert len(wrong) / len(rows) == pytest.approx(0.15, abs=0.02)
    assert set(wrong) == {grammar.flip_checks(SEEN), OTHER}
    assert wrong.count(OTHER) / len(wrong) == pytest.approx(0.5, abs=0.1)
    assert {row.response for row in rows} == {PAIR.chosen}


def test_a_response_without_critiques_is_read_bare():
    assert all(rejected.critique is None for _, rejected in drawn(200, c=[SEEN]))


def critique(response: str, sample: int, text: str, *, with_evidence: bool, parsed: bool = True) -> dict:
    return {"response_id": response, "sample": sample, "text": text, "with_evidence": with_evidence, "parsed": parsed}


def test_the_head_reads_what_was_sampled_without_evidence_unfiltered_and_no_verdict():
    rows = [
        critique("c", 1, "something else", with_evidence=False, parsed=False),
        critique("c", 0, SEEN + " Verdict: right.", with_evidence=False),
        critique("c", 0, "See: [1] star. Check: star: no. Verdict: wrong.", with_evidence=True),
    ]
    assert critique_texts(pa.Table.from_pylist(rows, CRITIQUES)) == {"c": [SEEN, "something else"]}


@pytest.mark.parametrize("ending", [" Verdict: wrong.", " **Verdict:** right", "\n\nverdict : Right", " Verdict:"])
def test_however_it_is_written_the_verdict_is_not_read(ending):
    assert grammar.without_verdict(SEEN + ending) == SEEN
