"""Nodes of evaluation: sit the exam, measure."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

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
from vlrm.evaluation.sit import Say, score_table, sit
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import Critiques, Policy
from vlrm.progress import say
from vlrm.prompts import scenes_by_image
from vlrm.reward.critic import load_critic
from vlrm.reward.model import RewardModel
from vlrm.vlm import token_counter

CRITICISED = 160
"""Report pairs, beside the groups, read with critiques where the readout is plain; of a blind view always."""
FLIPPED = 60
"""Report pairs whose critiques are read with their checks flipped, for the verdict-flip sensitivity."""


def sit_exam(
    exam: pa.Table,
    reward_model: Path,
    critic: Path,
    policy: Policy,
    critiques: Critiques,
    seed: int,
    data: str,
) -> pa.Table:
    """SCORES of the gate and the report split.

    The readout is chosen on the gate first; the blank and swapped views are then read the same way.
    """
    model = RewardModel.load(reward_model, open_vlm(policy, data))
    speaker = open_vlm(policy, data)
    load_critic(speaker, critic)
    items = exam.to_pylist()
    gate = [item for item in items if item["split"] == "gate"]
    report = [item for item in items if item["split"] == "report"]
    sat = partial(sit, model, speaker, template=choose(critiques.template, speaker.model.config))
    rows = sat(gate, "image", critiques.exam_samples, critiques.sampling, seed, _saying("gate"))
    readout = choose_readout(Outcomes.read(pa.Table.from_pylist(gate, exam.schema), score_table(rows)))
    shuffled = [report[i] for i in np.random.default_rng(seed).permutation(len(report))]
    lone = [item for item in shuffled if item["group_id"] is None]
    grouped = [item for item in shuffled if item["group_id"] is not None]
    first_wordings = [item for item in grouped if item["group_id"] == item["item_id"]]
    # Where the plain reward is the readout, critiques serve the figures about critiques: a sample of pairs will do.
    by_critiques = readout == "critiques"
    flipped = min(FLIPPED, len(lone))

    def read(items: list[dict[str, Any]], view: str, voiced: int, flipped: int = 0) -> None:
        for some, samples, turned in ((items[:voiced], critiques.exam_samples, flipped), (items[voiced:], 0, 0)):
            if some:
                rows.extend(sat(some, view, samples, critiques.sampling, seed, _saying("report"), turned))

    read(lone, "image", len(lone) if by_critiques else CRITICISED, flipped)
    read(grouped, "image", len(grouped))
    # Beside the flipped critiques stand critiques of a swapped image, whatever the readout.
    everything = lone + first_wordings
    read(everything, "blank", CRITICISED if by_critiques else 0)
    read(everything, "swapped", CRITICISED if by_critiques else flipped)
    return score_table(rows)


def _saying(split: str) -> Say:
    return lambda text: say(f"{split} {text}")


def measure(exam: pa.Table, scores: pa.Table, seed: int) -> dict[str, Any]:
    """Every figure of one reward model: readout and temperature from the gate, the rest from the report split."""
    gate, report = (part(exam, scores, split) for split in ("gate", "report"))
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


def part(exam: pa.Table, scores: pa.Table, split: str) -> Outcomes:
    """One split's items and the scores of them."""
    items = [row for row in exam.to_pylist() if row["split"] == split]
    names = {row["item_id"] for row in items}
    said = [row for row in scores.to_pylist() if row["item_id"] in names]
    return Outcomes.read(pa.Table.from_pylist(items, exam.schema), pa.Table.from_pylist(said, scores.schema))
