"""The words of the project as types: evidence, claims, and the Arrow schema of every table a round writes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

ClaimKind = Literal["existence", "count", "attribute", "relation", "text"]
Verdict = Literal["supported", "contradicted", "unverifiable"]
CLAIM_KINDS: tuple[ClaimKind, ...] = ("existence", "count", "attribute", "relation", "text")
TRACE = 0.1
"""Below this score an object is a trace: its label may be there; where, how many or what colour it does not say."""
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 as fractions of the image's width and height; y grows downward."""


@dataclass(frozen=True)
class Evidence:
    """One thing an expert reports about an image.

    ``kind`` is ``object`` (``label`` is the noun) or an attribute of an object (``colour``, ``size``, ``pattern``,
    ``text``; ``target`` is then the evidence id of that object and ``label`` the value).
    """

    evidence_id: str
    kind: str
    label: str
    box: Box
    score: float
    expert: str
    fingerprint: str
    target: str | None = None


@dataclass(frozen=True)
class SeenObject:
    """An object as experts (or the exact truth, with every score 1) describe it."""

    noun: str
    box: Box
    score: float = 1.0
    attributes: dict[str, tuple[str, float]] = field(default_factory=dict)
    """attribute name -> (value, score); names are colour, size, pattern, text. Absent means unknown."""
    evidence_id: str = ""

    @property
    def centre(self) -> tuple[float, float]:
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2


def clear(objects: Sequence[SeenObject]) -> list[SeenObject]:
    """The objects that are more than a :data:`TRACE`."""
    return [thing for thing in objects if thing.score >= TRACE]


def seen_objects(evidence: Sequence[Evidence]) -> list[SeenObject]:
    """Group one image's evidence rows into objects, each with its best value per attribute."""
    attributes: dict[str, dict[str, tuple[str, float]]] = {}
    for row in evidence:
        if row.target is not None:
            known = attributes.setdefault(row.target, {})
            if row.kind not in known or row.score > known[row.kind][1]:
                known[row.kind] = (row.label, row.score)
    return [
        SeenObject(row.label, row.box, row.score, attributes.get(row.evidence_id, {}), row.evidence_id)
        for row in evidence
        if row.kind == "object"
    ]


@dataclass(frozen=True)
class ObjectPhrase:
    """What a noun phrase says: canonical noun (None for "object", "thing") and attribute values."""

    noun: str | None
    attributes: tuple[tuple[str, str], ...] = ()
    """Sorted (attribute name, canonical value) pairs."""

    def get(self, attribute: str) -> str | None:
        return dict(self.attributes).get(attribute)


@dataclass(frozen=True)
class Claim:
    """One atomic visual statement with its character span ``[start, end)`` in the response.

    ``value`` is the attribute's value (attribute, text) and ``span_value`` its own span, so that an edit can
    replace just the value; for existence it is the noun's span, for count the number word's, for relation the
    relation phrase's.
    """

    kind: ClaimKind
    subject: ObjectPhrase
    start: int
    end: int
    span_value: tuple[int, int]
    attribute: str | None = None
    value: str | None = None
    count: int | None = None
    relation: str | None = None
    other: ObjectPhrase | None = None
    polarity: bool = True
    hedged: bool = False

    def key(self) -> tuple[Any, ...]:
        """What is claimed, without where it is said: equal keys are the same claim."""
        return (
            self.kind,
            self.subject,
            self.attribute,
            self.value,
            self.count,
            self.relation,
            self.other,
            self.polarity,
        )


def claim_to_json(claim: Claim) -> str:
    return json.dumps(asdict(claim), sort_keys=True)


def claim_from_json(text: str) -> Claim:
    raw = json.loads(text)
    for name in ("subject", "other"):
        if raw[name] is not None:
            raw[name] = ObjectPhrase(raw[name]["noun"], tuple((a, v) for a, v in raw[name]["attributes"]))
    raw["span_value"] = tuple(raw["span_value"])
    return Claim(**raw)


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


S, F, I, B = pa.string(), pa.float64(), pa.int64(), pa.bool_()  # noqa: E741

PROMPTS = _schema(prompt_id=S, image=S, image_sha256=S, question=S, kind=S, part=S)
"""``image``: path under the image store. ``kind``: question kind. ``part``: of the world, iid by default"""
USER = "user"
"""``part`` of prompts and exam pairs about a user's own images, of which only evidence is known, no truth."""
BROUGHT = PROMPTS.append(pa.field("split", S))
"""A user's prompts dealt out to ``split``: gate, report, or "round 1"...; empty when none were brought."""
SCENES = _schema(image_sha256=S, scene=S)
"""Exact truth of a rendered image as JSON; experts and models never read this table."""
QUARANTINE = _schema(source=S, row=I, item=S, reason=S)
EVIDENCE = _schema(
    image_sha256=S,
    evidence_id=S,
    kind=S,
    label=S,
    box=pa.list_(F),
    score=F,
    expert=S,
    fingerprint=S,
    target=S,
)
RESPONSES = _schema(
    response_id=S,
    prompt_id=S,
    image_sha256=S,
    text=S,
    source=S,
    parent_id=S,
    edit_kind=S,
    quad_id=S,
    sample=I,
)
"""``source``: sampled (by the policy; partial, other or opposite: see :mod:`vlrm.policy.sources`), shortened (a
sentence of the sampled ``parent_id``), counterfactual (an edit of ``parent_id`` on the same image) or quad (the same
text said of the quad's other image; ``parent_id`` is the response it repeats). ``quad_id`` is the counterfactual's
response id on the counterfactual and both quad rows, null elsewhere."""
CLAIMS = _schema(
    response_id=S,
    claim_index=I,
    image_sha256=S,
    kind=S,
    claim=S,
    start=I,
    end=I,
    probability=F,
    verdict=S,
    evidence_ids=pa.list_(S),
    families=S,
)
"""``claim``: JSON of :class:`Claim`; ``families``: JSON of the log-likelihood ratio each expert family gave."""
CRITIQUES = _schema(
    critique_id=S,
    response_id=S,
    image_sha256=S,
    sample=I,
    with_evidence=B,
    template=S,
    text=S,
    verdict=S,
    parsed=B,
    reason=S,
    agreement=F,
)
"""``template``: name and version of the prompt. ``verdict``: right or wrong (null when the critique does not parse;
``reason`` then says why). ``agreement``: share of the response's other parsed critiques with the same verdict."""
EXAM_CRITIQUES = _schema(item_id=S, image=S, side=S, sample=I, text=S)
"""Of one side of an exam item, without evidence. ``image``: the reference that was shown (``blank:`` and such)."""
CRITIQUE_TARGETS = _schema(critique_id=S, image_sha256=S, question=S, response=S, critique=S, verdict=S, template=S)
"""Accepted critiques as they are learned: references to evidence removed, with what they are about."""
QUESTION = "question"
"""The source of pairs that :mod:`vlrm.rejection_sampling.claim_questions` makes."""
PAIRS = _schema(
    pair_id=S,
    prompt_id=S,
    image_sha256=S,
    question=S,
    chosen_id=S,
    rejected_id=S,
    chosen=S,
    rejected=S,
    source=S,
    kind=S,
    quad_id=S,
    q_plus=F,
    q_minus=F,
    expert_margin=F,
    verifiable=F,
    length_ratio=F,
    severity=F,
    weight=F,
    margin=F,
    reward_margin=F,
    twin_id=S,
    refused=S,
)
"""``source``: candidates (two sampled answers; partial, other or opposite where one of them was written otherwise, see
:mod:`vlrm.policy.sources`), counterfactual or :data:`QUESTION`. ``twin_id``: the pair with which one of unequal
length is kept (the longer side is right in one of the two), null elsewhere. ``refused``: null when accepted, else the
first failed test."""
WATERFALL = _schema(source=S, test=S, refused=I, left=I)
EXAM = _schema(
    item_id=S,
    split=S,
    part=S,
    source=S,
    kind=S,
    image=S,
    image_sha256=S,
    question=S,
    chosen=S,
    rejected=S,
    quad_id=S,
    group_id=S,
    differing_kinds=pa.list_(S),
    experts_right=B,
)
"""``split``: gate or report. ``source``: organic (both sampled) or edited. ``quad_id``: shared by the two pairs of a
quad; ``group_id``: shared by the paraphrases of one pair. ``experts_right``: the evidence prefers ``chosen``."""
SCORES = _schema(item_id=S, view=S, sample=I, chosen_reward=F, rejected_reward=F, chosen_verdict=S, rejected_verdict=S)
"""``view``: image, blank or swapped. ``sample``: critique seed, -1 for the plain reward."""
