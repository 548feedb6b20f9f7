"""Text-only margins become log-odds: noise is taken for nothing, knowledge for what it is worth."""

import numpy as np
import pytest

from vlrm.rejection_sampling.text_only import calibrated


def test_margins_that_are_noise_tell_nothing() -> None:
    noise = np.random.default_rng(0).normal(0, 3, 4000)
    assert np.abs(calibrated(noise)).max() < 0.2


def test_margins_on_the_wrong_side_tell_nothing_and_are_not_turned() -> None:
    assert np.abs(calibrated(np.full(100, -2.0))).max() < 0.01


def test_log_odds_stay_what_they_are() -> None:
    rng = np.random.default_rng(1)
    size = np.abs(rng.normal(0, 2, 20_000))
    right = rng.random(len(size)) < 1 / (1 + np.exp(-size))
    margins = np.where(right, size, -size)
    assert calibrated(margins) == pytest.approx(margins, rel=0.1)


def test_pairs_of_too_few_images_stay_unknown() -> None:
    assert np.isnan(calibrated(np.full(3, np.nan))).all()
    assert np.isnan(calibrated(np.array([1.0, np.nan]))).tolist() == [False, True]
    assert not len(calibrated(np.zeros(0)))
