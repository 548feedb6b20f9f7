"""A model that writes as a judge: it is shown both answers, in both orders, and votes; it is asked yes or no; it
describes.

Pairs are judged as VL-RewardBench does it (github.com/vl-rewardbench/VL_RewardBench: inference_hf.py): temperature and
top-p 0.2, K votes with an order drawn for each, and the verdict read from "Overall Judgment: Answer N is better". Three
things differ. The prompt is in words of our own (``Voting.prompt`` takes the official one). Of K votes at least K // 2
are in each order, so that consistency between the orders costs no vote of its own. And a verdict for an answer that is
neither 1 nor 2 is no vote, where the official parser counts it as agreement.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vlrm import chat
from vlrm.errors import UserError
from vlrm.evaluation.judges.fingerprints import fingerprint
from vlrm.evaluation.judges.protocol import Judgement
from vlrm.policy.protocol import Sampling, row_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from vlrm.evaluation.benchmarks.item import Item
    from vlrm.evaluation.judges.pens import Asked, Pen

COMPARE = (
    "Two answers to a question about an image are to be compared.\n\n"
    "Question: {question}\n\nAnswer 1: {first}\n\nAnswer 2: {second}\n\n"
    "Look at the image. First check what each answer says against what is really there: objects, their number, "
    "colours, places and any text. Then weigh how much of the question each one answers, how clearly it is written, "
    "and whether it keeps to the question. What is false about the image counts more than what is missing. Give your "
    "reasons for each answer, and end with one line of exactly this form, X being 1 or 2:\n"
    "Overall Judgment: Answer X is better."
)
"""Ours, with the ending that the official parser reads; ``Voting.prompt`` takes the official text, or any other."""
PLACES = ("{question}", "{first}", "{second}")
_PLACE = re.compile("|".join(map(re.escape, PLACES)))
_OPENING = re.compile(r"overall judgment|therefore", re.IGNORECASE)
_VERDICT = re.compile(r"answer\s*(\d+)\s*is\s*(?:the\s*)?(?:slightly\s*)?better", re.IGNORECASE)
_WORD = re.compile(r"[\w']+")
_PLACEHOLDER = "<image>\n"
"""Some files write where the image stands into the question; here the conversation says it."""


class Voting(BaseModel):
    """How a judge that writes is asked; the defaults are VL-RewardBench's (its paper reports K = 5)."""

    model_config = ConfigDict(extra="forbid")

    votes: int = Field(default=5, ge=2)
    """Comparisons of each pair; two at least, so that each order is shown."""
    sampling: Sampling = Sampling(temperature=0.2, top_p=0.2, max_new_tokens=2048, batch_size=16)
    """Of comparisons."""
    prompt: Path | None = None
    """A text file that asks for a comparison, with {question}, {first} and {second}; None: :data:`COMPARE`."""
    answer_tokens: int = Field(default=512, ge=1)
    """Tokens of an answer to a yes/no question and of a description; these are asked once, at temperature 0."""


class GenerativeJudge:
    """``pen`` writes: a local model or an endpoint. It judges pairs and yes/no questions, and writes descriptions."""

    looks = True
    ordered = True
    describes = True
    part = 16
    """Items that are lost at most when a run is killed: a comparison takes seconds."""

    def __init__(self, pen: Pen, voting: Voting | None = None, seed: int = 0) -> None:
        self.pen, self.voting, self.seed = pen, voting or Voting(), seed
        self.prompt = _prompt(self.voting.prompt)
        self.name = f"judge:{pen.name}"
        asked = self.voting.model_dump(mode="json", exclude={"sampling": {"batch_size"}, "prompt": True})
        self.fingerprint = fingerprint(type(self).judge, pen.identity, asked, self.prompt, seed)

    def judge(self, items: Sequence[Item], images: Sequence[Image.Image | None]) -> list[list[Judgement]]:
        """For a pair a judgement a vote; for other tasks one, with the text that was written."""
        orders = {i: drawn_orders(self.voting.votes, self.seed, it.key) for i, it in enumerate(items) if _pair(it)}
        votes: list[Asked] = []
        answers: list[Asked] = []
        for i, (item, image) in enumerate(zip(items, images, strict=True)):
            question = item.question.replace(_PLACEHOLDER, "")
            if not _pair(item):
                answers.append((image, chat.ask(question, image=image is not None), row_seed(self.seed, item.key)))
                continue
            for vote, order in enumerate(orders[i]):
                first, second = item.responses[::-1] if order else item.responses
                asked = _filled(self.prompt, (question, first, second))
                seed = row_seed("vote", self.seed, item.key, vote)
                votes.append((image, chat.ask(asked, image=image is not None), seed))
        once = Sampling(
            temperature=0, max_new_tokens=self.voting.answer_tokens, batch_size=self.voting.sampling.batch_size
        )
        said = iter(self.pen.write(votes, self.voting.sampling))
        answered = iter(self.pen.write(answers, once))
        return [
            [voted(next(said), vote, order) for vote, order in enumerate(orders[i])]
            if i in orders
            else [_answer(item, next(answered))]
            for i, item in enumerate(items)
        ]


def _prompt(file: Path | None) -> str:
    if file is None:
        return COMPARE
    try:
        text = file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the prompt {file} cannot be read ({error}): give a text file in UTF-8") from error
    if missing := [place for place in PLACES if place not in text]:
        raise UserError(f"the prompt {file} has no place for {' and '.join(missing)}: write it where that text belongs")
    return text


def _filled(prompt: str, texts: Sequence[str]) -> str:
    """In one pass, so that braces in questions and answers stay what they are."""
    known = dict(zip(PLACES, texts, strict=True))
    return _PLACE.sub(lambda found: known[found[0]], prompt)


def drawn_orders(votes: int, seed: int, key: str) -> list[int]:
    """The order of each vote on an item, 0 as in the file: drawn by seed and item, each at least ``votes // 2``
    times."""
    rng = np.random.default_rng(row_seed("order", seed, key))
    orders = [vote % 2 for vote in range(votes)]
    if votes % 2:
        orders[-1] = int(rng.integers(2))
    return [int(order) for order in rng.permutation(orders)]


def voted(text: str, vote: int, order: int) -> Judgement:
    """The judgement in the text of a comparison, by the item's own order whatever was shown."""
    number = better_answer(text)
    preferred = None if number is None else (number - 1) ^ order
    return Judgement(order, vote, preferred, text=text)


def better_answer(text: str) -> int | None:
    """1 or 2 as the last verdict after the first "Overall Judgment" or "Therefore" says; None where it says neither.

    As in the official parser, line breaks and asterisks are no part of the text.
    """
    said = text.replace("\n", "").replace("*", "")
    opening = _OPENING.search(said)
    verdicts = _VERDICT.findall(said, opening.end()) if opening else []
    return int(verdicts[-1]) if verdicts and verdicts[-1] in ("1", "2") else None


def yes_or_no(text: str) -> int | None:
    """0 for yes, 1 for no, None for neither: by the words of the first sentence, where a "no" or "not" decides (POPE's
    rule, which takes all else for a yes)."""
    words = [word.lower() for word in _WORD.findall(text.strip().split(".")[0])]
    if any(word in ("no", "not") or word.endswith("n't") for word in words):
        return 1
    return 0 if "yes" in words else None


def _answer(item: Item, text: str) -> Judgement:
    return Judgement(0, 0, yes_or_no(text) if item.task == "yes_no" else None, text=text)


def _pair(item: Item) -> bool:
    return item.task == "pair"
