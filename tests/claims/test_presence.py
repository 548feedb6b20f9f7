"""Presence from scores: calibrated, kept to one decision, and silent where detectors report no traces."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vlrm.claims.calibration import calibration_examples, how_common, make
from vlrm.claims.english import PHOTOS
from vlrm.claims.likelihoods import LIMIT
from vlrm.claims.presence import Presence, best_scores
from vlrm.claims.reliability import Reliability
from vlrm.schema import ObjectPhrase, SeenObject

NOUNS = ("dog", "cat", "car", "bus", "bench", "kite")
LABELS = (*NOUNS, "zebra")
Scene = tuple[list[SeenObject], list[SeenObject]]


def seen(noun: str, score: float) -> SeenObject:
    return SeenObject(noun, (0.1, 0.1, 0.4, 0.4), score, evidence_id=noun)


def photos(count: int, seed: int, faintest: float = 0.01) -> list[Scene]:
    """A detector whose scores have log-odds of +1 (there) or -3 (not there), spread by 1.5; kites look like nothing."""
    rng = np.random.default_rng(seed)
    scenes = []
    for _ in range(count):
        there = [noun for noun in NOUNS if rng.random() < 0.4]
        scores = {
            n: 1 / (1 + np.exp(-rng.normal((1.0 if n in there else -3.0) - 2 * (n == "kite"), 1.5))) for n in NOUNS
        }
        evidence = [seen(noun, round(float(score), 4)) for noun, score in scores.items() if score >= faintest]
        scenes.append(([SeenObject(noun, (0.1, 0.1, 0.4, 0.4)) for noun in there], evidence))
    return scenes


def exists(noun: str, polarity: bool = True) -> object:
    return make("existence", ObjectPhrase(noun), polarity=polarity)


@pytest.fixture(scope="module")
def presence() -> Presence:
    fitted = Presence.fit(photos(150, 0), LABELS)
    assert fitted is not None
    return fitted


@pytest.fixture(scope="module")
def reliability(presence: Presence) -> Reliability:
    scenes = photos(150, 0)
    examples = calibration_examples(scenes, np.random.default_rng(0), PHOTOS, how_common(t for t, _ in scenes))
    return Reliability.fit(examples, {"existence": 0.5}, certain=0.9, presence=presence)


def test_the_slope_is_that_of_the_scores(presence: Presence) -> None:
    # Two normal curves 4 apart with variance 2.25: their log-likelihood ratio rises by 4 / 2.25 per unit.
    assert presence.score == pytest.approx(4 / 2.25, abs=0.35)
    assert presence.floor >= 0.01


def test_probabilities_are_as_right_as_they_say(reliability: Reliability) -> None:
    chances, truths = [], []
    rng = np.random.default_rng(1)
    for truth, evidence in photos(300, 2):
        there = {thing.noun for thing in truth}
        absent = [noun for noun in NOUNS if noun not in there]
        for noun in [*there, *rng.permutation(absent)[: len(there)]]:
            chances.append(reliability.verify(exists(str(noun)), evidence).probability)
            truths.append(noun in there)
    chance, true = np.array(chances), np.array(truths)
    bins = np.minimum((chance * 5).astype(int), 4)
    gaps = [abs(chance[bins == b].mean() - true[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    assert sum(gaps) < 0.05
    assert true[chance >= 0.9].mean() > 0.9 > 0.1 > true[chance <= 0.1].mean()


def test_a_label_that_is_seen_faintly_has_an_offset_and_an_unknown_one_has_none(presence: Presence) -> None:
    assert presence.labels["kite"] > 1 > abs(presence.labels["dog"])
    assert presence.labels["zebra"] == 0
    assert presence.ratio("kite", [seen("kite", 0.1)]) > presence.ratio("dog", [seen("dog", 0.1)])


def test_silence_about_a_label_the_detector_can_report_says_that_it_is_not_there(reliability: Reliability) -> None:
    assert reliability.verify(exists("zebra"), []).verdict == "contradicted"
    assert reliability.verify(exists("zebra", polarity=False), []).verdict == "supported"
    assert reliability.verify(make("count", ObjectPhrase("zebra"), count=2), []).verdict == "contradicted"
    assert reliability.verify(exists("unicorn"), []).verdict == "unverifiable"


def test_a_surer_sighting_is_likelier_and_nothing_passes_the_limit(presence: Presence) -> None:
    ratios = [presence.ratio("dog", [seen("dog", score)]) for score in (0.01, 0.05, 0.2, 0.6, 0.99)]
    assert ratios == sorted(ratios) and len(set(ratios)) > 3
    assert ratios[0] >= -LIMIT and ratios[-1] == LIMIT
    assert presence.ratio("dog", []) == presence.ratio("dog", [seen("dog", presence.floor)])


def test_only_the_surest_sighting_counts() -> None:
    assert best_scores([seen("dog", 0.2), seen("cat", 0.5), seen("dog", 0.7)]) == {"dog": 0.7, "cat": 0.5}


def test_it_is_kept_with_the_reliability_and_absent_where_it_was_not_fitted(reliability: Reliability) -> None:
    again = Reliability.from_json(json.loads(json.dumps(reliability.to_json())))
    assert again.presence == reliability.presence
    evidence = [seen("dog", 0.07), seen("car", 0.6)]
    assert again.verify(exists("dog"), evidence) == reliability.verify(exists("dog"), evidence)
    plain = Reliability(reliability.likelihoods, reliability.weights, reliability.priors)
    assert "presence" not in plain.to_json()
    assert Reliability.from_json(plain.to_json()).presence is None


def test_of_the_embedded_worlds_shapes_a_detector_of_photos_says_nothing(reliability: Reliability) -> None:
    assert reliability.verify(exists("heart"), []).verdict == "unverifiable"
    assert reliability.verify(exists("dog"), []).verdict == "contradicted"


def test_the_same_measurement_can_be_asked_for_more(reliability: Reliability) -> None:
    surer = reliability.asked(certain=0.995, existence=0.3)
    assert (surer.presence, surer.certain, surer.priors["existence"]) == (reliability.presence, 0.995, 0.3)
    assert reliability.asked().priors == reliability.priors and reliability.asked().certain == 0.9
    assert surer.verify(exists("dog"), []).probability < reliability.verify(exists("dog"), []).probability


def test_without_traces_or_without_truth_nothing_is_fitted() -> None:
    assert Presence.fit(photos(40, 0, faintest=0.3), LABELS) is None
    assert Presence.fit([([], [seen("dog", 0.02)])], LABELS) is None
    assert Presence.fit([], LABELS) is None
