"""What a sample is tried on, and how many tokens it takes: pairs as if they were kept, their sides, their texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from vlrm.critiques.templates import named
from vlrm.reward.model import Row
from vlrm.schema import PAIRS, QUESTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vlrm.chat import Messages
    from vlrm.schema import SeenObject
    from vlrm.vlm import Vlm


def tokens_read(vlm: Vlm, asked: Sequence[tuple[str | None, Messages]]) -> float:
    """Mean tokens of conversations about images (reference, messages), the image's among them."""
    texts = [vlm.text(messages, reply=True) for _, messages in asked]
    return sum(map(len, vlm.token_ids(texts, [image for image, _ in asked]))) / max(1, len(asked))


def tokens_written(vlm: Vlm, texts: Sequence[str]) -> float:
    """Mean tokens of written texts, with the one that ends each."""
    return 1 + sum(map(len, vlm.token_ids(list(texts) or [""]))) / max(1, len(texts))


def quoted_talks(
    critiques: pa.Table,
    answers: Iterable[Mapping[str, Any]],
    prompts: pa.Table,
    objects: Mapping[str, Sequence[SeenObject]],
) -> list[tuple[str, Messages]]:
    """What was asked for each of ``critiques`` by its template, the evidence of its image quoted."""
    said = {row["response_id"]: row for row in answers}
    asked = dict(zip(prompts["prompt_id"].to_pylist(), prompts["question"].to_pylist(), strict=True))
    talks = []
    for row in critiques.select(["response_id", "image_sha256", "template"]).to_pylist():
        response, image = said[row["response_id"]], row["image_sha256"]
        ask = named(row["template"]).ask
        talks.append((image, ask(asked[response["prompt_id"]], response["text"], objects.get(image, ()))))
    return talks


def as_kept(offered: pa.Table) -> pa.Table:
    """Offered pairs as if they were kept (PAIRS), where a sample keeps too few: a step takes as long with either."""
    rows = offered.filter(pc.greater(offered["q_plus"], 0.5)).to_pylist() or offered.to_pylist()
    names = set(PAIRS.names)
    told = [{name: value for name, value in row.items() if name in names} for row in rows]
    return pa.Table.from_pylist([row | {"weight": 1.0, "margin": 0.0} for row in told], PAIRS)


def answers_among(pairs: pa.Table) -> pa.Table:
    """Pairs that critiques are sampled of: those of claim questions have none."""
    return pairs.filter(pc.not_equal(pairs["source"], QUESTION))


def criticised_sides(pairs: pa.Table, questions: float) -> float:
    """Distinct answers a kept pair that are criticised, where at most the share ``questions`` is of claim questions."""
    answers = answers_among(pairs)
    if not answers.num_rows:
        return 0.0
    ids = {*answers["chosen_id"].to_pylist(), *answers["rejected_id"].to_pylist()}
    return len(ids) / answers.num_rows * (1 - min(questions, 1 - answers.num_rows / pairs.num_rows))


def sides(pairs: pa.Table) -> list[Row]:
    """Both answers of every pair, as a reward model reads them."""
    return [
        Row(row["image_sha256"], row["question"], row[side])
        for row in pairs.to_pylist()
        for side in ("chosen", "rejected")
    ]
