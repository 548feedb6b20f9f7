"""Two pairs of a made-up round, on disk: a star that is red, once told so and once told wrong, and a quad of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from vlrm.claims.extract import extract_claims
from vlrm.images import store
from vlrm.preferences.reading import RoundTables
from vlrm.schema import CLAIMS, CRITIQUE_TARGETS, EVIDENCE, PAIRS, claim_to_json

if TYPE_CHECKING:
    from pathlib import Path

QUESTION = "What is in the image?"
RED, BLUE = "There is a red star.", "There is a blue star."
CRITIQUE = "See: red star. Check: red star: yes. Verdict: right."


def make_round(folder: Path, images: Path, number: int = 1) -> RoundTables:
    """Round ``number`` with one sampled pair (weight 1.5) about a red image and one counterfactual about a blue."""
    shas = [store(Image.new("RGB", (8, 8), colour), images) for colour in ("red", "blue")]
    sampled = _pair(f"p{number}", shas[0], ("c0", RED), ("c1", BLUE), "candidates", 1.5)
    edited = _pair(f"q{number}", shas[1], ("e0", BLUE), ("e1", RED), "counterfactual", 0.5)
    tables = {
        "pairs": pa.Table.from_pylist([sampled, edited], PAIRS),
        "candidate_claims": _claims(("c0", RED, shas[0], 0.98), ("c1", BLUE, shas[0], 0.04)),
        "edit_claims": _claims(("e0", BLUE, shas[1], 0.97), ("e1", RED, shas[1], 0.02)),
        "evidence": _evidence(shas[0], "red"),
        # a quad's image that is one of the round's own is annotated in both files
        "quad_evidence": pa.concat_tables([_evidence(shas[0], "red"), _evidence(shas[1], "blue")]),
        "critique_targets": pa.Table.from_pylist(
            [{"critique_id": "c0-with-0", "image_sha256": shas[0], "question": QUESTION, "response": RED,
              "critique": CRITIQUE, "verdict": "right"}],
            CRITIQUE_TARGETS,
        ),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, table in tables.items():
        paths[name] = folder / f"{name}.parquet"
        pq.write_table(table, paths[name])
    claims, evidence = ("candidate_claims", "edit_claims"), ("evidence", "quad_evidence")
    return RoundTables(
        number, paths["pairs"], tuple(paths[n] for n in claims), tuple(paths[n] for n in evidence),
        paths["critique_targets"],
    )  # fmt: skip


def _pair(
    name: str, sha: str, chosen: tuple[str, str], rejected: tuple[str, str], source: str, weight: float
) -> dict[str, Any]:
    sides = {"chosen_id": chosen[0], "chosen": chosen[1], "rejected_id": rejected[0], "rejected": rejected[1]}
    figures = dict.fromkeys(("q_plus", "verifiable", "length_ratio", "severity"), 1.0)
    return sides | figures | {
        "pair_id": name, "prompt_id": f"prompt-{name}", "image_sha256": sha, "question": QUESTION, "source": source,
        "kind": "attribute", "quad_id": None, "q_minus": 0.0, "expert_margin": 4.0, "weight": weight, "margin": 0.25,
        "reward_margin": 0.1, "refused": None,
    }  # fmt: skip


def _claims(*responses: tuple[str, str, str, float]) -> pa.Table:
    rows = []
    for name, text, sha, probability in responses:
        for index, claim in enumerate(extract_claims(text, QUESTION)):
            sure = probability if claim.kind == "attribute" else 0.99
            rows.append({
                "response_id": name, "claim_index": index, "image_sha256": sha, "kind": claim.kind,
                "claim": claim_to_json(claim), "start": claim.start, "end": claim.end, "probability": sure,
                "verdict": "supported" if sure > 0.5 else "contradicted", "evidence_ids": ["d1"], "families": "{}",
            })  # fmt: skip
    return pa.Table.from_pylist(rows, CLAIMS)


def _evidence(sha: str, colour: str) -> pa.Table:
    common = {"image_sha256": sha, "box": [0.1, 0.1, 0.5, 0.5], "fingerprint": "f"}
    return pa.Table.from_pylist(
        [
            common | {"evidence_id": "d1", "kind": "object", "label": "star", "score": 0.9, "expert": "detector",
                      "target": None},
            common | {"evidence_id": "d1.colour", "kind": "colour", "label": colour, "score": 0.95, "expert": "colour",
                      "target": "d1"},
            common | {"evidence_id": "d2", "kind": "object", "label": "ball", "score": 0.4, "expert": "detector",
                      "target": None},
        ],
        EVIDENCE,
    )  # fmt: skip
