"""The acceptance tests in their order, quads kept whole, the budget spent, and the weights of what is
kept."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vlrm.policy.sources import WRITTEN
from vlrm.rejection_sampling.budget import spend
from vlrm.rejection_sampling.checks import checks
from vlrm.rejection_sampling.length_twins import drop_lone_twins, match_lengths
from vlrm.schema import PAIRS, WATERFALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vlrm.rejection_sampling.rule import Rule

TESTS = (
    "undecided",
    "unverifiable",
    "chosen_doubtful",
    "rejected_not_clearly_false",
    "vetoed",
    "length",
    "duplicate",
    "quad_incomplete",
    "budget",
)
"""In the order in which they are made: a pair counts for the first it fails."""
SOURCES = ("candidates", "counterfactual")
"""Of every waterfall; those of :mod:`vlrm.policy.sources` stand in it where there are any."""
SIMILAR = 0.8
_WORD = re.compile(r"\w+")
_ANSWER = re.compile(r"\s*(yes|no)\b", re.IGNORECASE)
Sides = tuple[frozenset[str], frozenset[str]]
"""The words of the chosen and of the rejected text."""
PLACED = ("image_sha256", "chosen", "rejected", "question")
"""What a duplicate is told by."""


@dataclass(frozen=True)
class Selection:
    """``all``: every pair with its first failed test; ``audit``: the vetoed ones, for people to look at."""

    kept: pa.Table
    all: pa.Table
    audit: pa.Table
    waterfall: pa.Table


def select_pairs(
    offered: pa.Table,
    rule: Rule,
    tau: float,
    reward_margin: Mapping[str, float] | None = None,
    text_margin: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Selection:
    """Apply the rule to offered pairs (:data:`vlrm.rejection_sampling.offer.OFFERED`).

    ``reward_margin``: reward of chosen minus rejected by pair id, from a reward model that never trained on the pair's
    image, at least for the pairs that get as far as the veto (:func:`past_experts`); it vetoes and says what is
    hard, it never relabels. ``text_margin``: the same from a text-only model, for the weights. The same input and seed
    give the same result, whatever the order of the rows.
    """
    rows: list[dict[str, Any]] = sorted(offered.to_pylist(), key=lambda row: row["pair_id"])
    for row in rows:
        row["reward_margin"] = (reward_margin or {}).get(row["pair_id"])
        row["refused"] = _first_failed(row, rule, tau)
        row["twin_id"] = None
    if rule.length_twins:
        match_lengths(rows, rule)
    # An edit with its quad is worth more than the same two answers without one, as long as the quad is whole.
    late = [row for row in rows if row["source"] in WRITTEN]
    early = [row for row in rows if row["source"] not in WRITTEN]
    _drop_duplicates(early)
    _drop_broken_quads(early)
    _drop_duplicates(late, [row for row in early if row["refused"] is None])
    drop_lone_twins(rows)
    rng = np.random.default_rng(seed)
    keep = spend([row for row in rows if row["refused"] is None], rule, rng)
    for row in rows:
        if row["refused"] is None and row["pair_id"] not in keep:
            row["refused"] = "budget"
    _weigh(rows, rule, text_margin or {})
    kept = [row for row in rows if row["refused"] is None]
    return Selection(
        kept=_table(kept),
        all=_table(rows),
        audit=_table([row for row in rows if row["refused"] == "vetoed"]),
        waterfall=waterfall(rows),
    )


def past_experts(offered: pa.Table, rule: Rule, tau: float) -> pa.Table:
    """The pairs that pass every test before the veto: of others the rule asks no reward (ablations do)."""
    before = set(TESTS[: TESTS.index("vetoed")])
    keep = []
    for row in offered.to_pylist():
        failed = next((one.test for one in checks(row | {"reward_margin": None}, rule, tau) if not one.passed), None)
        keep.append(failed not in before)
    return offered.filter(pa.array(keep, pa.bool_()))


def waterfall(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """For each source: what was offered, what each test refused and left, and what was kept."""
    counts: dict[str, defaultdict[str | None, int]] = {source: defaultdict(int) for source in SOURCES}
    for row in sorted(rows, key=lambda row: str(row["source"])):
        counts.setdefault(row["source"], defaultdict(int))[row["refused"]] += 1
    lines = []
    for source, refused in counts.items():
        left = sum(refused.values())
        lines.append({"source": source, "test": "offered", "refused": 0, "left": left})
        for test in TESTS:
            left -= refused[test]
            lines.append({"source": source, "test": test, "refused": refused[test], "left": left})
        lines.append({"source": source, "test": "kept", "refused": 0, "left": left})
    return pa.Table.from_pylist(lines, schema=WATERFALL)


def shortage(selection: Selection, rule: Rule) -> str | None:
    """One sentence when a round kept too few pairs to learn from: why, and what to do; None when it kept enough."""
    kept, offered = selection.kept.num_rows, selection.all.num_rows
    if kept >= rule.least:
        return None
    reasons = Counter(row["refused"] for row in selection.all.select(["refused"]).to_pylist() if row["refused"])
    told = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in reasons.most_common(3))
    return (
        f"the round keeps {kept} of {offered} pairs on offer, fewer than rule.least={rule.least}"
        + (f" (refused: {told})" if told else "")
        + ": bring more images and questions, sample more answers (policy.candidates), or loosen the rule "
        "(rule.tau_default; on the embedded world, where tau is calibrated, rule.alpha)."
    )


def _first_failed(row: Mapping[str, Any], rule: Rule, tau: float) -> str | None:
    return next((check.test for check in checks(row, rule, tau) if not check.passed), None)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _drop_duplicates(rows: list[dict[str, Any]], kept: Iterable[dict[str, Any]] = ()) -> None:
    """A near duplicate: same image, the two sides differ by the same words, and each side is worded alike.

    "Yes" and "No" mean something else to every question. ``kept``: rows that are not duplicates.
    """
    known: defaultdict[Any, list[Sides]] = defaultdict(list)

    def place(image: str, chosen: str, rejected: str, question: str) -> tuple[Any, Sides]:
        a, b = _words(chosen), _words(rejected)
        about = question if _ANSWER.match(chosen) or _ANSWER.match(rejected) else ""
        return (image, about, a - b, b - a), (a, b)

    for row in kept:
        key, sides = place(*(row[name] for name in PLACED))
        known[key].append(sides)
    for row in rows:
        if row["refused"] is not None:
            continue
        key, sides = place(*(row[name] for name in PLACED))
        if any(_alike(sides[0], a) and _alike(sides[1], b) for a, b in known[key]):
            row["refused"] = "duplicate"
        else:
            known[key].append(sides)


def _alike(a: frozenset[str], b: frozenset[str]) -> bool:
    union = len(a | b)
    return union == 0 or len(a & b) / union >= SIMILAR


def _drop_broken_quads(rows: list[dict[str, Any]]) -> None:
    """A quad whose other pair was refused, or that prefers the same text on both images, teaches the
    shortcut."""
    quads: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["quad_id"] is not None:
            quads[row["quad_id"]].append(row)
    for pairs in quads.values():
        whole = all(row["refused"] is None for row in pairs)
        if len(pairs) > 1 and not (whole and len(pairs) == 2 and pairs[0]["chosen"] == pairs[1]["rejected"]):
            for row in pairs:
                row["refused"] = row["refused"] or "quad_incomplete"


def _weigh(rows: list[dict[str, Any]], rule: Rule, text_margin: Mapping[str, float]) -> None:
    """Weights of mean 1: surer pairs more, pairs that a text-only model gets right less; severity margins."""
    kept = [row for row in rows if row["refused"] is None]
    raw = []
    for row in kept:
        easy = _sigmoid(text_margin.get(row["pair_id"], 0.0))
        raw.append((row["q_plus"] - row["q_minus"]) * min(1.75, max(0.25, 2 * (1 - easy))))
    mean = sum(raw) / len(raw) if raw else 1.0
    for row in rows:
        row["margin"] = rule.margin_scale * row["severity"]
    for row, weight in zip(kept, raw, strict=True):
        row["weight"] = weight / mean


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, value))))


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=PAIRS)
