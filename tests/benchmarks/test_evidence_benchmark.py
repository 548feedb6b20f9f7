"""Parts of the evidence benchmark that need no photos: the calibration error, the blind test, counts of what counts."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlrm.claims.corpus_edits import Counterfactual, matched_counterfactuals
from vlrm.claims.corpus_quads import quad_counterfactuals
from vlrm.claims.english import PHOTOS
from vlrm.schema import SeenObject

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    for name in [name for name in sys.modules if name.startswith("evidence_")]:
        monkeypatch.delitem(sys.modules, name)


def edits() -> list[Counterfactual]:
    nouns = ("bus", "car", "truck", "train")
    seen = {f"image-{i}": [SeenObject(nouns[i % 4], (0.1, 0.4, 0.2, 0.5))] for i in range(60)}
    responses = [(image, f"A {things[0].noun} is on the street.") for image, things in seen.items()]
    return matched_counterfactuals(responses, seen, PHOTOS, kinds=("object",))


def test_the_calibration_error_is_the_mean_gap_of_bins_of_equal_mass() -> None:
    from evidence_photos import calibration_error

    rng = np.random.default_rng(0)
    chance = rng.random(30_000)
    assert calibration_error(chance, rng.random(30_000) < chance) < 0.02
    assert calibration_error(chance, np.ones(30_000, bool)) == pytest.approx(0.5, abs=0.01)
    assert calibration_error(np.full(30, 0.5), np.arange(30) % 2 == 0) == 0  # two in each bin, one of them true


def test_a_reader_of_words_learns_nothing_from_matched_edits_and_all_from_a_word_that_gives_them_away() -> None:
    from evidence_blind import blind_test

    made = edits()
    blind = blind_test(made)
    assert blind["counterfactual_text_only_matched_folds"] <= 0.55
    given_away = [replace(one, edit=replace(one.edit, text=one.edit.text + " Indeed.")) for one in made]
    seen_through = blind_test(given_away)
    assert seen_through["counterfactual_text_only_accuracy"] == 1.0
    assert seen_through["counterfactual_text_only_interval"] == [1.0, 1.0]


def test_no_reader_without_the_images_tells_quads():
    from evidence_blind import blind_test

    nouns = ("bus", "car", "truck", "train")
    seen = {f"image-{i}": [SeenObject(nouns[i % 4], (0.1, 0.4, 0.2, 0.5))] for i in range(60)}
    responses = [(image, f"There is a {things[0].noun}.") for image, things in seen.items()]
    blind = blind_test(quad_counterfactuals(responses, seen, PHOTOS, kinds=("object",)))
    assert blind["counterfactual_text_only_matched_folds"] == 0.5


def test_the_reward_on_features_finds_a_direction_and_none_in_noise() -> None:
    from evidence_blind import _margin

    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(50), 6)
    noise = rng.normal(size=(300, 40))
    told = noise + np.eye(40)[0] * 2
    assert np.mean(_margin(told, clusters) > 0) > 0.9
    assert 0.35 < np.mean(_margin(noise, clusters) > 0) < 0.65


def test_the_parts_named_in_the_help_are_the_parts_there_are() -> None:
    import evidence

    assert evidence.__doc__ is not None
    assert evidence.__doc__.split("[--parts ")[1].split("]")[0].split() == list(evidence.PARTS)
