"""How good a round's critiques are: against exact truth and the evidence, each figure with a 95 % interval."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from vlrm.claims.truth import holds
from vlrm.critiques import grammar, parser
from vlrm.critiques.agreement import majority_share, verdicts_by_response
from vlrm.critiques.selection import SURE
from vlrm.evaluation.bootstrap import Resampler, image_clusters
from vlrm.evaluation.figures import Figure
from vlrm.schema import claim_from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from vlrm.scenes.world import Scene
    from vlrm.schema import Claim, SeenObject

    Measures = list[tuple[str, str, float]]
    """(figure, image it was measured on, value)"""

MEASURES = {
    "parsed": "parsed",
    "verdict_accuracy": "verdict right, by exact truth",
    "verdict_accuracy_agreed": "the same where all samples agree",
    "verdict_by_evidence": "verdict right, by sure evidence",
    "answers_without_falsehood": "(answers that are right)",
    "check_accuracy": "checks right, by exact truth",
    "false_claims_caught": "false statements checked as no",
    "true_claims_confirmed": "true statements checked as yes",
    "check_by_evidence": "checks right, by the evidence",
    "checks_of_claims": "checks that are of a statement of the answer",
    "citations_exist": "citations that exist",
    "citations_fit": "citations that name the line's object",
    "self_consistency": "samples that give the majority's verdict",
}
"""Figure -> what it is the share of; none stands where there was nothing to measure."""


class Quality(BaseModel):
    """The figures of one kind of critiques; ``refused`` counts by reason, lengths are in tokens of the base model."""

    model_config = ConfigDict(extra="forbid")

    critiques: int
    responses: int
    figures: dict[str, Figure] = Field(default_factory=dict)
    refused: dict[str, int] = Field(default_factory=dict)
    templates: list[str] = Field(default_factory=list)
    tokens_mean: float | None = None
    tokens_p95: float | None = None


class CritiqueQuality(BaseModel):
    """A round's critiques: those given the evidence, those of them that are learned from, and those that the reward
    model reads, written without it."""

    model_config = ConfigDict(extra="forbid")

    with_evidence: Quality
    targets: Quality
    on_policy: Quality


@dataclass(frozen=True)
class Judged:
    """A response's claims: whether each is true (None: unknown), and how probable the evidence makes it."""

    claims: tuple[Claim, ...]
    true: tuple[bool, ...] | None
    probability: tuple[float, ...]

    @property
    def right(self) -> bool | None:
        return None if self.true is None else all(self.true)

    @property
    def right_by_evidence(self) -> bool | None:
        """Whether the evidence finds no false claim; None unless it is as sure as a target's must be."""
        clean = float(np.prod(self.probability))
        return clean > 0.5 if max(clean, 1 - clean) >= SURE else None


def judge_responses(claims: pa.Table, scenes: Mapping[str, Scene]) -> dict[str, Judged]:
    """Every response with claims; truth where its image's scene is known."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in claims.select(["response_id", "image_sha256", "claim", "probability"]).to_pylist():
        grouped.setdefault(row["response_id"], []).append(row)
    found = {}
    for response, rows in grouped.items():
        said = tuple(claim_from_json(row["claim"]) for row in rows)
        scene = scenes.get(rows[0]["image_sha256"])
        true = None if scene is None else tuple(holds(claim, scene.seen()) for claim in said)
        found[response] = Judged(said, true, tuple(row["probability"] for row in rows))
    return found


def measure(
    critiques: pa.Table,
    judged: Mapping[str, Judged],
    evidence: Mapping[str, Sequence[SeenObject]],
    linked: pa.Table,
    count_tokens: Callable[[Sequence[str]], Sequence[int]] | None = None,
    seed: int = 0,
) -> Quality:
    """The figures of ``critiques`` of responses in ``judged``.

    ``evidence``: what was quoted, by image. ``linked``: rows with image_sha256 and quad_id; the images of a quad are
    resampled together. ``count_tokens``: lengths of texts, where the base model's tokenizer is at hand.
    """
    rows = [row for row in critiques.to_pylist() if row["response_id"] in judged]
    verdicts = verdicts_by_response(rows)
    measured = _of_responses(rows, verdicts)
    for row in rows:
        response = judged[row["response_id"]]
        measured.append(("parsed", row["image_sha256"], float(row["parsed"])))
        measured += _of_verdict(row, response) if row["parsed"] else []
        measured += _of_checks(row, response) if row["parsed"] else []
        measured += _of_citations(row, evidence.get(row["image_sha256"], ())) if row["with_evidence"] else []
    lengths = count_tokens([row["text"] for row in rows]) if count_tokens and rows else None
    return Quality(
        critiques=len(rows),
        responses=len({row["response_id"] for row in rows}),
        figures=_figures(measured, linked, seed),
        refused=dict(sorted(Counter(row["reason"] for row in rows if row["reason"]).items())),
        templates=sorted({row["template"] for row in rows}),
        tokens_mean=None if lengths is None else float(np.mean(lengths)),
        tokens_p95=None if lengths is None else float(np.quantile(lengths, 0.95)),
    )


def _figures(measured: Measures, linked: pa.Table, seed: int) -> dict[str, Figure]:
    if not measured:
        return {}
    names, images, values = (np.array(column) for column in zip(*measured, strict=True))
    resampler = Resampler(_clusters(images.tolist(), linked), seed=seed)
    found = {name: resampler.mean(np.where(names == name, values, np.nan)) for name in MEASURES}
    return {name: figure for name, figure in found.items() if figure is not None}


def _clusters(images: list[str], linked: pa.Table) -> np.ndarray:
    schema = {"image_sha256": pl.String, "quad_id": pl.String}
    links = pl.DataFrame({name: linked[name].to_pylist() for name in schema}, schema=schema)
    alone = pl.DataFrame(
        {"image_sha256": sorted(set(images) - set(links["image_sha256"]))}, schema={"image_sha256": pl.String}
    )
    everything = pl.concat([links, alone], how="diagonal")
    number = dict(zip(everything["image_sha256"], image_clusters(everything).tolist(), strict=True))
    return np.array([number[image] for image in images])


def _of_responses(rows: Sequence[Mapping[str, Any]], verdicts: Mapping[str, Counter[str]]) -> Measures:
    image = {row["response_id"]: row["image_sha256"] for row in rows}
    shares = {response: majority_share(given) for response, given in verdicts.items()}
    return [("self_consistency", image[response], s) for response, s in shares.items() if s is not None]


def _of_verdict(row: Mapping[str, Any], response: Judged) -> Measures:
    image, said = row["image_sha256"], row["verdict"] == parser.RIGHT
    found: Measures = []
    if response.right is not None:
        correct = float(said == response.right)
        found += [("verdict_accuracy", image, correct), ("answers_without_falsehood", image, float(response.right))]
        found += [("verdict_accuracy_agreed", image, correct)] if row["agreement"] == 1.0 else []
    if response.right_by_evidence is not None:
        found.append(("verdict_by_evidence", image, float(said == response.right_by_evidence)))
    return found


def _of_checks(row: Mapping[str, Any], response: Judged) -> Measures:
    critique = parser.parse(row["text"], evidence_count=10**parser.MOST_DIGITS)
    if isinstance(critique, parser.Refusal):
        return []
    image = row["image_sha256"]
    likely = dict(grammar.statements(list(zip(response.claims, (p > 0.5 for p in response.probability), strict=True))))
    true = dict(grammar.statements(list(zip(response.claims, response.true, strict=True)))) if response.true else {}
    found: Measures = []
    for statement, said in critique.checks:
        words = grammar.fewest_words(statement)
        found.append(("checks_of_claims", image, float(words in likely)))
        if words in likely:
            found.append(("check_by_evidence", image, float(said == likely[words])))
        if words in true:
            name = "true_claims_confirmed" if true[words] else "false_claims_caught"
            found += [(name, image, float(said == true[words])), ("check_accuracy", image, float(said == true[words]))]
    return found


def _of_citations(row: Mapping[str, Any], evidence: Sequence[SeenObject]) -> Measures:
    """Each citation of the observation, parsed or not: whether it exists, and whether its item names that object."""
    image = row["image_sha256"]
    found: Measures = []
    for item in parser.observed(row["text"]):
        for number in parser.references(item):
            exists = 1 <= number <= len(evidence)
            found.append(("citations_exist", image, float(exists)))
            if exists:
                noun = evidence[number - 1].noun
                named = re.search(rf"\b{re.escape(noun)}(?:s|es)?\b", item, re.IGNORECASE) is not None
                found.append(("citations_fit", image, float(named)))
    return found
