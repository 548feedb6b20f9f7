"""Readers that see no image, to tell originals from edits: a bag of words, a language model, and a reward on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from vlrm.evaluation.baselines import FOLDS, text_only_margin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vlrm.claims.corpus_edits import Counterfactual

BATCH = 16
COSTS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse strengths of the ridge that are tried, by folds inside the training part."""
DRAWS = 2000


def blind_test(made: Sequence[Counterfactual], model: Path | None = None) -> dict[str, Any]:
    """Accuracy of the readers, 5-fold by image: folds of the parts that were matched, and any folds.

    The highest counts. Folds that cut across the matched parts leave a reader with the reverse of what it is asked
    about (what is said too often in four folds is said too seldom in the fifth), so it falls below chance there: what
    is left to know for a reader who inverts it is the matching itself, not the language.

    Args:
        model: folder of a causal language model, which is not trained. Its log-likelihood of a text, per token, is one
            reader; a reward linear in its last features, their mean over the text and that likelihood, trained on the
            pairs' differences, is another. Without it only the bag of words reads.
    """
    exam = pl.DataFrame({"chosen": [one.response for one in made], "rejected": [one.edit.text for one in made]})
    images = {name: place for place, name in enumerate(sorted({one.image for one in made}))}
    image = np.array([images[one.image] for one in made])
    folds = {"matched_folds": np.array([one.stratum for one in made]), "any_folds": image}
    differences = None if model is None else _differences(exam, model)
    found: dict[str, Any] = {}
    for name, cluster in folds.items():
        margins = {"text_only": text_only_margin(exam, cluster)}
        if differences is not None:
            margins |= {"likelihood": differences[:, -1], "language_model": _margin(differences, cluster)}
        for reader, margin in margins.items():
            right = np.where(np.abs(margin) <= 1e-9, 0.5, margin > 0)
            found[f"counterfactual_{reader}_{name}"] = round(float(right.mean()), 4)
            if name == "matched_folds":
                found[f"counterfactual_{reader}_interval"] = _interval(right, image)
    highest = max(value for name, value in found.items() if name.endswith("folds"))
    return {"counterfactual_text_only_accuracy": highest, **found}


def _margin(differences_ND: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Out-of-fold margins of a ridge logistic regression without intercept on the pairs' differences [pairs]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold

    names = np.unique(clusters)
    fold = (np.random.default_rng(0).permutation(len(names)) % FOLDS)[np.searchsorted(names, clusters)]
    # Which of a pair stands first says nothing: every other one is turned round, so that there are two classes.
    turned = np.where(np.arange(len(clusters)) % 2, -1.0, 1.0)
    margin = np.empty(len(clusters))
    for k in range(FOLDS):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        scaled_ND = differences_ND / (differences_ND[train].std(0) + 1e-9)
        # In the coordinates of the training pairs' own span the ridge has the same solution, with fewer columns.
        _, _, span_RD = np.linalg.svd(scaled_ND[train], full_matrices=False)
        rows_NR = scaled_ND @ span_RD.T
        search = GridSearchCV(
            LogisticRegression(fit_intercept=False, max_iter=500), {"C": COSTS}, cv=GroupKFold(FOLDS - 1)
        )
        search.fit(rows_NR[train] * turned[train, None], turned[train] > 0, groups=clusters[train])
        margin[test] = search.best_estimator_.decision_function(rows_NR[test])
    return margin


def _differences(exam: pl.DataFrame, model: Path) -> np.ndarray:
    """Features of the chosen minus those of the rejected text."""
    chosen, rejected = (_features(exam[side].to_list(), model) for side in ("chosen", "rejected"))
    return chosen - rejected


def _features(texts: Sequence[str], folder: Path) -> np.ndarray:
    """Of each text the last hidden state, the mean one, and the mean log-likelihood of its tokens."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), padding_side="right")
    model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
    start = tokenizer.bos_token or tokenizer.eos_token
    rows = []
    for first in range(0, len(texts), BATCH):
        batch = tokenizer([start + text for text in texts[first : first + BATCH]], return_tensors="pt", padding=True)
        with torch.no_grad():
            out = model(**batch, output_hidden_states=True)
        hidden_BLD, mask_BL = out.hidden_states[-1], batch["attention_mask"]
        logp_BLV = out.logits[:, :-1].log_softmax(-1)
        said_BL = logp_BLV.gather(-1, batch["input_ids"][:, 1:, None])[..., 0] * mask_BL[:, 1:]
        last = mask_BL.sum(1) - 1
        rows.append(
            torch.cat(
                [
                    hidden_BLD[torch.arange(len(last)), last],
                    (hidden_BLD * mask_BL[..., None]).sum(1) / mask_BL.sum(1, keepdim=True),
                    said_BL.sum(1, keepdim=True) / mask_BL[:, 1:].sum(1, keepdim=True),
                ],
                dim=1,
            ).numpy()
        )
    return np.vstack(rows).astype(np.float64)


def _interval(right: np.ndarray, cluster: np.ndarray) -> list[float]:
    """95 % of the mean over images drawn with replacement."""
    sums, sizes = (np.bincount(cluster, weights=values) for values in (right, np.ones(len(right))))
    drawn = np.random.default_rng(0).integers(len(sizes), size=(DRAWS, len(sizes)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    return [round(float(value), 4) for value in np.quantile(means, (0.025, 0.975))]
