"""Pairs of finished rounds come with the claims, evidence and critiques of their own two texts, in bounded parts."""

import pytest
from made_up_round import BLUE, CRITIQUE, RED, make_round

from vlrm.preferences.reading import preferences


@pytest.fixture
def rounds(tmp_path):
    return [make_round(tmp_path / f"{number:02d}", tmp_path / "images", number) for number in (1, 2)]


def read(rounds, **settings):
    return [pair for part in preferences(rounds, str, **settings) for pair in part]


def test_each_side_has_its_own_claims_with_the_evidence_they_were_bound_to(rounds):
    pair = read(rounds)[0]
    told = next(claim for claim in pair.rejected.claims if claim.kind == "attribute")
    assert (told.said, told.verdict, told.probability) == ("blue star", "contradicted", 0.04)
    assert BLUE[told.start : told.end] == "a blue star"
    assert [(one.expert, one.label) for one in told.evidence] == [("detector", "star"), ("colour", "red")]


def test_a_quads_image_annotated_in_two_files_gives_its_evidence_once(rounds):
    evidence = read(rounds)[0].chosen.claims[0].evidence
    assert len({one.evidence_id for one in evidence}) == len(evidence) == 2


def test_groundedness_is_minus_the_expected_number_of_false_claims(rounds):
    pair = read(rounds)[0]
    for side in (pair.chosen, pair.rejected):
        assert side.groundedness == pytest.approx(sum(claim.probability - 1 for claim in side.claims))
    assert pair.chosen.groundedness > -0.1 > pair.rejected.groundedness


def test_an_accepted_critique_belongs_to_its_text_on_its_image_only(rounds):
    on_red, on_blue = read(rounds)[:2]
    assert [critique.text for critique in on_red.chosen.critiques] == [CRITIQUE]
    assert on_blue.rejected.text == RED and on_blue.rejected.critiques == ()


def test_rounds_come_in_order_and_parts_are_no_larger_than_asked(rounds):
    parts = list(preferences(rounds, str, at_once=1))
    assert [len(part) for part in parts] == [1, 1, 1, 1]
    assert [part[0].round for part in parts] == [1, 1, 2, 2]
    assert [part[0] for part in parts] == read(rounds)


def test_light_pairs_can_be_left_out(rounds):
    assert [pair.columns["pair_id"] for pair in read(rounds, min_weight=1.0)] == ["p1", "p2"]
