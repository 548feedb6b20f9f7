"""Where candidates that may be wrong come from: partial evidence, another image, the answer that no sample gave."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from vlrm.images import other_image, partial
from vlrm.policy.protocol import row_seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Source = Literal["sampled", "partial", "other"]
SAMPLED: Final = "sampled"
PARTIAL: Final = "partial"
OTHER: Final = "other"
OPPOSITE: Final = "opposite"
STATED: Final = "stated"
"""Of responses put together from the evidence (:mod:`vlrm.policy.stating`): offered against their own edits only."""
WRITTEN = (SAMPLED, PARTIAL, OTHER, OPPOSITE)
"""``source`` of responses that nobody edited: written about the image, about a part of the evidence of it, about
another image of the same prompts, or the bare answer that none of these gave."""
LENDERS = 256
"""Images among which those are chosen whose texts a prompt borrows."""
_ASKS = re.compile(r"\s*(is|are|does|do|can|was|were|has|have)\b", re.IGNORECASE)
_ANSWER = re.compile(r"\s*(yes|no)\W*$", re.IGNORECASE)
YES_NO = ("Yes", "No")


class Sources(BaseModel):
    """What each of a prompt's K candidates is written about, for a base model that reads evidence as text.

    ``order`` is gone through again and again: with K = 4, ``[sampled, sampled, partial, other]`` gives two candidates
    about all the evidence, one about a part of it, and one about another image. ``opposite``: a yes-or-no question to
    which no candidate is the bare "Yes", or the bare "No", gets it as one candidate more, so that both are on offer.
    """

    model_config = ConfigDict(extra="forbid")

    order: tuple[Source, ...] = Field(("sampled", "sampled", "partial", "other"), min_length=1)
    opposite: bool = True
    borrowed: int = Field(0, ge=0)
    """Candidates of each prompt more, that were sampled for other images to the same question."""
    stated: int = Field(0, ge=0)
    """Descriptions of each prompt put together from what the experts are sure of, to be edited."""
    sample_answers: bool = True
    """False: yes-or-no questions are not sampled at all, their candidates are the two words."""

    def source(self, sample: int) -> str:
        return self.order[sample % len(self.order)]


def shown(row: Mapping[str, Any], images: Sequence[str], seed: int) -> str:
    """The reference of the image that a candidate is written about: its own, a part of it, or another of ``images``.

    ``images``: distinct and sorted. Where there is no other image, the own one in part.
    """
    own = str(row["image_sha256"])
    chosen = row_seed("source", seed, row["prompt_id"], row["sample"])
    if row["source"] == OTHER and (other := other_image(images, own, chosen)) is not None:
        return other
    return own if row["source"] == SAMPLED else partial(own, chosen % 10**6)


def asks_yes_or_no(question: str) -> bool:
    return _ASKS.match(question) is not None


def opposites(rows: Sequence[Mapping[str, Any]], prompts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row with the bare word, Yes or No, that no candidate of a yes-or-no question is, for each such question.

    ``rows``: the candidates so far.
    """
    heard: dict[str, set[str]] = {}
    number: dict[str, int] = {}
    for row in rows:
        found = _ANSWER.match(row["text"])
        heard.setdefault(row["prompt_id"], set()).update({found[1].lower()} if found else set())
        number[row["prompt_id"]] = max(number.get(row["prompt_id"], 0), row["sample"] + 1)
    made: list[dict[str, Any]] = []
    for prompt in prompts:
        name = prompt["prompt_id"]
        words = [word for word in YES_NO if word.lower() not in heard.get(name, set())]
        for sample, word in enumerate(words if asks_yes_or_no(prompt["question"]) else (), number.get(name, 0)):
            made.append(candidate(prompt, sample, OPPOSITE) | {"text": word})
    return made


def borrowed(
    rows: Sequence[Mapping[str, Any]], prompts: Sequence[Mapping[str, Any]], number: int, seed: int
) -> list[dict[str, Any]]:
    """Rows of source ``other``: for each prompt that asks for words, texts sampled for other images to its question.

    ``rows``: the candidates so far. No two of a prompt are of one image; fewer than ``number`` where there are no more.
    """
    asked = {prompt["prompt_id"]: prompt["question"] for prompt in prompts}
    said: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["source"] == SAMPLED:
            said[asked[row["prompt_id"]]][row["image_sha256"]].append(row["text"])
    known = {question: sorted(texts) for question, texts in said.items() if not asks_yes_or_no(question)}
    made: list[dict[str, Any]] = []
    for prompt in prompts:
        name, texts = prompt["prompt_id"], said[prompt["question"]]
        lenders = known.get(prompt["question"], ())
        if len(lenders) > LENDERS:  # all of them for every prompt would be a square of the prompts
            drawn = (row_seed("lender", seed, name, number) for number in range(LENDERS))
            lenders = sorted({lenders[one % len(lenders)] for one in drawn})
        images = [image for image in lenders if image != prompt["image_sha256"]]
        images.sort(key=lambda image: row_seed("borrowed", seed, name, image))
        for sample, image in enumerate(images[:number]):
            text = texts[image][row_seed("borrowed text", seed, name, image) % len(texts[image])]
            made.append(candidate(prompt, sample, OTHER) | {"response_id": f"{name}-b{sample}", "text": text})
    return made


def candidate(prompt: Mapping[str, Any], sample: int, source: str) -> dict[str, Any]:
    """A row of RESPONSES that has no text yet."""
    return {
        "response_id": f"{prompt['prompt_id']}-c{sample}", "prompt_id": prompt["prompt_id"],
        "image_sha256": prompt["image_sha256"], "source": source, "parent_id": None, "edit_kind": None,
        "quad_id": None, "sample": sample,
    }  # fmt: skip
