"""A pair as a card: its image with the evidence drawn in, both answers with their claims coloured, their critiques."""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

from vlrm.images import open_image, relative_path
from vlrm.rejection_sampling.claim_questions import decided
from vlrm.schema import QUESTION, Evidence, SeenObject, clear, seen_objects
from vlrm.viewing.claims import coloured, coloured_whole
from vlrm.viewing.pictures import legend, with_boxes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from PIL import Image

Rows = defaultdict[str, list[dict[str, Any]]]
SIDES = (("chosen", "better, says the evidence"), ("rejected", "worse"))


@dataclass
class PairCards:
    """Draws pairs of one round. ``images``: the image store; ``side``: pixels of a picture's longer side."""

    images: Path
    side: int = 300
    claims: Rows = field(default_factory=lambda: defaultdict(list))
    critiques: Rows = field(default_factory=lambda: defaultdict(list))
    evidence: Rows = field(default_factory=lambda: defaultdict(list))

    def add(
        self,
        claims: Iterable[Mapping[str, Any]] = (),
        critiques: Iterable[Mapping[str, Any]] = (),
        evidence: Iterable[Mapping[str, Any]] = (),
    ) -> PairCards:
        """Rows of CLAIMS, CRITIQUES and EVIDENCE to draw from."""
        for row in claims:
            self.claims[row["response_id"]].append(dict(row))
        for row in critiques:
            self.critiques[row["response_id"]].append(dict(row))
        for row in evidence:
            self.evidence[row["image_sha256"]].append(dict(row))
        return self

    def objects(self, sha: str) -> list[SeenObject]:
        """What the experts clearly see in an image, numbered as critiques cite it."""
        rows = {row["evidence_id"]: row for row in self.evidence[sha]}.values()
        names = [name for name in Evidence.__dataclass_fields__ if name != "box"]
        return clear(seen_objects([Evidence(**{n: row[n] for n in names}, box=tuple(row["box"])) for row in rows]))

    def card(self, pair: Mapping[str, Any], title: str = "") -> str:
        """HTML of one row of PAIRS."""
        objects = self.objects(pair["image_sha256"])
        picture = with_boxes(
            open_image(self.images / relative_path(pair["image_sha256"], self.images)), objects, self.side
        )
        seen = "<br>".join(escape(line) for line in legend(objects)) or "no object found"
        told = " · ".join(filter(None, (title, pair["kind"], pair["source"], _figures(pair))))
        sides = "".join(self._side(pair, side, heading) for side, heading in SIDES)
        return (
            '<div style="display:flex;gap:1em;flex-wrap:wrap;border-top:1px solid #9aa0a6;padding:.8em 0">'
            f'<div style="flex:0 0 {self.side}px"><img alt="image with boxes" src="{_data_url(picture)}">'
            f'<div style="font-size:.8em;opacity:.8">{seen}</div></div>'
            f'<div style="flex:1 1 20em"><div style="font-size:.8em;opacity:.8">{escape(told)}</div>'
            f"<b>{escape(pair['question'])}</b>{sides}</div></div>"
        )

    def _side(self, pair: Mapping[str, Any], side: str, heading: str) -> str:
        name = pair[f"{side}_id"]
        said = "".join(f"<li>{escape(row['text'])}{_refused(row)}</li>" for row in self.critiques[name])
        told = f'<ul style="font-size:.8em;opacity:.8;margin:.2em 0">{said}</ul>' if said else ""
        if pair["source"] == QUESTION:
            answer = coloured_whole(pair[side], *decided(pair, side))
        else:
            answer = coloured(pair[side], self.claims[name])
        return f"<p style='margin:.6em 0 0'><i>{heading}</i><br>{answer}</p>{told}"


def _refused(critique: Mapping[str, Any]) -> str:
    return "" if critique["parsed"] else f" <i>dropped: {escape(critique['reason'] or '')}</i>"


def _figures(pair: Mapping[str, Any]) -> str:
    margin = pair.get("reward_margin")
    before = f", reward margin before {margin:+.2f}" if margin is not None else ""
    return f"q+ {pair['q_plus']:.3f}, q- {pair['q_minus']:.3f}{before}"


def _data_url(image: Image.Image) -> str:
    stream = BytesIO()
    image.convert("RGB").save(stream, format="JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
