"""What best-of-N counts where no truth is known: claims that the evidence contradicts, and that it supports."""

import pyarrow as pa

from vlrm.evaluation.judged import evidence_counts
from vlrm.schema import CLAIMS, RESPONSES


def test_verdicts_are_counted_for_each_response_in_their_order():
    said = [
        {"response_id": name, "prompt_id": "p", "image_sha256": "i", "sample": number, "text": "..."}
        for number, name in enumerate(("b", "a", "silent"))
    ]
    verdicts = {"b": ("contradicted", "unverifiable"), "a": ("supported", "supported", "contradicted")}
    claims = [
        {"response_id": name, "claim_index": number, "verdict": verdict}
        for name, given in verdicts.items()
        for number, verdict in enumerate(given)
    ]
    rows = evidence_counts(pa.Table.from_pylist(said, RESPONSES), pa.Table.from_pylist(claims, CLAIMS)).to_dicts()
    counted = [(row["response_id"], row["false_claims"], row["true_claims"]) for row in rows]
    assert counted == [("b", 1, 0), ("a", 1, 2), ("silent", 0, 0)]
