"""One response explained on a page: the image with what the experts saw, and each claim with its verdict beside it."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, select_autoescape
from PIL.Image import Resampling

from vlrm.critiques.grammar import say
from vlrm.schema import claim_from_json, seen_objects
from vlrm.viewing.claims import coloured, key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from vlrm.schema import Evidence, SeenObject

SIDE = 900
"""Pixels of the image's longer side on the page."""
FAINT = 0.3
"""Objects no claim cites are drawn, thin and grey, from this score on: a detector's doubts would cover the image."""
_COLOURS = ("#0b62d6", "#c2185b", "#00796b", "#b45f06", "#6a1fa2", "#37660b", "#7a4a2b", "#00697f")


def explanation_page(
    response: Mapping[str, Any], question: str, claims: Sequence[Mapping[str, Any]], evidence: Sequence[Evidence],
    image: Image.Image,
) -> str:  # fmt: skip
    """A self-contained HTML page.

    Args:
        response: a row with response_id and text.
        claims: its rows of CLAIMS.
        evidence: all that the experts report of the image.
    """
    objects = seen_objects(evidence)
    cited = list(dict.fromkeys(one for row in claims for one in row["evidence_ids"]))
    number = {evidence_id: place for place, evidence_id in enumerate(cited, start=1)}
    numbered = sorted((o for o in objects if o.evidence_id in number), key=lambda o: number[o.evidence_id])
    scale = SIDE / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    environment = Environment(loader=PackageLoader("vlrm.viewing", ""), autoescape=select_autoescape(["j2", "html"]))
    return environment.get_template("explanation.html.j2").render(
        response_id=response["response_id"],
        question=question,
        answer=coloured(response["text"], claims),
        key=key(),
        groundedness=sum(row["probability"] - 1 for row in claims),
        claims=[_told(row, number, numbered) for row in claims],
        jpeg=_jpeg(image, size),
        width=size[0],
        height=size[1],
        boxes=[_box(o, number[o.evidence_id], size) for o in numbered],
        faint=[_box(o, 0, size) for o in objects if o.evidence_id not in number and o.score >= FAINT],
        seen=[_listed(o, number.get(o.evidence_id, 0)) for o in sorted(objects, key=lambda o: -o.score)][:20],
        more=max(0, len(objects) - 20),
        experts=sorted({row.expert for row in evidence}),
    )


def _told(row: Mapping[str, Any], number: Mapping[str, int], objects: Sequence[SeenObject]) -> dict[str, Any]:
    words = {o.evidence_id: f"{o.noun} {o.score:.2f}" for o in objects}
    cited = [(number[one], words.get(one, one), _colour(number[one])) for one in row["evidence_ids"]]
    return {
        "said": say(claim_from_json(row["claim"])),
        "kind": row["kind"],
        "verdict": row["verdict"],
        "probability": row["probability"],
        "evidence": cited,
        "families": [(name, value) for name, value in sorted(json.loads(row["families"]).items()) if value],
    }


def _box(thing: SeenObject, number: int, size: tuple[int, int]) -> dict[str, Any]:
    x0, y0, x1, y1 = (round(v * side) for v, side in zip(thing.box, size * 2, strict=True))
    text = f"{number} {thing.noun} {thing.score:.2f}" if number else f"{thing.noun} {thing.score:.2f}"
    wide = round(9.2 * len(text) + 12)
    return {
        "x": x0, "y": y0, "w": max(1, x1 - x0), "h": max(1, y1 - y0), "text": text, "colour": _colour(number),
        # above the box, or inside it where the image ends; never beyond the right edge
        "tx": max(0, min(x0, size[0] - wide)), "ty": y0 - 22 if y0 >= 22 else y0, "tw": wide,
    }  # fmt: skip


def _listed(thing: SeenObject, number: int) -> dict[str, Any]:
    attributes = [f"{name} {value} ({score:.2f})" for name, (value, score) in sorted(thing.attributes.items())]
    return {"number": number, "noun": thing.noun, "score": thing.score, "attributes": attributes}


def _colour(number: int) -> str:
    return _COLOURS[(number - 1) % len(_COLOURS)] if number else "#5d6670"


def _jpeg(image: Image.Image, size: tuple[int, int]) -> str:
    buffer = io.BytesIO()
    image.convert("RGB").resize(size, Resampling.LANCZOS).save(buffer, "JPEG", quality=88)
    return base64.b64encode(buffer.getvalue()).decode()
