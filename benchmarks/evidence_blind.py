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


def blind_test(made: Sequence[Counterfactual], reader: Reader | None = None) -> dict[str, Any]:
    """Accuracy of the readers, 5-fold by image: folds of the parts that were matched, and any folds.

    The highest counts. Folds that cut across the matched parts leave a reader with the reverse of what it is asked
    about (what is said too often in four folds is said too seldom in the fifth), so it falls below chance there: what
    is left to know for a reader who inverts it is the matching itself, not the language.

    Args:
        reader: a causal language model, which is not trained. Its log-likelihood of a text, per token, tells once; a
            reward linear in its last features, their mean over the text and that likelihood, trained on the pairs'
            differences, tells another time. Without it only the bag of words reads.
    """
    exam = pl.DataFrame({"chosen": [one.response for one in made], "rejected": [one.edit.text for one in made]})
    images = {name: place for place, name in enumerate(sorted({one.image for one in made}))}
    image = np.array([images[one.image] for one in made])
    folds = {"matched_folds": np.array([one.stratum for one in made]), "any_folds": image}
    differences = None if reader is None else reader.differences(exam)
    found: dict[str, Any] = {}
    for name, cluster in folds.items():
        margins = {"text_only": text_only_margin(exam, cluster)}
        if differences is not None:
            margins |= {"likelihood": differences[:, -1], "language_model": _margin(differences, cluster)}
        for told_by, margin in margins.items():
            right = np.where(np.abs(margin) <= 1e-9, 0.5, margin > 0)
            found[f"counterfactual_{told_by}_{name}"] = round(float(right.mean()), 4)
            if name == "matched_folds":
                found[f"counterfactual_{told_by}_interval"] = _interval(right, image)
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


class Reader:
    """A causal language model as it is, which reads texts."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), padding_side="right")
        self.model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()

    def differences(self, exam: pl.DataFrame) -> np.ndarray:
        """Features of the chosen minus those of the rejected text.

        They are the last hidden state, the mean one, and the mean log-likelihood of the tokens.
        """
        chosen, rejected = (self._read(exam[side].to_list()) for side in ("chosen", "rejected"))
        return chosen - rejected

    def _read(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        start = self.tokenizer.bos_token or self.tokenizer.eos_token
        order = np.argsort([len(text) for text in texts], kind="stable")  # texts of a batch are about as long
        rows: dict[int, np.ndarray] = {}
        for first in range(0, len(texts), BATCH):
            places = order[first : first + BATCH].tolist()
            batch = self.tokenizer([start + texts[i] for i in places], return_tensors="pt", padding=True)
            with torch.inference_mode():
                out = self.model(**batch, output_hidden_states=True)
            mask_BL, tokens_BL = batch["attention_mask"], batch["input_ids"][:, 1:]
            logits_BLV = out.logits[:, :-1]
            said_BL = logits_BLV.gather(-1, tokens_BL[..., None])[..., 0] - logits_BLV.logsumexp(-1)
            likelihood_B1 = (said_BL * mask_BL[:, 1:]).sum(1, keepdim=True) / mask_BL[:, 1:].sum(1, keepdim=True)
            hidden_BLD, last_B = out.hidden_states[-1], mask_BL.sum(1) - 1
            mean_BD = (hidden_BLD * mask_BL[..., None]).sum(1) / mask_BL.sum(1, keepdim=True)
            columns = [hidden_BLD[torch.arange(len(last_B)), last_B], mean_BD, likelihood_B1]
            rows |= dict(zip(places, torch.cat(columns, 1).double().numpy(), strict=True))
        return np.stack([rows[i] for i in range(len(texts))]) if rows else np.zeros((0, 1))


def _interval(right: np.ndarray, cluster: np.ndarray) -> list[float]:
    """95 % of the mean over images drawn with replacement."""
    sums, sizes = (np.bincount(cluster, weights=values) for values in (right, np.ones(len(right))))
    drawn = np.random.default_rng(0).integers(len(sizes), size=(DRAWS, len(sizes)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    return [round(float(value), 4) for value in np.quantile(means, (0.025, 0.975))]
