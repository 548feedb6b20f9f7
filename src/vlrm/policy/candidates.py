"""Samples K candidate responses per prompt, and draws near duplicates again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from vlrm import chat
from vlrm.policy.duplicates import Pairs, jaccard, word_pairs
from vlrm.policy.examples import turns
from vlrm.policy.protocol import Request, Sampling, Writer, row_seed
from vlrm.policy.sources import SAMPLED, Sources, asks_yes_or_no, borrowed, candidate, opposites, shown
from vlrm.progress import say
from vlrm.schema import RESPONSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.chat import Messages
    from vlrm.policy.examples import Example


class Distinct(BaseModel):
    """Which candidates of a prompt are near duplicates, and how often one is drawn again before it is dropped.

    ``similarity``: Jaccard index of word pairs, case, punctuation and articles apart, from which on two texts count
    as one. At 1 only other spellings of a text go: one changed word may be what makes an answer false.
    """

    model_config = ConfigDict(extra="forbid")

    similarity: float = Field(default=1.0, gt=0, le=1)
    redraws: int = Field(default=2, ge=0)


def sample_candidates(
    writer: Writer,
    prompts: pa.Table,
    number: int,
    sampling: Sampling,
    seed: int,
    distinct: Distinct | None = None,
    sources: Sources | None = None,
    examples: Sequence[Example] = (),
) -> pa.Table:
    """RESPONSES with source ``sampled``, in the prompts' order: ``number`` per prompt.

    With ``sources`` some are written about a part of the image's evidence or about another image, and their source
    says so (:mod:`vlrm.policy.sources`); those borrowed from other prompts come last. ``examples``: of which some
    stand before a request to describe (:mod:`vlrm.policy.examples`).

    With ``distinct``, near duplicates of an earlier candidate are drawn again, and what stays one is left out: a prompt
    may then have fewer rows. Without it every draw counts, as best-of-N needs.
    """
    rows = [
        candidate(prompt, sample, sources.source(sample) if sources else SAMPLED)
        for prompt in prompts.to_pylist()
        if sources is None or sources.sample_answers or not asks_yes_or_no(prompt["question"])
        for sample in range(number)
    ]
    asked = dict(zip(prompts["prompt_id"].to_pylist(), prompts["question"].to_pylist(), strict=True))
    known = _Known(
        asked,
        sorted(set(prompts["image_sha256"].to_pylist())),
        {
            prompt_id: [] if asks_yes_or_no(question) else turns(examples, question, prompt_id)
            for prompt_id, question in asked.items()
        },
    )
    _draw(writer, rows, known, sampling, seed)
    if distinct is not None:
        kept: dict[str, list[Pairs]] = {}
        repeated = _repeated(rows, kept, distinct.similarity)
        first = len(repeated)
        for attempt in range(1, distinct.redraws + 1 if sampling.temperature > 0 else 1):
            _draw(writer, repeated, known, sampling, seed, attempt)
            repeated = _repeated(repeated, kept, distinct.similarity)
        dropped = {row["response_id"] for row in repeated}
        rows = [row for row in rows if row["response_id"] not in dropped]
        say(f"{len(rows)} candidates; {first} repeated another, {len(dropped)} of them again when redrawn: dropped")
    if sources is not None and sources.opposite:
        rows = _in_order([*rows, *opposites(rows, prompts.to_pylist())], prompts)
    if sources is not None and sources.borrowed:
        rows += borrowed(rows, prompts.to_pylist(), sources.borrowed, seed)
    return pa.Table.from_pylist(rows, RESPONSES)


def _in_order(rows: list[dict[str, Any]], prompts: pa.Table) -> list[dict[str, Any]]:
    place = {prompt: number for number, prompt in enumerate(prompts["prompt_id"].to_pylist())}
    return sorted(rows, key=lambda row: (place[row["prompt_id"]], row["sample"]))


@dataclass(frozen=True)
class _Known:
    """Of prompts: the question by id, all images, and the turns before the question by id."""

    asked: Mapping[str, str]
    images: Sequence[str]
    before: Mapping[str, Messages]


def _draw(
    writer: Writer, rows: list[dict[str, Any]], known: _Known, sampling: Sampling, seed: int, attempt: int = 0
) -> None:
    """Give each row a text; a sample's first draw is the same with redraws and without."""
    from vlrm.vlm import Conversation

    again = (attempt,) if attempt else ()
    requests = [
        Request(
            Conversation(
                shown(row, known.images, seed),
                [*known.before[row["prompt_id"]], *chat.ask(known.asked[row["prompt_id"]])],
            ),
            row_seed("candidate", seed, row["prompt_id"], row["sample"], *again),
        )
        for row in rows
    ]
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        say(f"candidate {done} of {len(requests)}" + (" drawn again" if attempt else ""))

    for row, text in zip(rows, writer.write(requests, sampling, progress), strict=True):
        row["text"] = text


def _repeated(rows: list[dict[str, Any]], kept: dict[str, list[Pairs]], similarity: float) -> list[dict[str, Any]]:
    """The rows that say what a kept one of their prompt says; the others are added to ``kept``."""
    repeated = []
    for row in rows:
        pairs = word_pairs(row["text"])
        others = kept.setdefault(row["prompt_id"], [])
        if any(jaccard(pairs, other) >= similarity for other in others):
            repeated.append(row)
        else:
            others.append(pairs)
    return repeated
