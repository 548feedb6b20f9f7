"""Nodes of evaluation: sit the exam, measure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlrm.claims.table import objects_by_image
from vlrm.critiques.quality import CritiqueQuality, judge_responses
from vlrm.critiques.quality import measure as quality
from vlrm.critiques.templates import choose
from vlrm.evaluation.baselines import baseline_figures
from vlrm.evaluation.metrics import choose_readout, evaluate
from vlrm.evaluation.outcomes import Outcomes, credit
from vlrm.evaluation.sit import score_table, sit
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import Critiques, Policy
from vlrm.progress import say
from vlrm.prompts import scenes_by_image
from vlrm.reward.critic import load_critic
from vlrm.reward.model import RewardModel
from vlrm.vlm import Vlm, token_counter

Part = Literal["pairs", "wordings", "blind"]
"""Of the report split: pairs that stand alone, the wordings of groups, and both without their image."""
CRITICISED = 160
"""Report pairs, beside the groups, read with critiques where the readout is plain; of a blind view always."""
FLIPPED = 60
"""Report pairs whose critiques are read with their checks flipped, for the verdict-flip sensitivity."""


def sit_gate(
    exam: pa.Table, reward_model: Path, critic: Path, policy: Policy, critiques: Critiques, seed: int, data: str
) -> pa.Table:
    """SCORES of the gate split, read with critiques and without: by them the readout is chosen."""
    gate = [item for item in exam.to_pylist() if item["split"] == "gate"]
    sitting = Sitting.open(reward_model, critic, policy, critiques, seed, data)
    return score_table(sitting.read(gate, "image", voiced=len(gate)))


def sit_report(
    exam: pa.Table,
    gate_scores: pa.Table,
    reward_model: Path,
    critic: Path,
    policy: Policy,
    critiques: Critiques,
    seed: int,
    data: str,
    *,
    part: Part,
) -> pa.Table:
    """SCORES of one part of the report split; where the plain reward is the readout, critiques serve the figures
    about critiques, and a sample of pairs is read with them."""
    pairs, wordings = _report_items(exam, seed)
    by_critiques = choose_readout(split_of(exam, gate_scores, "gate")) == "critiques"
    flipped = min(FLIPPED, len(pairs))
    sitting = Sitting.open(reward_model, critic, policy, critiques, seed, data)
    if part == "pairs":
        return score_table(sitting.read(pairs, "image", len(pairs) if by_critiques else CRITICISED, flipped))
    if part == "wordings":
        return score_table(sitting.read(wordings, "image", len(wordings)))
    # Beside the flipped critiques stand critiques of a swapped image, whatever the readout.
    everything = pairs + [item for item in wordings if item["group_id"] == item["item_id"]]
    rows = sitting.read(everything, "blank", CRITICISED if by_critiques else 0)
    rows += sitting.read(everything, "swapped", CRITICISED if by_critiques else flipped)
    return score_table(rows)


def collect_scores(*parts: pa.Table) -> pa.Table:
    return pa.concat_tables(parts)


def _report_items(exam: pa.Table, seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The report split in random order: pairs that stand alone, and the wordings of groups."""
    report = [item for item in exam.to_pylist() if item["split"] == "report"]
    shuffled = [report[i] for i in np.random.default_rng(seed).permutation(len(report))]
    return (
        [item for item in shuffled if item["group_id"] is None],
        [item for item in shuffled if item["group_id"] is not None],
    )


@dataclass(frozen=True)
class Sitting:
    """A reward model at the exam, with the critic whose critiques it reads."""

    model: RewardModel
    critic: Vlm
    critiques: Critiques
    seed: int

    @staticmethod
    def open(reward_model: Path, critic: Path, policy: Policy, critiques: Critiques, seed: int, data: str) -> Sitting:
        speaker = open_vlm(policy, data)
        load_critic(speaker, critic)
        return Sitting(RewardModel.load(reward_model, open_vlm(policy, data)), speaker, critiques, seed)

    def read(self, items: list[dict[str, Any]], view: str, voiced: int, flipped: int = 0) -> list[dict[str, Any]]:
        """SCORES rows of ``items`` under a view: the first ``voiced`` with critiques, of these the first ``flipped``
        with their checks turned round as well."""
        rows: list[dict[str, Any]] = []
        samples = self.critiques.exam_samples
        for some, many, turned in ((items[:voiced], samples, flipped), (items[voiced:], 0, 0)):
            if some:
                rows += sit(
                    self.model, self.critic, some, view, many, self.critiques.sampling, self.seed,
                    lambda text, split=some[0]["split"]: say(f"{split} {text}"), turned,
                    choose(self.critiques.template, self.critic.model.config),
                )  # fmt: skip
        return rows


def measure(exam: pa.Table, scores: pa.Table, seed: int) -> dict[str, Any]:
    """Every figure of one reward model: readout and temperature from the gate, the rest from the report split."""
    gate, report = (split_of(exam, scores, split) for split in ("gate", "report"))
    readout = choose_readout(gate)
    baselines, balanced = baseline_figures(report, seed=seed)
    metrics = evaluate(report, readout, gate=gate, balanced=balanced, seed=seed)
    right = credit(gate.margins(readout))
    items = gate.exam["item_id"].to_list()
    return {
        "metrics": metrics.model_dump(),
        "figures": metrics.flat(),
        "baselines": {name: figure.model_dump() if figure else None for name, figure in baselines.items()},
        "gate": {
            i: float(r) for i, r, keep in zip(items, right, gate.original, strict=True) if keep and np.isfinite(r)
        },
    }


def measure_critiques(
    critiques: pa.Table,
    targets: pa.Table,
    head_critiques: pa.Table,
    candidate_claims: pa.Table,
    edit_claims: pa.Table,
    evidence: pa.Table,
    scenes: pa.Table,
    quad_scenes: pa.Table,
    edits: pa.Table,
    policy: Policy,
    seed: int,
) -> dict[str, Any]:
    """How good this round's critiques are: given the evidence, learned from, and read by the reward model."""
    claims = pa.concat_tables([candidate_claims, edit_claims])
    judged = judge_responses(claims, scenes_by_image(scenes, quad_scenes))
    of = partial(
        quality, judged=judged, evidence=objects_by_image(evidence), linked=edits,
        count_tokens=token_counter(policy.base), seed=seed,
    )  # fmt: skip
    learned = critiques.filter(pc.is_in(critiques["critique_id"], targets["critique_id"].combine_chunks()))
    found = CritiqueQuality(with_evidence=of(critiques), targets=of(learned), on_policy=of(head_critiques))
    return found.model_dump()


def split_of(exam: pa.Table, scores: pa.Table, split: str) -> Outcomes:
    """One split's items and the scores of them."""
    items = [row for row in exam.to_pylist() if row["split"] == split]
    names = {row["item_id"] for row in items}
    said = [row for row in scores.to_pylist() if row["item_id"] in names]
    return Outcomes.read(pa.Table.from_pylist(items, exam.schema), pa.Table.from_pylist(said, scores.schema))
