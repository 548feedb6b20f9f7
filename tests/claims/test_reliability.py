"""Verification against noisy experts whose faults are known: verdicts must be right, and as sure as they
are right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from noisy_experts import noisy

from vlrm.claims.calibration import calibration_claims, calibration_examples, make
from vlrm.claims.extract import extract_claims
from vlrm.claims.reliability import Example, Reliability
from vlrm.claims.table import evidence_by_image, verify_responses
from vlrm.claims.truth import holds
from vlrm.errors import UserError
from vlrm.scenes.world import sample_scene
from vlrm.schema import CLAIMS, EVIDENCE, PROMPTS, RESPONSES, ObjectPhrase, SeenObject, claim_from_json

if TYPE_CHECKING:
    from pathlib import Path


def examples(scenes: int, seed: int, **faults: float) -> list[Example]:
    rng = np.random.default_rng(seed)
    truths = [sample_scene(rng).seen() for _ in range(scenes)]
    return calibration_examples([(truth, noisy(truth, rng, **faults)) for truth in truths], rng)


@pytest.fixture(scope="module")
def reliability() -> Reliability:
    return Reliability.fit(examples(250, 0))


def test_verdicts_are_mostly_right_and_probabilities_calibrated(reliability: Reliability) -> None:
    tested = examples(200, 1)
    results = [reliability.verify(claim, objects) for claim, objects, _ in tested]
    truth = np.array([t for _, _, t in tested])
    chance = np.array([r.probability for r in results])
    supported = np.array([r.verdict == "supported" for r in results])
    contradicted = np.array([r.verdict == "contradicted" for r in results])
    assert truth[supported].mean() > 0.94
    assert (~truth[contradicted]).mean() > 0.90
    assert (supported | contradicted).mean() > 0.8
    bins = np.minimum((chance * 10).astype(int), 9)
    gaps = [abs(chance[bins == b].mean() - truth[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    assert sum(gaps) < 0.06


def test_exact_experts_leave_next_to_nothing_open() -> None:
    rng = np.random.default_rng(3)
    truths = [sample_scene(rng).seen() for _ in range(150)]
    fitted = Reliability.fit(calibration_examples([(t, t) for t in truths], rng))
    right = total = 0
    for _ in range(60):
        truth = sample_scene(rng).seen()
        for claim in calibration_claims(truth, rng):
            total += 1
            right += fitted.verify(claim, truth).verdict == ("supported" if holds(claim, truth) else "contradicted")
    assert right / total > 0.97


def test_silence_weighs_as_much_as_recall_deserves() -> None:
    claim = make("existence", ObjectPhrase("star"))
    sharp = Reliability.fit(examples(150, 4, miss=0.02)).verify(claim, [])
    dull = Reliability.fit(examples(150, 4, miss=0.45)).verify(claim, [])
    assert sharp.verdict == "contradicted"
    assert sharp.probability < dull.probability - 0.1


def test_a_surer_expert_moves_a_claim_further() -> None:
    # Experts that often err, and many scenes: with good ones every score is at the limit of what a family may say.
    fitted = Reliability.fit(examples(500, 0, wrong=0.2))

    def red_star(score: float) -> SeenObject:
        return SeenObject("star", (0.2, 0.2, 0.4, 0.4), 0.97, {"colour": ("red", score)}, "e1")

    claims = [c for c in extract_claims("A red star.") + extract_claims("A blue star.") if c.kind == "attribute"]
    weak, strong = ([fitted.verify(c, [red_star(s)]).probability for c in claims] for s in (0.6, 0.97))
    assert strong[0] > weak[0] > 0.5 > weak[1] > strong[1]
    assert strong[1] < 0.1


def test_negative_claims_mirror_what_they_deny(reliability: Reliability) -> None:
    there, denied = extract_claims("There is a star.")[0], extract_claims("There is no star.")[0]
    objects = [SeenObject("star", (0.2, 0.2, 0.4, 0.4), 0.97, {}, "e1")]
    for seen in (objects, []):
        a, b = reliability.verify(there, seen), reliability.verify(denied, seen)
        assert a.probability == pytest.approx(1 - b.probability)


def test_no_family_moves_a_claim_beyond_its_limit(reliability: Reliability) -> None:
    for claim, objects, _ in examples(20, 5):
        assert all(abs(value) <= 4 for value in reliability.verify(claim, objects).families.values())


def test_save_and_load_give_the_same_verdicts(reliability: Reliability, tmp_path: Path) -> None:
    path = tmp_path / "reliability.json"
    reliability.save(path)
    again = Reliability.load(path)
    for claim, objects, _ in examples(10, 6):
        assert again.verify(claim, objects) == reliability.verify(claim, objects)


@pytest.mark.parametrize("content", ["", "{}", '{"format": 99}', '{"format": 1, "weights": {}}'])
def test_a_broken_file_is_a_clear_error(content: str, tmp_path: Path) -> None:
    path = tmp_path / "reliability.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"reliability\.json"):
        Reliability.load(path)
    with pytest.raises(UserError, match="does not exist"):
        Reliability.load(tmp_path / "none.json")


@pytest.mark.parametrize("number", [0, 1, 2, 7])
def test_tiny_calibration_sets_do_not_crash(number: int) -> None:
    fitted = Reliability.fit(examples(2, 8)[:number])
    for claim, objects, _ in examples(3, 9):
        assert 0 < fitted.verify(claim, objects).probability < 1
    if number == 0:
        verdicts = {fitted.verify(claim, objects).verdict for claim, objects, _ in examples(3, 9)}
        assert verdicts == {"unverifiable"}


def test_calibration_claims_cover_both_sides_of_every_kind() -> None:
    rng = np.random.default_rng(11)
    seen: dict[tuple[str, bool], int] = {}
    for _ in range(60):
        truth = sample_scene(rng).seen()
        for claim in calibration_claims(truth, rng):
            key = (claim.kind, holds(claim, truth))
            seen[key] = seen.get(key, 0) + 1
    for kind in ("existence", "count", "attribute", "relation", "text"):
        assert min(seen[kind, True], seen[kind, False]) >= 0.3 * max(seen[kind, True], seen[kind, False])


def test_tables_carry_every_claim_with_its_evidence(reliability: Reliability) -> None:
    def row(evidence_id: str, kind: str, label: str, target: str | None) -> dict[str, object]:
        return {
            "image_sha256": "s1", "evidence_id": evidence_id, "kind": kind, "label": label,
            "box": [0.2, 0.2, 0.4, 0.4], "score": 0.98, "expert": "x", "fingerprint": "f", "target": target,
        }  # fmt: skip

    rows = [row("d1", "object", "star", None), row("c1", "colour", "red", "d1")]
    evidence = pa.Table.from_pylist(rows, schema=EVIDENCE)
    prompts = pa.Table.from_pylist(
        [
            {"prompt_id": p, "image_sha256": s, "question": "Is there a red star?"}
            for p, s in (("p1", "s1"), ("p2", "s2"))
        ],
        schema=PROMPTS,
    )
    said = [
        ("r1", "p1", "s1", "Yes."),
        ("r2", "p1", "s1", "Yes, a blue star."),
        ("r3", "p2", "s2", "No."),
        ("r4", "p1", "s1", ""),
    ]
    names = ("response_id", "prompt_id", "image_sha256", "text")
    responses = pa.Table.from_pylist([dict(zip(names, r, strict=True)) for r in said], schema=RESPONSES)
    claims = verify_responses(responses, prompts, evidence, reliability)
    assert claims.schema == CLAIMS
    found = {}
    for line in claims.to_pylist():
        claim = claim_from_json(line["claim"])
        assert isinstance(json.loads(line["families"]), dict)
        found[line["response_id"], claim.kind, claim.value] = line
    assert found["r1", "existence", None]["verdict"] == "supported"
    assert found["r1", "attribute", "red"]["verdict"] == "supported"
    assert found["r1", "attribute", "red"]["evidence_ids"] == ["d1"]
    assert found["r2", "attribute", "blue"]["verdict"] == "contradicted"
    assert found["r3", "existence", None]["verdict"] == "supported"
    assert {key[0] for key in found} == {"r1", "r2", "r3"}
    assert evidence_by_image(evidence)["s1"][1].target == "d1"
    orphan = pa.Table.from_pylist([dict(zip(names, ("r9", "p9", "s1", "Yes."), strict=True))], schema=RESPONSES)
    with pytest.raises(UserError, match="p9"):
        verify_responses(orphan, prompts, evidence, reliability)
