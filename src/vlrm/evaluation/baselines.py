"""Floors beside every reward model: length, a classifier that reads only texts, the critiques' majority."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from vlrm.evaluation.bootstrap import DRAWS, Floats, Ints, Resampler
from vlrm.evaluation.naming import named
from vlrm.evaluation.outcomes import Outcomes, credit

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from vlrm.evaluation.figures import Figure

FOLDS = 5
WORD = re.compile(r"\w+|[^\w\s]")


def length_margin(exam: pl.DataFrame) -> Floats:
    """Words of the rejected minus words of the chosen response: positive where "the shorter is better" is
    right."""
    words = [
        exam[side].map_elements(lambda text: len(WORD.findall(text)), return_dtype=pl.Int64).to_numpy()
        for side in ("rejected", "chosen")
    ]
    return np.asarray(words[0] - words[1], dtype=np.float64)


def text_only_margin(exam: pl.DataFrame, clusters: Ints, seed: int = 0) -> Floats:
    """Out-of-fold margins of a 1-2-gram logistic regression on pair differences, folds by image cluster.

    Trains on difference vectors and their negatives (so it has no intercept and no side bias); NaN when there
    are fewer clusters than folds. Of a quad (``quad_id``, where there is such a column) whose images lie in two folds
    neither pair is learned from for the other: it has the other's words, turned round.
    """
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    names = np.unique(clusters)
    if len(names) < FOLDS:
        return np.full(len(exam), np.nan)
    fold = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    fold_of = fold[np.searchsorted(names, clusters)]
    differences = _differences(exam)
    margin = np.empty(len(exam))
    for index in range(FOLDS):
        held_out = fold_of == index
        train, test = np.flatnonzero(~held_out & ~shares_quad(exam, held_out)), np.flatnonzero(held_out)
        features = vstack([differences[train], -differences[train]])
        labels = np.repeat([1, 0], len(train))
        model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=500).fit(features, labels)
        margin[test] = model.decision_function(differences[test])
    return margin


def shares_quad(pairs: pl.DataFrame, held_out: np.ndarray) -> np.ndarray:
    """Of each of the ``pairs`` whether it is in a quad with one that is ``held_out`` [pairs]."""
    if "quad_id" not in pairs.columns:
        return np.zeros(len(pairs), dtype=bool)
    quads = pairs["quad_id"].filter(pl.Series(held_out)).drop_nulls().unique()
    return pairs["quad_id"].is_in(quads.implode()).fill_null(False).to_numpy()


def _differences(exam: pl.DataFrame) -> csr_matrix:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(ngram_range=(1, 2), token_pattern=WORD.pattern, lowercase=True)
    texts = exam["chosen"].to_list() + exam["rejected"].to_list()
    counts = csr_matrix(vectorizer.fit_transform(texts), dtype=np.float64)
    return csr_matrix(counts[: len(exam)] - counts[len(exam) :])


def balanced_subset(text_margin: Floats, original: np.ndarray, tolerance: float = 0.02, seed: int = 0) -> np.ndarray:
    """Rows [items] on which the text-only classifier is right on one half, for the image-blind controls.

    Everything when it is within ``tolerance`` of one half already; otherwise a random part of its right
    (or wrong) pairs is left out. ``original``: rows that count at all (paraphrases do not).
    """
    right = credit(text_margin)
    rows = original & np.isfinite(right)
    if not rows.any() or abs(right[rows].mean() - 0.5) <= tolerance:
        return rows
    hits, misses = np.flatnonzero(rows & (right == 1.0)), np.flatnonzero(rows & (right == 0.0))
    many, few = (hits, misses) if len(hits) > len(misses) else (misses, hits)
    dropped = np.random.default_rng(seed).choice(many, len(many) - len(few), replace=False)
    rows = rows.copy()
    rows[dropped] = False
    return rows


def baseline_figures(
    outcomes: Outcomes, draws: int = DRAWS, seed: int = 0
) -> tuple[dict[str, Figure | None], np.ndarray]:
    """Accuracy of every floor with its interval, and the text-balanced subset (rows [items]).

    ``text_only_balanced`` is the classifier's own accuracy on that subset: one half by construction.
    """
    original = outcomes.original
    resampler = Resampler(outcomes.clusters, draws, seed)
    length = length_margin(outcomes.exam)
    text = np.full(len(original), np.nan)
    kept = np.flatnonzero(original)
    # Paraphrases share their pair's words: they would weigh some pairs three times.
    text[kept] = text_only_margin(outcomes.exam[kept], outcomes.clusters[kept], seed)
    balanced = balanced_subset(text, original, seed=seed)

    def accuracy(margin: Floats, rows: np.ndarray) -> Figure | None:
        return resampler.mean(np.where(rows, credit(margin), np.nan))

    organic = original & (outcomes.exam["source"] == "organic").to_numpy()
    figures = {
        "shorter": accuracy(length, original),
        "longer": accuracy(-length, original),
        "text_only": accuracy(text, original),
        "text_only_organic": accuracy(text, organic),
        "text_only_balanced": accuracy(text, balanced),
        "majority_verdict": accuracy(outcomes.verdict_margin(), original),
    }
    return named(figures, outcomes.exam), balanced
