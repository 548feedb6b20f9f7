"""Nodes of critique generation: sample, verify, edit, criticise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vlrm.answers.words import words_known
from vlrm.claims.reliability import Reliability
from vlrm.claims.table import objects_by_image, verify_responses
from vlrm.counterfactuals import CounterfactualSettings, edit_candidates
from vlrm.critiques.sampling import sample_critiques
from vlrm.critiques.templates import choose
from vlrm.errors import UserError
from vlrm.pipelines.opening import open_vlm
from vlrm.pipelines.settings import Critiques, Policy, image_store
from vlrm.pipelines.writers import open_writer
from vlrm.policy.candidates import sample_candidates
from vlrm.policy.local import LocalWriter
from vlrm.policy.protocol import SEEDS, row_seed
from vlrm.policy.stating import stated
from vlrm.prompts import scenes_by_image, store_scene
from vlrm.schema import RESPONSES
from vlrm.seeing.vlm import EvidenceVlm


def sample(prompts: pa.Table, policy: Policy, seed: int, data: str) -> pa.Table:
    """K candidates per prompt from the frozen base policy, fewer where it repeats itself."""
    writer = open_writer(policy, data)
    said = sample_candidates(
        writer, prompts, policy.candidates, policy.sampling, seed, policy.distinct, policy.sources, policy.examples
    )
    if policy.sources is None or policy.sources.stated == 0:
        return said
    vlm = writer.vlm if isinstance(writer, LocalWriter) else open_vlm(policy, data)
    if not isinstance(vlm, EvidenceVlm):
        raise UserError(
            f"policy.sources.stated needs a base model that sees through experts; {policy.base} is none: set it to 0"
        )
    rows = prompts.to_pylist()
    images = list(dict.fromkeys(row["image_sha256"] for row in rows))
    seen = dict(zip(images, vlm.objects(images), strict=True))
    return pa.concat_tables([said, pa.Table.from_pylist(stated(rows, seen, policy.sources.stated), RESPONSES)])


def verify(responses: pa.Table, prompts: pa.Table, evidence: pa.Table, reliability: dict[str, Any]) -> pa.Table:
    """Claims of every response and their verdicts."""
    return verify_responses(responses, prompts, evidence, Reliability.from_json(reliability), words_known(reliability))


def edit(
    candidates: pa.Table,
    claims: pa.Table,
    prompts: pa.Table,
    evidence: pa.Table,
    scenes: pa.Table,
    reliability: dict[str, Any],
    settings: CounterfactualSettings,
    seed: int,
    data: str,
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Counterfactual and quad responses, with the quads' prompts and (rendered worlds only) their truth."""
    edits = edit_candidates(
        candidates, claims, prompts, objects_by_image(evidence), Reliability.from_json(reliability), settings,
        row_seed("edit", seed, *prompts["prompt_id"].to_pylist()[:1]), scenes_by_image(scenes),
        partial(store_scene, root=image_store(data)), words_known(reliability),
    )  # fmt: skip
    return edits.tables()


def verify_edits(
    edits: pa.Table,
    prompts: pa.Table,
    quad_prompts: pa.Table,
    evidence: pa.Table,
    quad_evidence: pa.Table,
    reliability: dict[str, Any],
) -> pa.Table:
    """Claims of counterfactuals on their own image, and of both answers on the quad's other image."""
    known = set(evidence["image_sha256"].to_pylist())
    fresh = pc.invert(pc.is_in(quad_evidence["image_sha256"], pa.array(sorted(known), pa.string())))
    both = pa.concat_tables([evidence, quad_evidence.filter(fresh)])
    return verify(edits, pa.concat_tables([prompts, quad_prompts]), both, reliability)


def criticise(
    candidates: pa.Table,
    edits: pa.Table,
    prompts: pa.Table,
    evidence: pa.Table,
    critic: Path,
    policy: Policy,
    critiques: Critiques,
    seed: int,
    data: str,
) -> pa.Table:
    """M critiques of every distinct candidate and counterfactual, or a share of them, the evidence quoted to the
    previous critic.

    An endpoint learns nothing: it criticises as it is in every round.
    """
    rows = _to_criticise(candidates.to_pylist() + edits.to_pylist(), prompts, critiques.share)
    writer = open_writer(policy, data, critic=critic)
    template = choose(critiques.template, writer.vlm.model.config if isinstance(writer, LocalWriter) else None)
    seen_there = objects_by_image(evidence)
    return sample_critiques(writer, rows, critiques.samples, critiques.sampling, seed, template, seen_there)


def _to_criticise(responses: Sequence[dict[str, Any]], prompts: pa.Table, share: float) -> list[dict[str, Any]]:
    """Responses with their questions: each text to a prompt once, without the second images of quads."""
    asked = dict(zip(prompts["prompt_id"].to_pylist(), prompts["question"].to_pylist(), strict=True))
    rows, seen = [], set()
    for row in responses:
        if row["source"] != "quad" and (row["prompt_id"], row["text"]) not in seen:
            seen.add((row["prompt_id"], row["text"]))
            if row_seed("criticised", row["response_id"]) < share * SEEDS:
                rows.append(row | {"question": asked[row["prompt_id"]]})
    return rows
