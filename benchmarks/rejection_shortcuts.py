"""How far the kept pairs are told apart by judges that see no image, on a held-out part and round by round."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np

from runs import line_of, seed_folder
from text_only_reward import text_only_margins
from vlrm.evaluation.baselines import length_margin, shares_quad, text_only_margin
from vlrm.evaluation.bootstrap import SeedResampler
from vlrm.evaluation.outcomes import credit
from vlrm.rejection_sampling.shortcuts import SHORTCUTS, find_shortcuts
from vlrm.schema import QUESTION

if TYPE_CHECKING:
    import argparse

    import polars as pl

    from vlrm.evaluation.figures import Figure

HELD_OUT = 0.2


def shortcut_figures(arguments: argparse.Namespace, everything: list[pl.DataFrame]) -> dict[str, Figure | None]:
    """Weighted accuracy of what cannot see on the held-out fifth of each seed's kept pairs, all rounds together.

    With the ending ``_answers`` on whole answers alone: claim questions are balanced as they are made.
    """
    values: dict[str, list[np.ndarray]] = {}
    clusters = []
    for seed, table in enumerate(everything):
        cluster = table["cluster"].to_numpy()
        names = np.random.default_rng(seed).permutation(np.unique(cluster))
        test = np.isin(cluster, names[: int(HELD_OUT * len(names))])
        train = ~test & ~shares_quad(table, test)
        weight = table["weight"].to_numpy()
        line = line_of(arguments, seed)
        reward = text_only_margins(table.filter(train), table.filter(test), line, seed_folder(arguments, seed), seed)
        length = length_margin(table)
        sign = 1 if (credit(length[train]) * weight[train]).sum() * 2 >= weight[train].sum() else -1
        told = {
            "text_only_reward": credit(reward),
            "text_only_classifier": credit(text_only_margin(table, cluster, seed)[test]),
            "length_only": credit(sign * length[test]),
        }
        whole = (table["source"] != QUESTION).to_numpy()[test]
        for ending, rows in {"": np.full(len(whole), True), "_answers": whole}.items():
            scale = np.where(rows, weight[test] / weight[test][rows].mean(), np.nan)
            for name, right in told.items():
                values.setdefault(name + ending, []).append(right * scale)
        clusters.append(cluster[test])
    resampler = SeedResampler(clusters)
    return {name: resampler.mean(value, share=False) for name, value in values.items()}


def shortcuts_by_round(judged: list[list[pl.DataFrame]]) -> dict[str, list[float]]:
    """What each round's own check of its kept pairs finds, the mean over seeds."""
    found = [[find_shortcuts(table.to_arrow()) for table in rounds] for rounds in judged]
    return {
        name: [statistics.fmean(getattr(one, name).value for one in here) for here in zip(*found, strict=True)]
        for name in SHORTCUTS
        if all(getattr(one, name) for rounds in found for one in rounds)
    }
