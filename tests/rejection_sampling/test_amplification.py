"""Hallucinated labels are counted by place, and a rate that grows over rounds is called out by name."""

from __future__ import annotations

import pyarrow as pa

from vlrm.rejection_sampling.amplification import LABEL_RATES, grown, label_rates, merged, overall
from vlrm.rejection_sampling.notes import kept_pairs_notes
from vlrm.schema import CLAIMS, PAIRS, Claim, ObjectPhrase, claim_to_json


def row(response: str, noun: str, verdict: str, image: str = "i", **given):
    claim = Claim(kind="existence", subject=ObjectPhrase(noun), start=0, end=1, span_value=(0, 1), **given)
    return {
        "response_id": response, "claim_index": 0, "image_sha256": image, "kind": claim.kind, "claim": claim_to_json(claim),
        "start": 0, "end": 1, "probability": 0.5, "verdict": verdict, "evidence_ids": [], "families": "{}",
    }  # fmt: skip


def rates_of(*claims, sampled=(), chosen=(), rejected=()):
    pairs = [{"chosen_id": a, "rejected_id": b} for a, b in zip(chosen, rejected, strict=True)]
    kept = pa.Table.from_pylist([{name: one.get(name) for name in PAIRS.names} for one in pairs], PAIRS)
    return label_rates(pa.Table.from_pylist(list(claims), CLAIMS), set(sampled), kept)


def test_a_label_is_counted_where_it_was_said():
    found = rates_of(
        row("a", "dog", "supported"), row("b", "dog", "contradicted"), row("c", "cat", "contradicted"),
        sampled=["a", "b"], chosen=["a"], rejected=["b"],
    )  # fmt: skip
    counts = {(r["where"], r["label"]): (r["said"], r["false"], r["images"]) for r in found.to_pylist()}
    assert counts == {("sampled", "dog"): (2, 1, 1), ("chosen", "dog"): (1, 0, 1), ("rejected", "dog"): (1, 1, 1)}
    assert overall(found, "sampled") == 0.5 and overall(found, "nowhere") is None


def test_a_denial_puts_nothing_into_the_image():
    assert rates_of(row("a", "dog", "contradicted", polarity=False), sampled=["a"]).num_rows == 0


def round_with(false: int, of: int = 60):
    claims = [row(f"r{i}", "dog", "contradicted" if i < false else "supported", image=f"i{i}") for i in range(of)]
    others = [row(f"r{i}", "cat", "supported", image=f"i{i}") for i in range(of)]
    return rates_of(*claims, *others, sampled=[f"r{i}" for i in range(of)])


def test_growth_is_named_and_noise_is_not():
    assert [(one.label, one.first, one.last) for one in grown([round_with(6), round_with(30)], "sampled")] == [
        ("dog", 0.1, 0.5)
    ]
    assert grown([round_with(6), round_with(9)], "sampled") == []
    assert grown([round_with(30), round_with(6)], "sampled") == []
    assert grown([round_with(30)], "sampled") == []


def test_many_answers_about_one_image_are_one_observation():
    def one_image(false: bool):
        said = [row(f"r{i}", "dog", "contradicted" if false else "supported") for i in range(50)]
        return rates_of(*said, sampled=[f"r{i}" for i in range(50)])

    assert grown([one_image(False), one_image(True)], "sampled") == []


def test_the_report_says_it_in_words():
    blind = {"warnings": []}
    told = kept_pairs_notes([blind, blind], [round_with(6), round_with(30)])
    assert "neither" in told[0] or "words or length alone" in told[0]
    assert "5.0%, 25.0%" in told[1]
    assert told[2].startswith("'dog' (existence) is said wrongly more often in candidates: 10%")
    assert kept_pairs_notes([{"warnings": ["length tells."]}], [])[0] == "Round 1: length tells."


def test_tables_of_several_seeds_add_up():
    both = merged([round_with(6), round_with(30)])
    assert both.schema == LABEL_RATES
    assert {r["label"]: r["false"] for r in both.to_pylist()} == {"dog": 36, "cat": 0}
